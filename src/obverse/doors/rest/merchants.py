"""Merchants: onboard, look up, close."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Final

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from obverse.access.model import Scope
from obverse.doors.rest.auth import Allow, caller_of
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import (
    After,
    Body,
    Category,
    Limit,
    ListView,
    Metadata,
    Text,
    View,
    list_view,
    page_request,
)
from obverse.kit.ids import MerchantId, from_text, to_text
from obverse.merchants import Merchant, MerchantNotFound, MerchantState

_MANAGERS: Final = Allow(Scope.MERCHANTS)
_READERS: Final = Allow(Scope.PAYMENTS, merchant_keys=True)

AcquirerId = Annotated[str, Meta(pattern="^[0-9]{1,11}$", max_length=11, description="ISO 8583 DE 32.")]
MerchantNo = Annotated[
    str, Meta(pattern="^[A-Za-z0-9-]{1,15}$", max_length=15, description="ISO 8583 DE 42.")
]
Terminal = Annotated[str, Meta(pattern="^[A-Za-z0-9]{1,8}$", max_length=8, description="ISO 8583 DE 41.")]


class NewMerchant(Body, frozen=True):
    name: Text
    category: Category
    acquirer_id: AcquirerId
    merchant_no: MerchantNo
    terminals: Annotated[tuple[Terminal, ...], Meta(max_length=100)] = ()
    metadata: Metadata = msgspec.field(default_factory=dict)


class MerchantView(View, frozen=True):
    id: str
    object: str
    name: str
    category: str
    acquirer_id: str
    merchant_no: str
    terminals: Sequence[str]
    state: MerchantState
    created: datetime
    metadata: Mapping[str, str]


@post("/v1/merchants", before_request=_MANAGERS, tags=["merchants"])
async def create_merchant(request: HttpRequest, data: JSONBody[NewMerchant]) -> MerchantView:
    """Onboard a merchant. `acquirer_id` and `merchant_no` are how its terminals name it over ISO 8583."""
    merchant = await services(request).merchants.onboard(
        data.name, data.category, data.acquirer_id, data.merchant_no, data.terminals, data.metadata
    )
    return _view(merchant)


@get("/v1/merchants", before_request=_MANAGERS, tags=["merchants"])
async def list_merchants(
    request: HttpRequest, limit: Limit = 20, after: After = None
) -> ListView[MerchantView]:
    """Merchants, newest first."""
    page = await services(request).merchants.list(page_request("mer", limit, after))
    return list_view("mer", page, _view)


@get("/v1/merchants/{merchant_id:str}", before_request=_READERS, tags=["merchants"])
async def get_merchant(request: HttpRequest, merchant_id: FromPath[str]) -> MerchantView:
    """One merchant; a merchant's own key sees its own."""
    wanted = MerchantId(from_text("mer", merchant_id))
    if caller_of(request).merchant_id not in (None, wanted):
        raise MerchantNotFound
    return _view(await services(request).merchants.get(wanted))


@post("/v1/merchants/{merchant_id:str}/close", before_request=_MANAGERS, status_code=200, tags=["merchants"])
async def close_merchant(request: HttpRequest, merchant_id: FromPath[str]) -> MerchantView:
    """Close a merchant: its payments are declined from now on."""
    return _view(await services(request).merchants.close(MerchantId(from_text("mer", merchant_id))))


def _view(merchant: Merchant) -> MerchantView:
    return MerchantView(
        id=to_text("mer", merchant.id),
        object="merchant",
        name=merchant.name,
        category=merchant.category,
        acquirer_id=merchant.acquirer_id,
        merchant_no=merchant.merchant_no,
        terminals=merchant.terminals,
        state=merchant.state,
        created=merchant.created_at,
        metadata=merchant.metadata,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [create_merchant, list_merchants, get_merchant, close_merchant]
