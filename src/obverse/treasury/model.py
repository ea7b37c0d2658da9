"""Bank accounts, transfers out, receipts in, and what a bank's statement says."""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec
from msgspec.structs import astuple

from obverse.kit.ids import AccountId, BankTransferId, PartitionId, ReceiptId
from obverse.kit.money import CurrencyCode, Money
from obverse.kit.secret import Secret

LAST_DIGITS: Final = 4


class BankAccount(msgspec.Struct, frozen=True):
    """An account at a bank, on its way to the bank or into the vault.

    `bank_code` has three digits (KFTC; in ISO 20022 the clearing system member id), `number` digits only,
    `holder` is the name that the bank compares. See `rules.check_bank_account`.
    """

    bank_code: str
    number: Secret
    holder: str

    @property
    def last_four(self) -> str:
        """All that may be shown of the number."""
        return self.number.reveal()[-LAST_DIGITS:]


class TransferState(StrEnum):
    READY = "ready"
    """Owed to somebody, not yet given to the bank."""
    SENT = "sent"
    """Given to the bank, which has not booked it yet as far as we know."""
    UNKNOWN = "unknown"
    """Given to the bank, which did not answer: asked for until known, never assumed."""
    DONE = "done"
    """Booked by the bank. Final."""
    REFUSED = "refused"
    """The bank would not; `reason` says why. An operator corrects the account and it is `ready` again."""


class TransferOrder(msgspec.Struct, frozen=True):
    """An owner's order to pay `amount` out to somebody's bank account.

    `id` is the owner's to make and to keep: the same id again changes nothing. `reference` is what the
    recipient reads. `subject_id` is what the money is for (a payout, a draw) and becomes the ledger
    transfers' subject. The money is taken from `debit_account_id` in `partition_id` into `in_transit`; None
    means that the owner has moved it there itself, in the same transaction, from as many accounts as it took.
    """

    id: BankTransferId
    partition_id: PartitionId
    amount: Money
    to: BankAccount
    reference: str
    subject_id: UUID
    debit_account_id: AccountId | None


class BankTransfer(msgspec.Struct, frozen=True):
    """A transfer as it may be shown; `reason` is the bank's, when it refused."""

    id: BankTransferId
    partition_id: PartitionId
    amount: Money
    bank_code: str
    last_four: str
    holder: str
    reference: str
    subject_id: UUID
    state: TransferState
    reason: str | None
    created_at: datetime
    updated_at: datetime


class Direction(StrEnum):
    """As the account holder sees it."""

    CREDIT = "credit"
    """Came in."""
    DEBIT = "debit"
    """Went out."""


class Receipt(msgspec.Struct, frozen=True):
    """Money that came in, or went out without an order of ours (a fee, a second booking: `direction` debit).

    It waits in `suspense` until it is placed, in one or several parts: `open_minor` is what is left.
    `reference` is the first `OBV-X-...` in what the sender wrote, in capitals, or None; `text` is all of it.
    """

    id: ReceiptId
    direction: Direction
    amount: Money
    placed_minor: int
    reference: str | None
    text: str
    counterparty: str
    """Who sent it (or got it), as the bank names them."""
    bank_code: str | None
    last_four: str | None
    """Their account, where the bank tells it."""
    entry_reference: str
    """The bank's own reference of the entry: unique per account."""
    booked_on: date
    created_at: datetime

    @property
    def open_minor(self) -> int:
        return self.amount.amount_minor - self.placed_minor


class Placement(msgspec.Struct, frozen=True):
    """What a receipt was for: `amount_minor` of it goes from `suspense` to this account.

    `subject_id` is the bill, presentment file or whatever it pays. The same receipt, subject, partition and
    account again changes nothing.
    """

    receipt_id: ReceiptId
    partition_id: PartitionId
    account_id: AccountId
    amount_minor: int
    subject_id: UUID


class StatementEntry(msgspec.Struct, frozen=True):
    """One booked line of a statement. `end_to_end_id` is what the orderer gave it, if anything."""

    reference: str
    direction: Direction
    amount_minor: int
    booked_on: date
    end_to_end_id: str | None
    text: str
    counterparty: str
    account: BankAccount | None


class Statement(msgspec.Struct, frozen=True):
    """What a bank says of one account on one day (camt.053). A balance below zero is overdrawn."""

    id: str
    account_number: Secret
    currency: CurrencyCode
    day: date
    opening_minor: int
    closing_minor: int
    entries: tuple[StatementEntry, ...]


class StatusReport(msgspec.Struct, frozen=True):
    """What a bank refuses, each with its reason: batches by their id, single orders by their wire id."""

    batches: Mapping[UUID, str]
    orders: Mapping[UUID, str]


class Imported(msgspec.Struct, frozen=True):
    """What came of a statement: how many of its entries were new, of these how many receipts, and how many
    orders of ours they confirmed; `known` entries had been booked before. `refused` counts the orders that
    the bank has refused in a status report."""

    receipts: int = 0
    confirmed: int = 0
    known: int = 0
    refused: int = 0

    def __add__(self, other: "Imported") -> "Imported":
        return Imported(*map(int.__add__, astuple(self), astuple(other)))
