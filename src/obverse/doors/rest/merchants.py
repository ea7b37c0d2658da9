"""Merchants: onboard, look up, change, suspend, resume, close, say where their money goes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec
from litestar import get, patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from obverse.access.model import Scope
from obverse.doors.rest.auth import Allow, caller_of
from obverse.doors.rest.merchant_shapes import (
    ONE_TIME_ONLY,
    Accepts,
    AcceptsPoints,
    AcquirerId,
    DecisionBody,
    FeePlanShape,
    MerchantNo,
    PayoutBody,
    PayoutView,
    Terminals,
    bank_account,
    decision,
    payout_view,
    terms,
)
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import (
    After,
    Amount,
    Body,
    Category,
    Limit,
    ListView,
    Metadata,
    Reason,
    Text,
    View,
    list_view,
    page_request,
)
from obverse.kit.ids import MerchantId, PointsIssuerId, from_text, to_text
from obverse.merchants import (
    FeePlan,
    Merchant,
    MerchantChange,
    MerchantNotFound,
    MerchantState,
    Rhythm,
)

_MANAGERS: Final = Allow(Scope.MERCHANTS)
_READERS: Final = Allow(Scope.PAYMENTS, merchant_keys=True)
_POINTS: Final = "accepts_points"


class NewMerchant(Body, frozen=True):
    reason: Reason
    name: Text
    category: Category
    acquirer_id: AcquirerId
    merchant_no: MerchantNo
    terminals: Terminals = ()
    accepts: Accepts = ONE_TIME_ONLY
    fee_plan: FeePlanShape = FeePlanShape()
    payout: PayoutBody | None = None
    is_agent: bool = False
    metadata: Metadata = msgspec.field(default_factory=dict)


class MerchantChangeBody(Body, frozen=True):
    """What is left out stays as it is; `code_proof_from` null goes back to the platform's amount."""

    reason: Reason
    name: Text | None = None
    category: Category | None = None
    terminals: Terminals | None = None
    accepts: Accepts | None = None
    fee_plan: FeePlanShape | None = None
    is_agent: bool | None = None
    accepts_points: AcceptsPoints | None = None
    code_proof_from: Amount | UnsetType | None = UNSET


class NewPayout(PayoutBody, frozen=True, kw_only=True):
    reason: Reason


class MerchantView(View, frozen=True):
    """A merchant; `is_agent` tells whether it sells cards and takes cash for them.

    From `code_proof_from` on a payment code needs a PIN or a passkey besides; null: the platform's amount.
    """

    id: str
    object: str
    name: str
    category: str
    acquirer_id: str
    merchant_no: str
    terminals: Sequence[str]
    state: MerchantState
    accepts: Sequence[str]
    accepts_points: Sequence[str]
    code_proof_from: int | None
    fee_plan: FeePlanShape
    payout: PayoutView
    is_agent: bool
    created: datetime
    metadata: Mapping[str, str]


