"""Rules by which points accrue, and what became of them."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from obverse.authorization.model import ActionKind
from obverse.kit.ids import (
    ActionId,
    AuthorizationId,
    MemberId,
    MerchantId,
    PartitionId,
    PointsRuleId,
    ProgrammeId,
)


class RuleTerms(msgspec.Struct, frozen=True):
    """How much accrues where. `programme_id` and `merchant_id` None mean every one."""

    basis_points: int
    """Hundredths of a percent of what is paid; a fraction of a point is nothing."""
    validity_months: int
    programme_id: ProgrammeId | None = None
    merchant_id: MerchantId | None = None
    amount_min_minor: int = 0
    """Payments below it earn nothing."""


class PointsRule(msgspec.Struct, frozen=True):
    """A rule as stored: it holds for captures from `starts_at` until `ends_at`."""

    id: PointsRuleId
    terms: RuleTerms
    starts_at: datetime
    ends_at: datetime | None


class MovementKind(StrEnum):
    EARNED = "earned"
    TAKEN_BACK = "taken_back"


class Step(msgspec.Struct, frozen=True):
    """A capture, or what gives one back, of a payment by a card that has a member.

    `parts` and `kinds` go leg by leg: what was paid with points earns none.
    """

    action_id: ActionId
    partition_id: PartitionId
    authorization_id: AuthorizationId
    kind: ActionKind
    member_id: MemberId
    programme_id: ProgrammeId
    merchant_id: MerchantId
    parts: Sequence[int]
    kinds: Sequence[str]
    created_at: datetime
    moved: int | None = None
    """The points that it has moved already; None where nobody has looked at it yet."""


class PointsMovement(msgspec.Struct, frozen=True):
    """What one step has earned or taken back.

    Points that were spent before a refund cannot be taken back: they are `owed`, and the next ones that are
    earned make it good (`owed` is below zero there).
    """

    action_id: ActionId
    partition_id: PartitionId
    authorization_id: AuthorizationId
    member_id: MemberId
    kind: MovementKind
    rule_id: PointsRuleId | None
    points: int
    owed: int
    created_at: datetime
