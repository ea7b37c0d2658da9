"""Merchants' claims, whatever road they came by, and those that an operator has to decide."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from obverse.access.model import Scope
from obverse.clearing.claims import (
    ClaimKind,
    ClaimNotFound,
    ClaimRecord,
    Outcome,
    Reason,
    Road,
    own_payment,
    told,
)
from obverse.doors.rest.auth import Allow, Caller, caller_of
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import (
    After,
    Body,
    Limit,
    ListView,
    View,
    id_text,
    list_view,
    page_request,
)
from obverse.doors.rest.shapes import Reason as AuditReason
from obverse.kit.errors import NotPermitted
from obverse.kit.ids import ClaimId, from_text, to_text

_READERS: Final = Allow(Scope.PAYMENTS, merchant_keys=True)
_OPERATORS: Final = Allow(Scope.OPERATE)

MESSAGES: Final = {
    Reason.BROKEN_LINE: "This line is no claim.",
    Reason.NO_SUCH_PAYMENT: "No payment has this card number and approval code.",
    Reason.WRONG_MERCHANT: "The payment was made at another merchant.",
    Reason.WRONG_CURRENCY: "The payment was made in another currency.",
    Reason.NOT_APPROVED: "The payment is not approved, or for nothing.",
    Reason.REVERSED: "The payment has been reversed.",
    Reason.ALREADY_CAPTURED: "Nothing of the payment is left to be claimed.",
    Reason.CAPTURE_TOO_LARGE: "The amount is more than is left of what was authorized.",
    Reason.EXPIRED: "The authorization had expired. An operator decides.",
    Reason.NOT_REFUNDABLE: "Nothing of the payment can be refunded.",
    Reason.REFUND_TOO_LARGE: "The amount is more than is left to refund.",
    Reason.REFERENCE_REUSED: "This reference was used for another claim.",
    Reason.BATCH_CLOSED: "The batch was closed before.",
    Reason.UNEXPECTED: "An operator has to look at this.",
    Reason.REFUSED_BY_OPERATOR: "An operator has refused this claim.",
}


class ClaimReasonView(View, frozen=True):
    """`param` is the column of a broken line that is wrong."""

    code: Reason
    message: str
    param: str | None


class MerchantClaimView(View, frozen=True):
    """One claim. `authorization` is null where no payment was found, `amount` where all there is was claimed
    or none could be read. `repeated`: it was answered before, and nothing was moved for it."""

    id: str
    object: str
    merchant: str | None
    road: Road
    file: str | None
    line: int | None
    batch: str | None
    kind: ClaimKind
    reference: str | None
    terminal: str | None
    last_four: str | None
    approval_code: str | None
    amount: int | None
    currency: str | None
    final: bool
    authorization: str | None
    status: Outcome
    reason: ClaimReasonView | None
    repeated: bool
    time: datetime | None
    created: datetime


class ClaimDecision(Body, frozen=True):
    reason: AuditReason


@get("/v1/merchant_claims", before_request=_READERS, tags=["claims of merchants"])
async def list_merchant_claims(
    request: HttpRequest,
    limit: Limit = 20,
    after: After = None,
    merchant: FromQuery[str | None] = None,
    status_: Annotated[Outcome | None, QueryParameter(name="status")] = None,
) -> ListView[MerchantClaimView]:
    """Claims of every road, newest first. Of captures over REST and completions, those that were refused."""
    caller = caller_of(request)
    page = await services(request).claims.list(
        page_request("claim", limit, after), merchant_id=caller.merchant_meant(merchant), outcome=status_
    )
    return list_view("claim", page, viewed_by(caller))


@get("/v1/merchant_claims/{claim_id:str}", before_request=_READERS, tags=["claims of merchants"])
async def get_merchant_claim(request: HttpRequest, claim_id: FromPath[str]) -> MerchantClaimView:
    """One claim and what became of it."""
    caller = caller_of(request)
    record = await services(request).claims.get(ClaimId(from_text("claim", claim_id)))
    if caller.merchant_id not in (None, record.merchant_id):
        raise ClaimNotFound
    return viewed_by(caller)(record)


@get("/v1/claim_exceptions", before_request=_OPERATORS, tags=["operation"])
async def list_claim_exceptions(
    request: HttpRequest,
    limit: Limit = 20,
    after: After = None,
    merchant: FromQuery[str | None] = None,
) -> ListView[MerchantClaimView]:
    """Claims that wait for a decision, newest first: above all those of expired authorizations."""
    caller = caller_of(request)
    page = await services(request).claims.exceptions(
        page_request("claim", limit, after), caller.merchant_meant(merchant)
    )
    return list_view("claim", page, viewed_by(caller))


@post(
    "/v1/claim_exceptions/{claim_id:str}/pay",
    before_request=_OPERATORS,
    status_code=200,
    tags=["operation"],
)
async def pay_claim(
    request: HttpRequest, claim_id: FromPath[str], data: JSONBody[ClaimDecision]
) -> MerchantClaimView:
    """Pay a claim that waits, with the money its sources have now. The reason goes into the audit log."""
    return await _decide(request, claim_id, services(request).claims.pay, data.reason)


@post(
    "/v1/claim_exceptions/{claim_id:str}/refuse",
    before_request=_OPERATORS,
    status_code=200,
    tags=["operation"],
)
async def refuse_claim(
    request: HttpRequest, claim_id: FromPath[str], data: JSONBody[ClaimDecision]
) -> MerchantClaimView:
    """Refuse a claim that waits, for good. The reason goes into the audit log."""
    return await _decide(request, claim_id, services(request).claims.refuse, data.reason)


async def _decide(
    request: HttpRequest,
    claim_id: str,
    decide: Callable[..., Awaitable[ClaimRecord]],
    reason: str,
) -> MerchantClaimView:
    caller = caller_of(request)
    if caller.key is None:
        raise NotPermitted
    actor = to_text("key", caller.key.id)
    record = await decide(ClaimId(from_text("claim", claim_id)), actor=actor, reason=reason)
    return viewed_by(caller)(record)


def viewed_by(caller: Caller) -> Callable[[ClaimRecord], MerchantClaimView]:
    """Claims as this caller may see them: a merchant is told nothing of a payment that is not its own."""

    def view(record: ClaimRecord) -> MerchantClaimView:
        payment = own_payment(record) if caller.merchant_id else record.authorization_id
        return MerchantClaimView(
            id=to_text("claim", record.id),
            object="claim",
            merchant=id_text("mer", record.merchant_id),
            road=record.road,
            file=id_text("cfile", record.file_id),
            line=record.line,
            batch=record.batch_no,
            kind=record.kind,
            reference=record.reference,
            terminal=record.terminal,
            last_four=record.last_four,
            approval_code=record.approval_code,
            amount=record.amount_minor,
            currency=record.currency,
            final=record.final,
            authorization=id_text("auth", payment),
            status=record.outcome,
            reason=_reason(record, for_merchant=caller.merchant_id is not None),
            repeated=record.repeated,
            time=record.claimed_at,
            created=record.created_at,
        )

    return view


def _reason(record: ClaimRecord, *, for_merchant: bool) -> ClaimReasonView | None:
    if record.reason is None:
        return None
    reason = told(record.reason) if for_merchant else record.reason
    return ClaimReasonView(reason, MESSAGES[reason], record.column)


ROUTES: Final[list[HTTPRouteHandler]] = [
    list_merchant_claims,
    get_merchant_claim,
    list_claim_exceptions,
    pay_claim,
    refuse_claim,
]
