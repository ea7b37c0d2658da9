"""Sales as operators see them: how stored value was paid for, and money that goes back. docs/charging.md."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody

from obverse.access.model import Scope
from obverse.doors.rest.auth import Allow, caller_of
from obverse.doors.rest.bank_accounts import account_of
from obverse.doors.rest.merchant_shapes import BankAccountBody
from obverse.doors.rest.services import HttpRequest, Services, services
from obverse.doors.rest.shapes import (
    After,
    Body,
    Limit,
    ListView,
    Reason,
    View,
    id_text,
    list_view,
    page_request,
)
from obverse.kit.ids import SaleId, from_text, to_text
from obverse.sales import Means, RefundState, Sale, SaleRefund, SaleState, SubjectKind

_OPERATORS: Final = Allow(Scope.OPERATE)
_TAGS: Final = ["sales"]
_PREFIX: Final = {SubjectKind.ORDER: "ord", SubjectKind.CHARGE: "chg"}


class RefundAccount(Body, frozen=True):
    account: BankAccountBody
    reason: Reason


class SaleRefundView(View, frozen=True):
    """`waiting` until somebody says to which account; `refused` where the payment was undone otherwise."""

    id: str
    status: RefundState
    amount: int
    created: datetime


class SaleView(View, frozen=True):
    id: str
    object: str
    subject: str
    status: SaleState
    means: Means
    amount: int
    currency: str
    given_back: int
    reference: str | None
    authorization: str | None
    decline: str | None
    refunds: Sequence[SaleRefundView]
    created: datetime
    expires: datetime


@get("/v1/sales", before_request=_OPERATORS, tags=_TAGS)
async def list_sales(
    request: HttpRequest,
    status: FromQuery[SaleState | None] = None,
    limit: Limit = 20,
    after: After = None,
) -> ListView[SaleView]:
    """Sales, newest first."""
    joined = services(request)
    page = await joined.sales.list(page_request("sale", limit, after), status)
    refunds = await joined.sales.refunds_of([sale.id for sale in page.items])
    return list_view("sale", page, lambda sale: _view(sale, refunds))


@get("/v1/sales/{sale_id:str}", before_request=_OPERATORS, tags=_TAGS)
async def get_sale(request: HttpRequest, sale_id: FromPath[str]) -> SaleView:
    """One sale."""
    return await _shown(services(request), SaleId(from_text("sale", sale_id)))


@post("/v1/sales/{sale_id:str}/refund_account", before_request=_OPERATORS, status_code=200, tags=_TAGS)
async def set_refund_account(
    request: HttpRequest, sale_id: FromPath[str], data: JSONBody[RefundAccount]
) -> SaleView:
    """Send what waits for an account to this one, which the payer has told."""
    joined, id_ = services(request), SaleId(from_text("sale", sale_id))
    await joined.sales.refund_to(
        id_, account_of(data.account), actor=caller_of(request).actor, reason=data.reason
    )
    return await _shown(joined, id_)


async def _shown(joined: Services, id_: SaleId) -> SaleView:
    return _view(await joined.sales.get(id_), await joined.sales.refunds_of([id_]))


def _view(sale: Sale, refunds: Sequence[SaleRefund]) -> SaleView:
    return SaleView(
        id=to_text("sale", sale.id),
        object="sale",
        subject=to_text(_PREFIX[sale.subject_kind], sale.subject_id),
        status=sale.state,
        means=sale.means,
        amount=sale.amount.amount_minor,
        currency=sale.amount.currency,
        given_back=sale.given_back_minor,
        reference=sale.reference,
        authorization=id_text("auth", sale.authorization_id),
        decline=sale.decline,
        refunds=[
            SaleRefundView(to_text("bank", each.id), each.state, each.amount.amount_minor, each.created_at)
            for each in refunds
            if each.sale_id == sale.id
        ],
        created=sale.created_at,
        expires=sale.expires_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [list_sales, get_sale, set_refund_account]
