"""API keys: make, list, rotate, revoke. A token is shown once, when it is made."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from obverse.access import ApiKeyNotFound
from obverse.access.model import ApiKey, Scope
from obverse.access.rules import OVERLAP_MAX
from obverse.doors.rest.auth import Allow, AnyKey, caller_of
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import (
    After,
    Body,
    Id,
    Limit,
    ListView,
    Text,
    View,
    id_text,
    list_view,
    page_request,
)
from obverse.kit.errors import NotPermitted
from obverse.kit.ids import ApiKeyId, MerchantId, PointsIssuerId, from_text, to_text

_MANAGERS: Final = Allow(Scope.MERCHANTS)


class NewApiKey(Body, frozen=True):
    """`merchant` holds the key to one merchant, `points_issuer` to one points issuer; without either the key
    is a platform key."""

    name: Text
    scopes: Annotated[tuple[Scope, ...], Meta(min_length=1, max_length=len(Scope))]
    merchant: Id | None = None
    points_issuer: Id | None = None


class Rotation(Body, frozen=True):
    """How long the old key goes on working beside the new one: 0 ends it at once."""

    old_valid_for_seconds: Annotated[int, Meta(ge=0, le=int(OVERLAP_MAX.total_seconds()))]


class ApiKeyView(View, frozen=True):
    """`token` is filled in the answer that made the key, and never again; `ends` when it was rotated."""

    id: str
    object: str
    name: str
    last_four: str
    merchant: str | None
    points_issuer: str | None
    scopes: Sequence[Scope]
    live: bool
    created: datetime
    revoked: datetime | None
    ends: datetime | None
    token: str | None


@post("/v1/api_keys", before_request=_MANAGERS, tags=["api keys"])
async def create_api_key(request: HttpRequest, data: JSONBody[NewApiKey]) -> ApiKeyView:
    """Make a key. Nobody can give what they do not have: scopes beyond the caller's own are refused."""
    caller = caller_of(request)
    joined = services(request)
    if caller.key is None or not set(data.scopes) <= caller.key.scopes:
        raise NotPermitted("A key may only pass on scopes that it has itself.")
    merchant_id = None
    if data.merchant is not None:
        merchant = await joined.merchants.get(MerchantId(from_text("mer", data.merchant, "merchant")))
        merchant_id = merchant.id
    issuer_id = None
    if data.points_issuer is not None:
        issuer_id = PointsIssuerId(from_text("pis", data.points_issuer, "points_issuer"))
        await joined.relay.issuers.check_known([issuer_id], "points_issuer")
    key, token = await joined.access.create(
        data.name,
        frozenset(data.scopes),
        merchant_id=merchant_id,
        live=caller.key.live,
        by=caller.actor,
        issuer_id=issuer_id,
    )
    return _view(key, token.reveal())


@get("/v1/api_keys", before_request=_MANAGERS, tags=["api keys"])
async def list_api_keys(
    request: HttpRequest, limit: Limit = 20, after: After = None, merchant: FromQuery[str | None] = None
) -> ListView[ApiKeyView]:
    """Keys, newest first, revoked ones included."""
    held_to = caller_of(request).merchant_meant(merchant)
    page = await services(request).access.list(page_request("key", limit, after), held_to)
    return list_view("key", page, _view)


@post("/v1/api_keys/{key_id:str}/revoke", before_request=_MANAGERS, status_code=200, tags=["api keys"])
async def revoke_api_key(request: HttpRequest, key_id: FromPath[str]) -> ApiKeyView:
    """Revoke a key for good, within a second everywhere. A key that may do more than the caller's is safe."""
    caller = caller_of(request)
    scopes = caller.key.scopes if caller.key is not None else frozenset()
    id_ = ApiKeyId(from_text("key", key_id))
    return _view(await services(request).access.revoke(id_, within=scopes, by=caller.actor))


@post("/v1/api_keys/{key_id:str}/rotate", before_request=AnyKey(), tags=["api keys"])
async def rotate_api_key(request: HttpRequest, key_id: FromPath[str], data: JSONBody[Rotation]) -> ApiKeyView:
    """Make a successor that may do the same, and let the old key run out. Once per key.

    Every key may rotate itself; one with `merchants`, also others that may do no more than it may.
    """
    caller = caller_of(request)
    key = caller.key
    id_ = ApiKeyId(from_text("key", key_id))
    if key is None or (id_ != key.id and (key.merchant_id is not None or Scope.MERCHANTS not in key.scopes)):
        raise ApiKeyNotFound
    overlap = timedelta(seconds=data.old_valid_for_seconds)
    fresh, token = await services(request).access.rotate(id_, overlap, within=key.scopes, by=caller.actor)
    return _view(fresh, token.reveal())


def _view(key: ApiKey, token: str | None = None) -> ApiKeyView:
    return ApiKeyView(
        id=to_text("key", key.id),
        object="api_key",
        name=key.name,
        last_four=key.last_four,
        merchant=id_text("mer", key.merchant_id),
        points_issuer=id_text("pis", key.issuer_id),
        scopes=sorted(key.scopes),
        live=key.live,
        created=key.created_at,
        revoked=key.revoked_at,
        ends=key.ends_at,
        token=token,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [create_api_key, list_api_keys, revoke_api_key, rotate_api_key]
