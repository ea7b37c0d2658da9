"""Funding sources: what pays behind a card."""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from obverse.cards.model import Controls
from obverse.kit.ids import AccountId, BankTransferId, MemberId, PartitionId, SourceId, VaultCardId
from obverse.kit.money import CurrencyCode, Money
from obverse.kit.secret import Secret


class SourceKind(StrEnum):
    LINKED_CARD = "linked_card"
    """A real card of the member; approved by its card company (off-us)."""
    CREDIT_LINE = "credit_line"
    """Credit the programme itself gives the member (on-us)."""
    STORED_BALANCE = "stored_balance"
    """Money that was paid in for one card, in lots (on-us)."""
    POINTS = "points"
    """The programme's own points, in lots, worth one minor unit each (on-us)."""
    ISSUER_POINTS = "issuer_points"
    """Points of the member with an issuer outside, who is asked for each payment (off-us, PR-1)."""
    BANK_ACCOUNT = "bank_account"
    """The member's own account; cards are charged from it, it does not pay by itself."""


STORED: Final = frozenset({SourceKind.STORED_BALANCE, SourceKind.POINTS})
"""Paid in or earned before it is spent: in lots, and never below zero."""


class SourceState(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"
    """The member's standing, or a bill unpaid for too long, does not allow it at present (OT-13)."""
    REMOVED = "removed"


class Source(msgspec.Struct, frozen=True):
    """One funding source, of a member or of nobody we know.

    `account_id` is the ledger account that is debited: the member's receivable for a credit line, the
    receivable from card companies for a linked card. A stored balance has one for each of its lots.
    """

    id: SourceId
    partition_id: PartitionId
    member_id: MemberId | None
    kind: SourceKind
    currency: CurrencyCode
    account_id: AccountId | None
    vault_card_id: VaultCardId | None
    state: SourceState
    created_at: datetime


class LotKind(StrEnum):
    """How the money of a lot came to be there: whether it can be refunded depends on it."""

    BOUGHT = "bought"
    """Paid when the card was bought, by its holder."""
    CHARGED = "charged"
    """Paid in later."""
    GIVEN = "given"
    """Paid by somebody else as a gift, or given by the programme."""
    EARNED = "earned"
    """Accrued with use."""


REFUNDABLE_LOTS: Final = frozenset({LotKind.BOUGHT, LotKind.CHARGED})


class Lot(msgspec.Struct, frozen=True):
    """A part of a balance that is spent until its own date. It is an account of the ledger, with this id."""

    account_id: AccountId
    partition_id: PartitionId
    source_id: SourceId
    kind: LotKind
    currency: CurrencyCode
    expires_at: datetime


class LotBalance(msgspec.Struct, frozen=True):
    """A lot and what is in it: to be spent, and held for payments that are not captured yet."""

    lot: Lot
    available_minor: int
    held_minor: int


class Funding(msgspec.Struct, frozen=True):
    """Money to be put into a balance. `expires_at` is the first moment at which it cannot be spent."""

    source_id: SourceId
    kind: LotKind
    amount: Money
    from_account_id: AccountId
    expires_at: datetime
    subject_id: UUID
    """What it is for: an order, a charge, a payment that earned points."""


class Draining(msgspec.Struct, frozen=True):
    """Money to be taken out of a balance again; `amount_minor` None takes all that is not held."""

    source_id: SourceId
    to_account_id: AccountId
    subject_id: UUID
    kinds: frozenset[LotKind] = frozenset(LotKind)
    amount_minor: int | None = None


class BankAccountState(StrEnum):
    PENDING = "pending"
    """The code was sent and has not come back yet."""
    PROVED = "proved"
    """A funding source of its member's."""
    REMOVED = "removed"
    ENDED = "ended"
    """Never proved: its time was over, too many codes were wrong, or it was begun anew."""


class LinkedAccount(msgspec.Struct, frozen=True):
    """A member's bank account, as it may be shown but for the hash of its code (WA-5)."""

    id: SourceId
    """Its funding source's, once it is proved."""
    partition_id: PartitionId
    member_id: MemberId
    bank_code: str
    last_four: str
    holder: str
    transfer_id: BankTransferId
    """The transfer of one won that carries the code."""
    code_hash: bytes
    tries: int
    state: BankAccountState
    expires_at: datetime
    created_at: datetime


class CardDetails(msgspec.Struct, frozen=True):
    """A real card as its owner types it in, to be proved at the card company before it is kept.

    `cvv` and `birth_date` (YYMMDD) go to the card company in that one check and are stored nowhere.
    """

    number: Secret
    exp_month: int
    exp_year: int
    """Four digits."""
    cvv: Secret
    birth_date: Secret


MonthEnd = Callable[[int, int], datetime]
"""The first moment beyond a year's month, on the programme's calendar: cards are good through theirs."""


class Terms(msgspec.Struct, frozen=True):
    """What the programme gives a member who registers for credit (OT-13)."""

    currency: CurrencyCode
    credit_limit_minor: int


class CardWish(msgspec.Struct, frozen=True):
    """What a member asks for when they want a card. `funding` None means: whatever is there."""

    controls: Controls = msgspec.field(default_factory=Controls)
    funding: tuple[SourceId, ...] | None = None
    expires_at: datetime | None = None
    """UTC; None means the programme's usual lifetime."""
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)
