"""Points issuers, members' accounts with them, rates, quotes, and what issuers are told."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import msgspec
from msgspec import UNSET, UnsetType

from obverse.kit.ids import (
    AuthorizationId,
    CardId,
    MemberId,
    MerchantId,
    PartitionId,
    PointsIssuerId,
    PointsMessageId,
    PointsRateId,
    SourceId,
)
from obverse.kit.money import CurrencyCode
from obverse.kit.secret import Sealed


class Rate(msgspec.Struct, frozen=True):
    """`numerator` units pay for `denominator` minor units of money: two points for each won is 2/1 (PR-6)."""

    numerator: int
    denominator: int
    minimum_units: int = 1
    """Payments below it take no points."""
    step_units: int = 1
    """Units are taken in multiples of it."""

    def __str__(self) -> str:
        """As it is shown: `2`, or `1/10`."""
        return f"{self.numerator}" if self.denominator == 1 else f"{self.numerator}/{self.denominator}"


class IssuerState(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"
    """Its points pay nothing until it is resumed; what is owed to or by it goes on."""


class Issuer(msgspec.Struct, frozen=True):
    """Somebody outside who runs points: where it is reached, and what it can."""

    id: PointsIssuerId
    name: str
    short_name: str
    """On tills: up to 12 ASCII characters."""
    unit: str
    """What it calls a unit: points, miles."""
    url: str
    secret: Sealed
    """What requests to it are signed with (Standard Webhooks)."""
    two_phase: bool
    """Whether it holds and confirms; else it can only deduct and cancel."""
    tells_van: bool
    """Whether it sends its results to the terminal's VAN besides (PR-7)."""
    units_max: int | None
    """The most units that one payment may take."""
    currency: CurrencyCode
    state: IssuerState
    created_at: datetime


class IssuerTerms(msgspec.Struct, frozen=True):
    """What an operator says of an issuer."""

    name: str
    short_name: str
    unit: str
    url: str
    two_phase: bool
    tells_van: bool = False
    units_max: int | None = None


class IssuerChange(msgspec.Struct, frozen=True):
    """What an operator changes of an issuer; what is unset stays as it is."""

    name: str | UnsetType = UNSET
    short_name: str | UnsetType = UNSET
    unit: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    tells_van: bool | UnsetType = UNSET
    units_max: int | UnsetType | None = UNSET


class IssuerRate(msgspec.Struct, frozen=True):
    """A rate of an issuer, at one merchant or at every one, and when it holds. A new one ends it."""

    id: PointsRateId
    issuer_id: PointsIssuerId
    merchant_id: MerchantId | None
    rate: Rate
    starts_at: datetime
    ends_at: datetime | None


class AccountState(StrEnum):
    PENDING = "pending"
    """The issuer has sent its owner a code, which has not come back yet."""
    PROVED = "proved"
    """A funding source of its member's, with the same id."""
    REMOVED = "removed"
    ENDED = "ended"
    """Never proved: its time was over, too many codes were wrong, or it was begun anew."""


class Account(msgspec.Struct, frozen=True):
    """A member's points account, as it may be shown."""

    id: SourceId
    partition_id: PartitionId
    member_id: MemberId
    issuer_id: PointsIssuerId
    last_four: str
    card_id: CardId | None
    """The card that it was linked to."""
    link: str | None
    """The issuer's name for the link while its code is under way; None until it has answered."""
    tries: int
    """How many codes were shown to the issuer."""
    state: AccountState
    created_at: datetime
    expires_at: datetime
    """When the code is over."""


class FoundAccount(msgspec.Struct, frozen=True):
    """A proved account as its issuer is answered about it (PR-9)."""

    id: SourceId
    last_four: str
    handle: Sealed


class Holding(msgspec.Struct, frozen=True):
    """A proved account, as a payment needs it."""

    source_id: SourceId
    issuer_id: PointsIssuerId
    handle: Sealed
    """How the issuer names the account to us."""
    units_max: int | None
    is_active: bool
    """Whether its issuer is."""


class QuoteLine(msgspec.Struct, frozen=True):
    """One account of a quote. `number` is what a till picks it by: 1 is the first."""

    number: int
    source_id: SourceId
    rate: Rate
    units: int
    """What the issuer said there was."""


class Quote(msgspec.Struct, frozen=True):
    """What was shown of a card's points at one merchant: rates and balances that hold until `expires_at`."""

    reference: str
    partition_id: PartitionId
    card_id: CardId
    merchant_id: MerchantId
    lines: Sequence[QuoteLine]
    created_at: datetime
    expires_at: datetime


class MessageKind(StrEnum):
    """What an issuer is told of a leg after it was asked."""

    CONFIRM = "confirm"
    """The payment stands: what was held is spent."""
    CANCEL = "cancel"
    """Give back whatever this leg still has, or never let it happen."""
    GIVE_BACK = "give_back"
    """Give back some units: part of the payment was released or refunded."""


class PointsMessage(msgspec.Struct, frozen=True):
    """One thing an issuer has to be told, again and again until it acknowledges it.

    `reference` is the leg's; together with kind and `units_before` it makes repeats one.
    """

    id: PointsMessageId
    partition_id: PartitionId
    source_id: SourceId
    authorization_id: AuthorizationId
    position: int
    reference: str
    kind: MessageKind
    created_at: datetime
    units: int | None = None
    units_before: int | None = None
    """How many units of the leg went back before these."""


class MessageStatus(msgspec.Struct, frozen=True):
    """How far a message has come. `next_at` is when it is sent next, `done_at` when it was acknowledged."""

    id: PointsMessageId
    authorization_id: AuthorizationId
    issuer_id: PointsIssuerId
    kind: MessageKind
    reference: str
    units: int | None
    units_before: int | None
    tries: int
    created_at: datetime
    next_at: datetime
    done_at: datetime | None
