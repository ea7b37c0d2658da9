"""API keys: make, list, revoke. A token is shown once, when it is made."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from obverse.access.model import ApiKey, Scope
from obverse.doors.rest.auth import Allow, caller_of
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
from obverse.kit.ids import ApiKeyId, MerchantId, from_text, to_text

_MANAGERS: Final = Allow(Scope.MERCHANTS)


class NewApiKey(Body, frozen=True):
    """`merchant` holds the key to one merchant; without it the key is a platform key."""

    name: Text
    scopes: Annotated[tuple[Scope, ...], Meta(min_length=1, max_length=len(Scope))]
    merchant: Id | None = None


class ApiKeyView(View, frozen=True):
    """`token` is filled in the answer that made the key, and never again."""

    id: str
    object: str
    name: str
    last_four: str
    merchant: str | None
    scopes: Sequence[Scope]
    live: bool
    created: datetime
    revoked: datetime | None
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
    key, token = await joined.access.create(
        data.name, frozenset(data.scopes), merchant_id=merchant_id, live=caller.key.live
    )
    return _view(key, token.reveal())


@get("/v1/api_keys", before_request=_MANAGERS, tags=["api keys"])
async def list_api_keys(request: HttpRequest, limit: Limit = 20, after: After = None) -> ListView[ApiKeyView]:
    """Keys, newest first, revoked ones included."""
    page = await services(request).access.list(page_request("key", limit, after))
    return list_view("key", page, _view)


@post("/v1/api_keys/{key_id:str}/revoke", before_request=_MANAGERS, status_code=200, tags=["api keys"])
async def revoke_api_key(request: HttpRequest, key_id: FromPath[str]) -> ApiKeyView:
    """Revoke a key for good, within a second everywhere. A key that may do more than the caller's is safe."""
    caller = caller_of(request)
    scopes = caller.key.scopes if caller.key is not None else frozenset()
    id_ = ApiKeyId(from_text("key", key_id))
    return _view(await services(request).access.revoke(id_, within=scopes))


def _view(key: ApiKey, token: str | None = None) -> ApiKeyView:
    return ApiKeyView(
        id=to_text("key", key.id),
        object="api_key",
        name=key.name,
        last_four=key.last_four,
        merchant=id_text("mer", key.merchant_id),
        scopes=sorted(key.scopes),
        live=key.live,
        created=key.created_at,
        revoked=key.revoked_at,
        token=token,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [create_api_key, list_api_keys, revoke_api_key]
