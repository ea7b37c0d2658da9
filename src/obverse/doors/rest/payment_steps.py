"""What is done to a payment after its approval: capture, cancel, refund; and everything that was done."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from obverse.access.model import Scope
from obverse.authorization.errors import NotRefundable
from obverse.authorization.model import Action, ActionKind, Authorization, Entry
from obverse.cards import CardHandedOver, Viewer, sight
from obverse.clearing.claims import Attempt, ClaimKind, Road
from obverse.doors.rest.answer import Repeatable
from obverse.doors.rest.auth import Allow, Caller, caller_of
from obverse.doors.rest.payment_views import AuthorizationView
from obverse.doors.rest.payments import payment_shown_to, visible_payment
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import Body, PositiveAmount, View
from obverse.draws import HOUSE_MERCHANT
from obverse.kit.errors import ObverseError
from obverse.kit.ids import to_text
from obverse.metering import MeteredPayment

_PAYERS: Final = Allow(Scope.PAYMENTS, merchant_keys=True)
_READERS: Final = Allow(Scope.PAYMENTS, merchant_keys=True, members=True)


class CaptureBody(Body, frozen=True):
    """How much to capture; without an amount, all that is open. `final` releases what is open after it."""

    amount: PositiveAmount | None = None
    final: bool = False


class PartBody(Body, frozen=True):
    """How much of it; without an amount, all there is."""

    amount: PositiveAmount | None = None


class ActionView(View, frozen=True):
    """One step. `parts` is each leg's share, for those who may see the legs."""

    id: str
    object: str
    kind: ActionKind
    amount: int
    currency: str
    parts: Sequence[int] | None
    created: datetime


class ActionsView(View, frozen=True):
    data: Sequence[ActionView]


@post(
    "/v1/payments/{payment_id:str}/capture",
    before_request=_PAYERS,
    operation_class=Repeatable,
    status_code=200,
    tags=["payments"],
)
async def capture_payment(
    request: HttpRequest, payment_id: FromPath[str], data: JSONBody[CaptureBody | None] = None
) -> Response[AuthorizationView]:
    """Claim an approved payment: in whole, or part by part up to what was authorized.

    Send an `Idempotency-Key` with every part; repeating the same part with it claims it once.
    """
    body = data or CaptureBody()
    caller = caller_of(request)
    payment = await visible_payment(services(request), caller, payment_id)
    if payment.entry is Entry.METERED:
        raise MeteredPayment
    key = _step_key(request, "capture", payment)
    try:
        captured = await services(request).engine.capture(
            payment.id, body.amount, key=key, final=body.final, partition_id=payment.partition_id
        )
    except ObverseError as refused:
        attempt = _attempt(payment, ClaimKind.CAPTURE, body.amount, key, final=body.final)
        await services(request).claims.note(attempt, refused)
        raise
    return await _answer(request, caller, captured)


@post(
    "/v1/payments/{payment_id:str}/cancel",
    before_request=_PAYERS,
    operation_class=Repeatable,
    status_code=200,
    tags=["payments"],
)
async def cancel_payment(
    request: HttpRequest, payment_id: FromPath[str], data: JSONBody[PartBody | None] = None
) -> Response[AuthorizationView]:
    """Undo a payment: what is held is released, what was captured goes back, card companies are told.

    With an `amount`, only that much of what is still held is released.
    """
    engine, caller = services(request).engine, caller_of(request)
    payment = await _purchase(request, payment_id)
    key = _step_key(request, "cancel", payment)
    if data is None or data.amount is None:
        return await _answer(request, caller, await engine.cancel(payment.id, key=key))
    released = await engine.release(payment.id, data.amount, key=key, partition_id=payment.partition_id)
    return await _answer(request, caller, released)


@post(
    "/v1/payments/{payment_id:str}/refund",
    before_request=_PAYERS,
    operation_class=Repeatable,
    status_code=200,
    tags=["payments"],
)
async def refund_payment(
    request: HttpRequest, payment_id: FromPath[str], data: JSONBody[PartBody | None] = None
) -> Response[AuthorizationView]:
    """Give back what was captured, in whole or in part, to the sources that paid it.

    Send an `Idempotency-Key`; repeating the same refund with it gives the money back once.
    """
    caller = caller_of(request)
    payment = await _purchase(request, payment_id)
    amount_minor = data.amount if data else None
    key = _step_key(request, "refund", payment)
    try:
        refunded = await services(request).engine.refund(
            payment.id, amount_minor, key=key, partition_id=payment.partition_id
        )
    except ObverseError as refused:
        await services(request).claims.note(_attempt(payment, ClaimKind.REFUND, amount_minor, key), refused)
        raise
    return await _answer(request, caller, refunded)


@get("/v1/payments/{payment_id:str}/actions", before_request=_READERS, tags=["payments"])
async def list_payment_actions(request: HttpRequest, payment_id: FromPath[str]) -> ActionsView:
    """Everything that was done to a payment after its approval, oldest first."""
    caller = caller_of(request)
    joined = services(request)
    payment = await visible_payment(joined, caller, payment_id)
    if caller.member_id is not None and payment.card_id is not None:
        card = await joined.cards.get(payment.card_id)
        if not sight(card, Viewer.MEMBER).payments:
            raise CardHandedOver(card.id)
    actions = await joined.engine.actions_of(payment)
    return ActionsView([_view(action, parts=caller.sees_reasons) for action in actions])


async def _purchase(request: HttpRequest, payment_id: str) -> Authorization:
    """The payment, unless it is a draw: its money is on its way to somebody's bank account.

    Raises `NotRefundable`.
    """
    payment = await visible_payment(services(request), caller_of(request), payment_id)
    if payment.merchant_id == HOUSE_MERCHANT:
        raise NotRefundable
    return payment


def _step_key(request: HttpRequest, step: str, payment: Authorization) -> str | None:
    """The Idempotency-Key, made unique among callers and routes, of which each payment has its own."""
    key = caller_of(request).request_key(request)
    return None if key is None else f"{step}:{payment.id.hex}:{key}"


def _attempt(
    payment: Authorization,
    kind: ClaimKind,
    amount_minor: int | None,
    key: str | None,
    *,
    final: bool = False,
) -> Attempt:
    """What an operator is to see of a claim that was refused; without a key, by what it asks for."""
    return Attempt(
        road=Road.REST,
        kind=kind,
        request_key=key or f"{kind}:{payment.id.hex}:{amount_minor or ''}",
        amount_minor=amount_minor,
        currency=payment.amount.currency,
        merchant_id=payment.merchant_id,
        terminal=payment.terminal,
        final=final,
        partition_id=payment.partition_id,
        authorization_id=payment.id,
    )


async def _answer(
    request: HttpRequest, caller: Caller, payment: Authorization
) -> Response[AuthorizationView]:
    view = await payment_shown_to(services(request), caller, payment)
    return Response(view, headers={"Idempotency-Hit": "true"} if payment.repeated else None)


def _view(action: Action, *, parts: bool) -> ActionView:
    return ActionView(
        id=to_text("act", action.id),
        object="action",
        kind=action.kind,
        amount=action.amount.amount_minor,
        currency=action.amount.currency,
        parts=action.parts if parts else None,
        created=action.created_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [
    capture_payment,
    cancel_payment,
    refund_payment,
    list_payment_actions,
]
