"""Points: the rules by which they accrue, and what a member has of them (PP-12)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from obverse.access.model import Scope
from obverse.accrual import MovementKind, PointsMovement, PointsRule, RuleTerms
from obverse.doors.rest.auth import Allow, caller_of
from obverse.doors.rest.funding_sources import member_named
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import (
    After,
    Body,
    Id,
    Limit,
    ListView,
    View,
    list_view,
    page_request,
)
from obverse.doors.rest.shapes import Reason as AuditReason
from obverse.kit.ids import MerchantId, PointsRuleId, ProgrammeId, from_text, to_text

_OPERATORS: Final = Allow(Scope.OPERATE)
_OWNERS: Final = Allow(Scope.MEMBERS, members=True)


class NewPointsRule(Body, frozen=True):
    """From now on captures earn `basis_points` hundredths of a percent. Without `merchant` or `programme` the
    rule holds for all; the most particular rule that fits counts, alone."""

    basis_points: Annotated[int, Meta(ge=1, le=10_000)]
    validity_months: Annotated[int, Meta(ge=1, le=60)]
    reason: AuditReason
    programme: Id | None = None
    merchant: Id | None = None
    amount_min: Annotated[int, Meta(ge=0, le=999_999_999_999)] = 0


class EndedRule(Body, frozen=True):
    reason: AuditReason


class PointsRuleView(View, frozen=True):
    id: str
    object: str
    basis_points: int
    validity_months: int
    programme: str | None
    merchant: str | None
    amount_min: int
    starts_at: datetime
    ends_at: datetime | None


class PointsLotView(View, frozen=True):
    points: int
    held: int
    expires_at: datetime


class PointsView(View, frozen=True):
    """What a member has; the lots in the order in which they are spent."""

    object: str
    member: str
    points: int
    lots: Sequence[PointsLotView]


class PointsMovementView(View, frozen=True):
    """What one step of a payment has earned or taken back. `owed` of a taking back was spent before and is
    made good by what is earned next, where it is below zero."""

    object: str
    kind: MovementKind
    authorization: str
    points: int
    owed: int
    created: datetime


@post("/v1/points_rules", before_request=_OPERATORS, tags=["points"])
async def create_points_rule(request: HttpRequest, data: JSONBody[NewPointsRule]) -> PointsRuleView:
    """Have points accrue with use."""
    terms = RuleTerms(
        basis_points=data.basis_points,
        validity_months=data.validity_months,
        programme_id=(
            ProgrammeId(from_text("prog", data.programme, "programme"))
            if data.programme is not None
            else None
        ),
        merchant_id=(
            MerchantId(from_text("mer", data.merchant, "merchant")) if data.merchant is not None else None
        ),
        amount_min_minor=data.amount_min,
    )
    actor = caller_of(request).actor
    return _rule_view(await services(request).points.set_rule(terms, actor=actor, reason=data.reason))


@post("/v1/points_rules/{rule_id:str}/end", before_request=_OPERATORS, status_code=200, tags=["points"])
async def end_points_rule(
    request: HttpRequest, rule_id: FromPath[str], data: JSONBody[EndedRule]
) -> PointsRuleView:
    """Let nothing accrue by this rule any more; what was captured before still does."""
    id_ = PointsRuleId(from_text("prule", rule_id))
    actor = caller_of(request).actor
    return _rule_view(await services(request).points.end_rule(id_, actor=actor, reason=data.reason))


@get("/v1/points_rules", before_request=_OPERATORS, tags=["points"])
async def list_points_rules(
    request: HttpRequest, limit: Limit = 20, after: After = None
) -> ListView[PointsRuleView]:
    """All rules, newest first."""
    page = await services(request).points.rules(page_request("prule", limit, after))
    return list_view("prule", page, _rule_view)


@get("/v1/points", before_request=_OWNERS, tags=["points"])
async def get_points(request: HttpRequest, member: FromQuery[str | None] = None) -> PointsView:
    """What a member has, and until when."""
    member_id = member_named(caller_of(request), member)
    lots = [b for b in await services(request).points.balance(member_id) if b.available_minor or b.held_minor]
    return PointsView(
        object="points",
        member=to_text("mem", member_id),
        points=sum(b.available_minor for b in lots),
        lots=[PointsLotView(b.available_minor, b.held_minor, b.lot.expires_at) for b in lots],
    )


@get("/v1/points/movements", before_request=_OWNERS, tags=["points"])
async def list_points_movements(
    request: HttpRequest, member: FromQuery[str | None] = None, limit: Limit = 20, after: After = None
) -> ListView[PointsMovementView]:
    """What a member has earned and lost again, newest first."""
    member_id = member_named(caller_of(request), member)
    page = await services(request).points.movements(member_id, page_request("act", limit, after))
    return list_view("act", page, _movement_view)


def _rule_view(rule: PointsRule) -> PointsRuleView:
    terms = rule.terms
    return PointsRuleView(
        id=to_text("prule", rule.id),
        object="points_rule",
        basis_points=terms.basis_points,
        validity_months=terms.validity_months,
        programme=to_text("prog", terms.programme_id) if terms.programme_id is not None else None,
        merchant=to_text("mer", terms.merchant_id) if terms.merchant_id is not None else None,
        amount_min=terms.amount_min_minor,
        starts_at=rule.starts_at,
        ends_at=rule.ends_at,
    )


def _movement_view(movement: PointsMovement) -> PointsMovementView:
    return PointsMovementView(
        object="points_movement",
        kind=movement.kind,
        authorization=to_text("auth", movement.authorization_id),
        points=movement.points,
        owed=movement.owed,
        created=movement.created_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [
    create_points_rule,
    end_points_rule,
    list_points_rules,
    get_points,
    list_points_movements,
]
