"""Points issuers: take in, look up, change, suspend, resume. A secret is shown once, when it is made."""

from datetime import datetime
from typing import Annotated, Final

from litestar import get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Meta, UnsetType

from obverse.access.model import Scope
from obverse.doors.rest.auth import Allow, caller_of
from obverse.doors.rest.merchant_shapes import DecisionBody, decision
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import (
    PRINTABLE,
    After,
    Body,
    Limit,
    ListView,
    Reason,
    View,
    list_view,
    page_request,
)
from obverse.kit.ids import PointsIssuerId, from_text, to_text
from obverse.points import Issuer, IssuerChange, IssuerState, IssuerTerms
from obverse.points.rules import NAME_LENGTH_MAX, SHORT_LENGTH_MAX, UNITS_MAX, URL_LENGTH_MAX

_MANAGERS: Final = Allow(Scope.MERCHANTS)
_PATH: Final = "/v1/points_issuers"
_ONE: Final = _PATH + "/{issuer_id:str}"
_TAGS: Final = ["points issuers"]

Name = Annotated[str, Meta(min_length=1, max_length=NAME_LENGTH_MAX, pattern=PRINTABLE)]
Short = Annotated[
    str, Meta(min_length=1, max_length=SHORT_LENGTH_MAX, pattern="^[ -~]*$(?!\n)", description="ASCII.")
]
Url = Annotated[
    str, Meta(min_length=1, max_length=URL_LENGTH_MAX, description="Where its paths begin; https when live.")
]
Units = Annotated[int, Meta(ge=1, le=UNITS_MAX)]


class NewPointsIssuer(Body, frozen=True):
    """`short_name` and `unit` are what tills show. `two_phase`: it holds and confirms; else it can only
    deduct and cancel. `tells_van`: it sends its results to the terminal's VAN as well. `units_max` is for
    one payment; null is no limit."""

    reason: Reason
    name: Name
    short_name: Short
    unit: Short
    url: Url
    two_phase: bool
    tells_van: bool = False
    units_max: Units | None = None


class PointsIssuerChange(Body, frozen=True):
    """What is left out stays as it is."""

    reason: Reason
    name: Name | UnsetType = UNSET
    short_name: Short | UnsetType = UNSET
    unit: Short | UnsetType = UNSET
    url: Url | UnsetType = UNSET
    tells_van: bool | UnsetType = UNSET
    units_max: Units | UnsetType | None = UNSET


class PointsIssuerView(View, frozen=True):
    """`secret` signs our requests to it (Standard Webhooks); it is filled in the answer that made it, and
    never again."""

    id: str
    object: str
    name: str
    short_name: str
    unit: str
    url: str
    two_phase: bool
    tells_van: bool
    units_max: int | None
    currency: str
    state: IssuerState
    created: datetime
    secret: str | None


class PointsIssuerHealth(View, frozen=True):
    """`answering`: whether the process that tells this reaches it; null where it has not asked it yet.
    `waiting`: how much it still has to be told, `since` when the oldest of it."""

    issuer: str
    object: str
    answering: bool | None
    waiting: int
    since: datetime | None


@post(_PATH, before_request=_MANAGERS, tags=_TAGS)
async def create_points_issuer(request: HttpRequest, data: JSONBody[NewPointsIssuer]) -> PointsIssuerView:
    """Take a points issuer in. Its points pay once they have a rate, at merchants that accept them."""
    terms = IssuerTerms(
        name=data.name,
        short_name=data.short_name,
        unit=data.unit,
        url=data.url,
        two_phase=data.two_phase,
        tells_van=data.tells_van,
        units_max=data.units_max,
    )
    decided = decision(caller_of(request), data.reason)
    issuer, secret = await services(request).relay.issuers.create(terms, decided)
    return _view(issuer, secret.reveal())


@get(_PATH, before_request=_MANAGERS, tags=_TAGS)
async def list_points_issuers(
    request: HttpRequest, limit: Limit = 20, after: After = None
) -> ListView[PointsIssuerView]:
    """Points issuers, newest first."""
    page = await services(request).relay.issuers.list(page_request("pis", limit, after))
    return list_view("pis", page, _view)


