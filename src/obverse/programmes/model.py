"""A programme: what its cards cost, may be spent on, and for how long (PP-15)."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from obverse.kit.ids import MerchantId, ProgrammeId
from obverse.kit.money import CurrencyCode


class ProgrammeState(StrEnum):
    ACTIVE = "active"
    CLOSED = "closed"
    """Sells and charges nothing any more; its cards are spent to their end."""


class Programme(msgspec.Struct, frozen=True):
    """The terms under which cards are sold. Lists that are None restrict nothing.

    `services`, `categories` and `merchants` are copied onto each card when it is issued: what was bought is
    what holds. Amounts in minor units of `currency`.
    """

    id: ProgrammeId
    name: str
    state: ProgrammeState
    currency: CurrencyCode
    denominations: tuple[int, ...]
    """What cards can be bought for; empty where none are sold (PP-1)."""
    charge_unit_minor: int | None
    """Charges come in multiples of this; None where cards are not charged (PP-9)."""
    ceiling_minor: int
    """What a card may hold at most (PP-9)."""
    validity_months: int
    """How long what is paid in may be spent: to the end of that month (PP-14)."""
    services: tuple[str, ...] | None
    """`goods`, `content`, `voice`, `calls`, as the cards' room names them (PP-5)."""
    categories: tuple[str, ...] | None
    merchants: tuple[MerchantId, ...] | None
    giftable: bool
    refundable: bool
    physical: bool
    """Whether its cards may be made of plastic (WA-4)."""
    created_at: datetime
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)

    @property
    def chargeable(self) -> bool:
        """Whether money can be paid into its cards."""
        return self.charge_unit_minor is not None


class Terms(msgspec.Struct, frozen=True):
    """What an operator decides about a programme; see `Programme`. Its currency is the platform's."""

    name: str
    ceiling_minor: int
    validity_months: int
    denominations: tuple[int, ...] = ()
    charge_unit_minor: int | None = None
    services: tuple[str, ...] | None = None
    categories: tuple[str, ...] | None = None
    merchants: tuple[MerchantId, ...] | None = None
    giftable: bool = False
    refundable: bool = False
    physical: bool = False
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)
