"""What members are told of at once."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from obverse.kit.ids import CardId, EventId, MemberId, SourceId
from obverse.kit.money import Money


class PointsUsed(msgspec.Struct, frozen=True):
    """What an issuer's points had a part in."""

    issuer: str
    units: int
    unit: str


class Use(msgspec.Struct, frozen=True):
    """Something that happened to a payment by a member's card, or that was paid into it.

    `step_minor` is how much this step refunded or released; None where it was about all of it.
    `is_load` is money that came in; `was_approved` says whether anything was ever taken, or came in.
    """

    event_id: EventId
    type: str
    at: datetime
    member_id: MemberId
    card_id: CardId
    card_name: str
    card_last_four: str
    amount: Money
    step_minor: int | None
    is_load: bool
    was_approved: bool
    approval_code: str | None
    balance_minor: int | None
    merchant: str | None
    points: Sequence[PointsUsed] = ()


class Expiring(msgspec.Struct, frozen=True):
    """What of one balance will expire at one moment. Points have no card."""

    source_id: SourceId
    member_id: MemberId
    expires_at: datetime
    amount: Money
    card_id: CardId | None
    card_name: str
    card_last_four: str | None