@post("/v1/merchants", before_request=_MANAGERS, tags=["merchants"])
async def create_merchant(request: HttpRequest, data: JSONBody[NewMerchant]) -> MerchantView:
    """Onboard a merchant without an application.

    `acquirer_id` and `merchant_no` are how its terminals name it over ISO 8583.
    """
    payout = data.payout
    merchant = await services(request).merchants.onboard(
        data.name,
        data.category,
        data.acquirer_id,
        data.merchant_no,
        data.terminals,
        data.metadata,
        terms=replace(terms(data.fee_plan, data.accepts), is_agent=data.is_agent),
        rhythm=Rhythm(payout.rhythm) if payout else Rhythm.DAILY,
        account=bank_account(payout.account) if payout else None,
        decision=decision(caller_of(request), data.reason),
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


@patch("/v1/merchants/{merchant_id:str}", before_request=_MANAGERS, tags=["merchants"])
async def change_merchant(
    request: HttpRequest, merchant_id: FromPath[str], data: JSONBody[MerchantChangeBody]
) -> MerchantView:
    """Change what is given, and leave the rest. Fees and accepted cards hold for payments from now on."""
    plan = data.fee_plan
    issuers = None
    if data.accepts_points is not None:
        issuers = frozenset(PointsIssuerId(from_text("pis", id_, _POINTS)) for id_ in data.accepts_points)
        await services(request).relay.issuers.check_known(issuers, _POINTS)
    wanted = MerchantChange(
        name=data.name,
        category=data.category,
        terminals=data.terminals,
        accepts=frozenset(kind.value for kind in data.accepts) if data.accepts is not None else None,
        fee_plan=FeePlan(plan.basis_points, plan.fixed) if plan is not None else None,
        is_agent=data.is_agent,
        accepts_points=issuers,
        code_proof_from_minor=data.code_proof_from,
    )
    merchant = await services(request).merchants.change(
        MerchantId(from_text("mer", merchant_id)), wanted, decision(caller_of(request), data.reason)
    )
    return _view(merchant)


@put("/v1/merchants/{merchant_id:str}/payout", before_request=_MANAGERS, tags=["merchants"])
async def set_payout(
    request: HttpRequest, merchant_id: FromPath[str], data: JSONBody[NewPayout]
) -> MerchantView:
    """Say where this merchant's money goes, and how often; it is told by `merchant.payout_changed`.

    No merchant's own key may do this: those lie in shops, and whoever finds one must not be paid.
    """
    merchant = await services(request).merchants.set_payout(
        MerchantId(from_text("mer", merchant_id)),
        Rhythm(data.rhythm),
        bank_account(data.account),
        decision(caller_of(request), data.reason),
    )
    return _view(merchant)


@post(
    "/v1/merchants/{merchant_id:str}/suspend", before_request=_MANAGERS, status_code=200, tags=["merchants"]
)
async def suspend_merchant(
    request: HttpRequest, merchant_id: FromPath[str], data: JSONBody[DecisionBody]
) -> MerchantView:
    """Decline its payments until it is resumed; what was approved can still be captured and refunded."""
    return await _set_state(request, merchant_id, MerchantState.SUSPENDED, data.reason)


@post("/v1/merchants/{merchant_id:str}/resume", before_request=_MANAGERS, status_code=200, tags=["merchants"])
async def resume_merchant(
    request: HttpRequest, merchant_id: FromPath[str], data: JSONBody[DecisionBody]
) -> MerchantView:
    """Take payments again after a suspension."""
    return await _set_state(request, merchant_id, MerchantState.ACTIVE, data.reason)


@post("/v1/merchants/{merchant_id:str}/close", before_request=_MANAGERS, status_code=200, tags=["merchants"])
async def close_merchant(
    request: HttpRequest, merchant_id: FromPath[str], data: JSONBody[DecisionBody]
) -> MerchantView:
    """Close a merchant for good: its payments are declined from now on; what it is owed stays owed."""
    return await _set_state(request, merchant_id, MerchantState.CLOSED, data.reason)


async def _set_state(
    request: HttpRequest, merchant_id: str, state: MerchantState, reason: str
) -> MerchantView:
    wanted = MerchantId(from_text("mer", merchant_id))
    decided = decision(caller_of(request), reason)
    return _view(await services(request).merchants.set_state(wanted, state, decided))


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
        accepts=sorted(merchant.accepts),
        accepts_points=sorted(to_text("pis", id_) for id_ in merchant.accepts_points),
        code_proof_from=merchant.code_proof_from_minor,
        fee_plan=FeePlanShape(merchant.fee_plan.basis_points, merchant.fee_plan.fixed_minor),
        payout=payout_view(merchant.payout.rhythm, merchant.payout.account),
        is_agent=merchant.is_agent,
        created=merchant.created_at,
        metadata=merchant.metadata,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [
    create_merchant,
    list_merchants,
    get_merchant,
    change_merchant,
    set_payout,
    suspend_merchant,
    resume_merchant,
    close_merchant,
]
