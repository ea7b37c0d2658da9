"""What a transfer does to two accounts, and when it is refused. Pure: no database in sight."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid5

from msgspec.structs import replace

from obverse.kit.ids import AccountId, PartitionId, TransferId
from obverse.kit.money import CurrencyCode
from obverse.ledger.errors import (
    CurrencyMismatch,
    InsufficientFunds,
    NothingPending,
    TransferRefused,
    UnknownAccount,
)
from obverse.ledger.model import HOUSE_ACCOUNTS, Account, AccountKind, Transfer, TransferKind

_ACCOUNTS: Final = UUID("6f627665-7273-4163-8000-77616c6c6574")
"""A namespace of our own for ids that are derived (RFC 9562, version 5)."""

# (change of pending, change of posted) on each side, in multiples of the amount.
EFFECTS: Final[Mapping[TransferKind, tuple[int, int]]] = {
    TransferKind.POSTED: (0, 1),
    TransferKind.PENDING: (1, 0),
    TransferKind.POST: (-1, 1),
    TransferKind.VOID: (-1, 0),
}


def house_account(kind: AccountKind, partition_id: PartitionId, currency: CurrencyCode) -> Account:
    """One of the programme's own accounts: everybody's, so rolled up and without a floor.

    Its id is derived rather than new, so that whoever needs it first can open it without asking.
    """
    assert kind in HOUSE_ACCOUNTS, "the others belong to somebody"
    return Account(
        partition_id=partition_id,
        id=AccountId(uuid5(_ACCOUNTS, f"{kind}:{partition_id}:{currency}")),
        kind=kind,
        owner_id=None,
        currency=currency,
        floor_minor=None,
        rolled_up=True,
    )


def house_accounts(partition_ids: Iterable[PartitionId], currency: CurrencyCode) -> list[Account]:
    """All of the programme's own accounts in these partitions."""
    return [house_account(kind, p, currency) for p in partition_ids for kind in HOUSE_ACCOUNTS]


@dataclass(slots=True)
class Delta:
    """What a batch of transfers changes on one account, in minor units."""

    debits_pending_minor: int = 0
    debits_posted_minor: int = 0
    credits_pending_minor: int = 0
    credits_posted_minor: int = 0


def deltas(transfers: Iterable[Transfer]) -> dict[AccountId, Delta]:
    """Add up what each account's balances change by."""
    changes: dict[AccountId, Delta] = {}
    for transfer in transfers:
        pending, posted = EFFECTS[transfer.kind]
        debit = changes.setdefault(transfer.debit_account_id, Delta())
        debit.debits_pending_minor += pending * transfer.amount_minor
        debit.debits_posted_minor += posted * transfer.amount_minor
        credit = changes.setdefault(transfer.credit_account_id, Delta())
        credit.credits_pending_minor += pending * transfer.amount_minor
        credit.credits_posted_minor += posted * transfer.amount_minor
    return changes


@dataclass(slots=True)
class Pending:
    """A pending transfer and how much of it has been posted or voided so far."""

    transfer: Transfer
    resolved_minor: int

    @property
    def open_minor(self) -> int:
        return self.transfer.amount_minor - self.resolved_minor

    def resolve(self, transfer: Transfer) -> Transfer:
        """Complete a `POST` or `VOID` with what it resolves, and count it."""
        completed = replace(
            transfer,
            pending_minor=self.transfer.amount_minor,
            resolved_before_minor=self.resolved_minor,
        )
        self.resolved_minor += transfer.amount_minor
        return completed


class Books:
    """A batch's own copy of what its accounts may still spend, kept while it decides transfer by transfer.

    It knows the accounts that have a floor; the others may be debited without limit. Transfers are
    collected in `journal` in the order in which they were entered, ready to be stored in one go.
    """

    __slots__ = ("_available", "_held", "journal")

    def __init__(self, accounts: Collection[Account]) -> None:
        self._available = {
            account.id: available
            for account in accounts
            if (available := account.available_minor) is not None
        }
        self._held = {a.id: a.debits_pending_minor for a in accounts if a.floor_minor is not None}
        self.journal: list[Transfer] = []

    def open(self, account_id: AccountId) -> None:
        """Know an account that is opened by this batch, empty and with a floor of zero."""
        self._available.setdefault(account_id, 0)

    def available_minor(self, account_id: AccountId) -> int | None:
        """What this account may still be debited; None means without limit."""
        return self._available.get(account_id)

    def held_minor(self, account_id: AccountId) -> int:
        """What is reserved of this account, and comes back if it is released; 0 for one without a floor."""
        return self._held.get(account_id, 0)

    def enter(self, transfer: Transfer) -> None:
        """Put a transfer into the journal. Asserts what the caller must have decided before."""
        pending, posted = EFFECTS[transfer.kind]
        amount = transfer.amount_minor
        if transfer.debit_account_id in self._available:
            left = self._available[transfer.debit_account_id] - (pending + posted) * amount
            # The floor only stops what takes money out: a lowered credit limit must not block a void.
            assert left >= 0 or pending + posted <= 0, "the caller debited more than was available"
            self._available[transfer.debit_account_id] = left
            self._held[transfer.debit_account_id] = self.held_minor(transfer.debit_account_id) + (
                pending * amount
            )
        if transfer.credit_account_id in self._available:
            self._available[transfer.credit_account_id] += posted * amount
        self.journal.append(transfer)


def refusal(
    transfer: Transfer,
    accounts: Mapping[AccountId, Account],
    books: Books,
    pending: Mapping[TransferId, Pending],
) -> TransferRefused | None:
    """Say why this transfer may not be entered, or None; `pending` holds what it may name."""
    debit = accounts.get(transfer.debit_account_id)
    credit = accounts.get(transfer.credit_account_id)
    if debit is None:
        return UnknownAccount(transfer.id, transfer.debit_account_id)
    if credit is None:
        return UnknownAccount(transfer.id, transfer.credit_account_id)
    if not debit.currency == credit.currency == transfer.currency:
        return CurrencyMismatch(transfer.id)
    if transfer.pending_id is not None:
        return _resolution_refusal(transfer, pending)
    available = books.available_minor(transfer.debit_account_id)
    if available is not None and transfer.amount_minor > available:
        return InsufficientFunds(transfer.id, transfer.debit_account_id)
    return None


def _resolution_refusal(transfer: Transfer, pending: Mapping[TransferId, Pending]) -> TransferRefused | None:
    assert transfer.pending_id is not None
    named = pending.get(transfer.pending_id)
    fits = named is not None and (
        named.transfer.debit_account_id == transfer.debit_account_id
        and named.transfer.credit_account_id == transfer.credit_account_id
        and named.open_minor >= transfer.amount_minor
    )
    return None if fits else NothingPending(transfer.id)
