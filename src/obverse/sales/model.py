"""A sale: what is paid for stored value before any of it is given out."""

from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from obverse.kit.ids import AuthorizationId, BankTransferId, MemberId, PartitionId, SaleId, SourceId
from obverse.kit.money import Money
from obverse.kit.secret import Sealed
from obverse.wallet import CardDetails


class SubjectKind(StrEnum):
    """What is paid for. Its room allocates what was paid, and nobody else."""

    ORDER = "order"
    CHARGE = "charge"


class Means(StrEnum):
    """How it is paid for."""

    CARD = "card"
    """By a real card: a member's linked one, or one typed in by somebody without an account."""
    BANK_TRANSFER = "bank_transfer"
    """By whoever writes the sale's reference on a transfer to our account."""
    BANK_ACCOUNT = "bank_account"
    """Collected from a member's linked account, by the mandate given when it was linked."""


class SaleState(StrEnum):
    OPEN = "open"
    """Nothing was asked for yet; a bank transfer is waited for."""
    PAYING = "paying"
    """Asked of the card company or the bank. What it will be nobody knows yet, so it cannot be cancelled."""
    PAID = "paid"
    """The money is on the house merchant's account, for the subject's room to allocate."""
    DONE = "done"
    """Allocated."""
    DECLINED = "declined"
    CANCELLED = "cancelled"
    """By whoever wanted it, or by time."""
    GIVEN_BACK = "given_back"
    """All of it is owed to its payer again, or paid; see `SaleRefund`."""


LIVE: Final = frozenset({SaleState.OPEN, SaleState.PAYING, SaleState.PAID, SaleState.DONE})


class How(msgspec.Struct, frozen=True):
    """How somebody wants to pay.

    A card: `source_id` is a member's linked card, or else `card` was typed in. A bank account: `source_id`.
    """

    means: Means
    source_id: SourceId | None = None
    card: CardDetails | None = None


class SaleWish(msgspec.Struct, frozen=True):
    """What is to be paid. `member_id` None: by somebody without an account. Sources of members live in their
    member's partition, and so does what is paid by them."""

    subject_kind: SubjectKind
    subject_id: UUID
    partition_id: PartitionId
    amount: Money
    how: How
    member_id: MemberId | None = None


class Sale(msgspec.Struct, frozen=True):
    """A sale as stored. `reference` is what a bank transfer has to carry; None for cards.

    `payer` is the sealed bank account that the money came from, where a bank told it. `decline` is a stable
    code, as payments and banks have it. `given_back_minor` counts what was ordered back so far.
    """

    id: SaleId
    partition_id: PartitionId
    subject_kind: SubjectKind
    subject_id: UUID
    member_id: MemberId | None
    amount: Money
    means: Means
    state: SaleState
    source_id: SourceId | None
    reference: str | None
    authorization_id: AuthorizationId | None
    decline: str | None
    given_back_minor: int
    payer: Sealed | None
    created_at: datetime
    expires_at: datetime
    """When one that nobody has paid is cancelled."""
    asked: int = 0
    """How often the bank was asked to collect."""


class RefundState(StrEnum):
    ASKED = "asked"
    """Owed to a card; the engine has not carried it out yet."""
    WAITING = "waiting"
    """Owed to a bank account that nobody has told us."""
    DONE = "done"
    """Refunded by the engine, or ordered at the treasury."""
    REFUSED = "refused"
    """The engine would not: the payment was undone otherwise. For an operator to look at."""


class SaleRefund(msgspec.Struct, frozen=True):
    """A part of a sale on its way back to where it came from (P16)."""

    id: BankTransferId
    """Also its bank transfer's, where it has one."""
    sale_id: SaleId
    partition_id: PartitionId
    amount: Money
    state: RefundState
    created_at: datetime
