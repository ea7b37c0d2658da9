"""What happened, entry by entry, and what may be told of many at once."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from obverse.billing.model import Month
from obverse.cards.model import CardKind
from obverse.kit.ids import AuthorizationId, CardId, ConsentId, EntryId, MemberId, MerchantId, SourceId
from obverse.kit.money import Money
from obverse.wallet.model import SourceKind

__all__ = ["Cell", "Consent", "Dimension", "Entry", "EntryKind", "Figure", "Filter", "Month"]


class EntryKind(StrEnum):
    """What an entry is about (PP-10)."""

    BOUGHT = "bought"
    """What a card was bought for."""
    CHARGE = "charge"
    """Paid in later, by card or bank."""
    LOAD = "load"
    """Paid in in cash, at an agent's till."""
    GIFT = "gift"
    """Paid in by somebody else."""
    POINTS = "points"
    """Earned with use; below zero where that use was undone."""
    PAYMENT = "payment"
    CALL = "call"
    """A call, or another service that is metered while it is used."""
    REFUND = "refund"
    """Given back by the merchant."""
    RELEASE = "release"
    """Was held and is not needed: cancelled, or never claimed in time."""
    PAYOUT = "payout"
    """The rest of a balance, paid out to its holder."""
    EXPIRY = "expiry"


class Entry(msgspec.Struct, frozen=True):
    """What one event did to one funding source: below zero where it took from it.

    `balance_minor` is what the source held after it that could be spent; None where nothing is stored.
    `is_pending` says that (a part of) it is held and not claimed yet. Whoever may not see where a card is
    spent gets no merchant (OT-8), and a recipient no source.
    """

    id: EntryId
    at: datetime
    kind: EntryKind
    amount: Money
    balance_minor: int | None
    is_pending: bool
    source_id: SourceId | None
    source_kind: SourceKind | None
    card_id: CardId | None
    card_kind: CardKind | None
    card_name: str
    card_last_four: str | None
    merchant_id: MerchantId | None
    merchant_name: str | None
    authorization_id: AuthorizationId | None
    units: int | None = None
    """Of issuer's points: how many were taken, below zero, or came back."""


class Filter(msgspec.Struct, frozen=True):
    """Which entries are wanted: in a period from `since` to before `until`, of one card, of these kinds."""

    since: datetime | None = None
    until: datetime | None = None
    card_id: CardId | None = None
    kinds: frozenset[EntryKind] | None = None


class Consent(msgspec.Struct, frozen=True):
    """A member's consent to have their purchases counted, from one moment to another (WA-15)."""

    id: ConsentId
    member_id: MemberId
    given_at: datetime
    withdrawn_at: datetime | None


class Dimension(StrEnum):
    """By what figures are told apart."""

    MONTH = "month"
    CATEGORY = "category"
    MERCHANT = "merchant"
    DENOMINATION = "denomination"


class Cell(msgspec.Struct, frozen=True):
    """What enough members bought in one month at one merchant, with cards of one denomination."""

    month: Month
    merchant_id: UUID
    category: str
    denomination_minor: int | None
    amount: Money
    purchases: int


class Figure(msgspec.Struct, frozen=True):
    """A sum over cells. `key` is a month, a category, a merchant's id or a denomination; '' for no card's."""

    key: str
    amount: Money
    purchases: int

    @property
    def average_minor(self) -> int:
        """In whole minor units, rounded down."""
        return self.amount.amount_minor // self.purchases
