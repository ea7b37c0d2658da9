"""Rates: how many units of an issuer's points pay for how much money (PR-6)."""

from datetime import datetime
from typing import Annotated, Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from obverse.access.model import Scope
from obverse.doors.rest.auth import Allow, caller_of
from obverse.doors.rest.merchant_shapes import DecisionBody, decision
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import (
    After,
    Body,
    Id,
    Limit,
    ListView,
    Reason,
    View,
    id_text,
    list_view,
    page_request,
)
from obverse.kit.ids import MerchantId, PointsIssuerId, PointsRateId, from_text, to_text
from obverse.points import IssuerRate, Rate
from obverse.points.rules import RATIO_MAX, STEP_UNITS_MAX, UNITS_MAX

_MANAGERS: Final = Allow(Scope.MERCHANTS)
_TAGS: Final = ["points issuers"]

Ratio = Annotated[int, Meta(ge=1, le=RATIO_MAX)]


class NewPointsRate(Body, frozen=True):
    """`numerator` units pay for `denominator` minor units of money. Units are taken in multiples of
    `step_units`, and never fewer than `minimum_units`. `merchant` goes before the rate without one."""

    issuer: Id
    numerator: Ratio
    denominator: Ratio
    reason: Reason
    merchant: Id | None = None
    minimum_units: Annotated[int, Meta(ge=1, le=UNITS_MAX)] = 1
    step_units: Annotated[int, Meta(ge=1, le=STEP_UNITS_MAX)] = 1


class PointsRateView(View, frozen=True):
    """`rate` is units for each minor unit of money: `2`, or `1/10`. It holds until it `ends`."""

    id: str
    object: str
    issuer: str
    merchant: str | None
    rate: str
    minimum_units: int
    step_units: int
    starts: datetime
    ends: datetime | None


@post("/v1/points_rates", before_request=_MANAGERS, tags=_TAGS)
async def set_points_rate(request: HttpRequest, data: JSONBody[NewPointsRate]) -> PointsRateView:
    """Have a rate hold from now on; the one before it ends. Payments keep the rate that they were made at."""
    merchant = MerchantId(from_text("mer", data.merchant, "merchant")) if data.merchant is not None else None
    set_ = await services(request).relay.rates.set(
        PointsIssuerId(from_text("pis", data.issuer, "issuer")),
        merchant,
        Rate(data.numerator, data.denominator, data.minimum_units, data.step_units),
        decision(caller_of(request), data.reason),
    )
    return _view(set_)


@get("/v1/points_rates", before_request=_MANAGERS, tags=_TAGS)
async def list_points_rates(
    request: HttpRequest, limit: Limit = 20, after: After = None, issuer: FromQuery[str | None] = None
) -> ListView[PointsRateView]:
    """Rates, newest first, those that have ended included; `issuer` shows those of one."""
    of = PointsIssuerId(from_text("pis", issuer, "issuer")) if issuer is not None else None
    page = await services(request).relay.rates.list(page_request("prt", limit, after), of)
    return list_view("prt", page, _view)


@post("/v1/points_rates/{rate_id:str}/end", before_request=_MANAGERS, status_code=200, tags=_TAGS)
async def end_points_rate(
    request: HttpRequest, rate_id: FromPath[str], data: JSONBody[DecisionBody]
) -> PointsRateView:
    """Let a rate end without another: where none holds, the issuer's points pay nothing."""
    id_ = PointsRateId(from_text("prt", rate_id))
    decided = decision(caller_of(request), data.reason)
    return _view(await services(request).relay.rates.end(id_, decided))


def _view(set_: IssuerRate) -> PointsRateView:
    return PointsRateView(
        id=to_text("prt", set_.id),
        object="points_rate",
        issuer=to_text("pis", set_.issuer_id),
        merchant=id_text("mer", set_.merchant_id),
        rate=str(set_.rate),
        minimum_units=set_.rate.minimum_units,
        step_units=set_.rate.step_units,
        starts=set_.starts_at,
        ends=set_.ends_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [set_points_rate, list_points_rates, end_points_rate]