@get(_ONE, before_request=_MANAGERS, tags=_TAGS)
async def get_points_issuer(request: HttpRequest, issuer_id: FromPath[str]) -> PointsIssuerView:
    """One points issuer."""
    return _view(await services(request).relay.issuers.get(_id(issuer_id)))


@get(_ONE + "/health", before_request=_MANAGERS, tags=_TAGS)
async def get_points_issuer_health(request: HttpRequest, issuer_id: FromPath[str]) -> PointsIssuerHealth:
    """Whether it answers, and what it has not acknowledged; each message stands in `/v1/points_messages`."""
    relay = services(request).relay
    issuer = await relay.issuers.get(_id(issuer_id))
    waiting = await relay.messages.waiting(issuer.id)
    return PointsIssuerHealth(
        issuer=to_text("pis", issuer.id),
        object="points_issuer_health",
        answering=relay.line.is_answering(issuer.id),
        waiting=0 if waiting is None else waiting.count,
        since=None if waiting is None else waiting.since,
    )


@patch(_ONE, before_request=_MANAGERS, tags=_TAGS)
async def change_points_issuer(
    request: HttpRequest, issuer_id: FromPath[str], data: JSONBody[PointsIssuerChange]
) -> PointsIssuerView:
    """Change what is given, and leave the rest. What it can (`two_phase`) stays as it is."""
    wanted = IssuerChange(data.name, data.short_name, data.unit, data.url, data.tells_van, data.units_max)
    decided = decision(caller_of(request), data.reason)
    return _view(await services(request).relay.issuers.change(_id(issuer_id), wanted, decided))


@post(_ONE + "/suspend", before_request=_MANAGERS, status_code=200, tags=_TAGS)
async def suspend_points_issuer(
    request: HttpRequest, issuer_id: FromPath[str], data: JSONBody[DecisionBody]
) -> PointsIssuerView:
    """Let its points pay nothing until it is resumed; refunds still give points back."""
    return await _set_state(request, issuer_id, IssuerState.SUSPENDED, data.reason)


@post(_ONE + "/resume", before_request=_MANAGERS, status_code=200, tags=_TAGS)
async def resume_points_issuer(
    request: HttpRequest, issuer_id: FromPath[str], data: JSONBody[DecisionBody]
) -> PointsIssuerView:
    """Let its points pay again."""
    return await _set_state(request, issuer_id, IssuerState.ACTIVE, data.reason)


@post(_ONE + "/rotate_secret", before_request=_MANAGERS, status_code=200, tags=_TAGS)
async def rotate_points_issuer_secret(
    request: HttpRequest, issuer_id: FromPath[str], data: JSONBody[DecisionBody]
) -> PointsIssuerView:
    """Sign with a new secret from now on, within a second or so everywhere."""
    decided = decision(caller_of(request), data.reason)
    issuer, secret = await services(request).relay.issuers.rotate_secret(_id(issuer_id), decided)
    return _view(issuer, secret.reveal())


async def _set_state(
    request: HttpRequest, issuer_id: str, state: IssuerState, reason: str
) -> PointsIssuerView:
    decided = decision(caller_of(request), reason)
    return _view(await services(request).relay.issuers.set_state(_id(issuer_id), state, decided))


def _id(text: str) -> PointsIssuerId:
    return PointsIssuerId(from_text("pis", text))


def _view(issuer: Issuer, secret: str | None = None) -> PointsIssuerView:
    return PointsIssuerView(
        id=to_text("pis", issuer.id),
        object="points_issuer",
        name=issuer.name,
        short_name=issuer.short_name,
        unit=issuer.unit,
        url=issuer.url,
        two_phase=issuer.two_phase,
        tells_van=issuer.tells_van,
        units_max=issuer.units_max,
        currency=issuer.currency,
        state=issuer.state,
        created=issuer.created_at,
        secret=secret,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [
    create_points_issuer,
    list_points_issuers,
    get_points_issuer,
    get_points_issuer_health,
    change_points_issuer,
    suspend_points_issuer,
    resume_points_issuer,
    rotate_points_issuer_secret,
]
