"""Payments: ask, ask what would happen, look up. What is done to them afterwards is in `payment_steps.py`.

`/v1/payments/{id}` and `/v1/authorizations/{id}` are the same object: the decision on one payment.
"""

from datetime import datetime
from typing import Annotated, Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import field
from msgspec.structs import replace

from obverse.access.model import Scope
from obverse.authorization.model import (
    Authorization,
    AuthorizationRequest,
    Decline,
    Entry,
    Status,
)
from obverse.cards import STORED_VALUE, Card, CardHandedOver, Viewer, sight
from obverse.doors.rest.answer import Answer, Repeatable
from obverse.doors.rest.auth import Allow, Caller, caller_of
from obverse.doors.rest.cards import face_date, own_card
from obverse.doors.rest.payment_means import (
    CodeText,
    PasskeyProof,
    Picks,
    QuoteReference,
    check_passkey,
    number_shown,
    tender_of,
)
from obverse.doors.rest.payment_views import (
    AuthorizationView,
    DecisionView,
    authorization_view,
    decision_view,
    without_place,
)
from obverse.doors.rest.services import HttpRequest, Services, services
from obverse.doors.rest.shapes import (
    After,
    Body,
    CardNumber,
    Currency,
    Cvv,
    ExpMonth,
    ExpYear,
    Id,
    Limit,
    ListView,
    Pin,
    PositiveAmount,
    Text,
    list_view,
    money,
    page_request,
)
from obverse.kit.errors import InvalidRequest, KeyReused, NotFound, StillRunning
from obverse.kit.ids import AuthorizationId, CardId, MerchantId, from_text
from obverse.kit.paging import Page
from obverse.kit.secret import Secret
from obverse.members import HolderForm
from obverse.merchants import Merchant, MerchantNotFound

_PAYERS: Final = Allow(Scope.PAYMENTS, merchant_keys=True)
_READERS: Final = Allow(Scope.PAYMENTS, merchant_keys=True, members=True)


class HolderBody(Body, frozen=True):
    """What a page was filled with about the person who pays."""

    name: Text
    phone: Text | None = None
    mail: Text | None = None


class NewPayment(Body, frozen=True):
    """A merchant asks for money. `merchant` is implied by a merchant's key and required with any other.

    It is paid with a `card_number`, or with the `code` on a phone. Expiry and CVV are required for `online`
    and `typed`, where the number could have been guessed; or the PIN, of a card that has one. `partial` takes
    what there is where the balance is short. `tender` is what the holder picks, `quote` what they were shown
    before. `passkey` answers a code challenge. `holder` is what the wallet program has filled in about its
    member, who has to be the card's (WA-8).
    """

    amount: PositiveAmount
    currency: Currency
    card_number: CardNumber | None = None
    code: CodeText | None = None
    exp_month: ExpMonth | None = None
    exp_year: ExpYear | None = None
    cvv: Cvv | None = None
    pin: Pin | None = None
    merchant: Id | None = None
    terminal: Text | None = None
    capture: bool = False
    partial: bool = False
    holder: HolderBody | None = None
    tender: Picks = field(default_factory=list)
    quote: QuoteReference | None = None
    passkey: PasskeyProof | None = None
    entry: Entry = Entry.ONLINE


class TrialPayment(Body, frozen=True):
    """A payment that is only thought through. Members name their `card` by id; keys may give its number.

    No `code`: what is only thought through would be a way to guess at codes that nobody counts (P10).
    """

    amount: PositiveAmount
    currency: Currency
    card: Id | None = None
    card_number: CardNumber | None = None
    exp_month: ExpMonth | None = None
    exp_year: ExpYear | None = None
    cvv: Cvv | None = None
    merchant: Id | None = None
    terminal: Text | None = None
    tender: Picks = field(default_factory=list)
    quote: QuoteReference | None = None
    entry: Entry = Entry.ONLINE


@post("/v1/payments", before_request=_PAYERS, operation_class=Repeatable, tags=["payments"])
async def create_payment(request: HttpRequest, data: JSONBody[NewPayment]) -> Answer[AuthorizationView]:
    """Ask for a payment. A decline is an answer, not an error: 201 with `status: declined`.

    Send an `Idempotency-Key`; repeating the same request with it gives the same answer and pays once.
    """
    caller = caller_of(request)
    joined = services(request)
    merchant = await merchant_of(joined, caller, data.merchant)
    asked = _as_request(data, merchant, caller.command_key(request))
    if data.passkey is not None:
        await check_passkey(joined, asked, data.passkey)
        asked = replace(asked, holder_proved=True)
    if data.holder is not None:
        matches = await joined.match_holder(asked.number, _holder(data.holder))
        asked = replace(asked, holder_matches=matches)
    return answer_to(await joined.engine.authorize(asked), merchant, caller)


@post("/v1/payments/dry_run", before_request=_READERS, status_code=200, tags=["payments"])
async def dry_run_payment(request: HttpRequest, data: JSONBody[TrialPayment]) -> DecisionView:
    """Ask what would be decided: every rule's answer and the exact split, with nothing moved."""
    caller = caller_of(request)
    joined = services(request)
    payment = await _trial(joined, caller, data)
    merchant = await merchant_of(joined, caller, data.merchant)
    asked = _as_request(payment, merchant, "dry_run")
    decision = await joined.engine.dry_run(asked)
    return decision_view(decision, asked.amount, reasons=caller.sees_reasons)


@get(
    ["/v1/payments/{payment_id:str}", "/v1/authorizations/{payment_id:str}"],
    before_request=_READERS,
    tags=["payments"],
)
async def get_payment(request: HttpRequest, payment_id: FromPath[str]) -> AuthorizationView:
    """One payment. `status: processing` means that the far end has not answered yet: ask again, or cancel."""
    caller = caller_of(request)
    joined = services(request)
    authorization = await visible_payment(joined, caller, payment_id)
    return await payment_shown_to(joined, caller, authorization)


@get(["/v1/payments", "/v1/authorizations"], before_request=_READERS, tags=["payments"])
async def list_payments(
    request: HttpRequest,
    limit: Limit = 20,
    after: After = None,
    card: FromQuery[str | None] = None,
    merchant: FromQuery[str | None] = None,
    status_: Annotated[Status | None, QueryParameter(name="status")] = None,
) -> ListView[AuthorizationView]:
    """Payments, newest first. Merchants see their own; members name one of their cards."""
    caller = caller_of(request)
    joined = services(request)
    merchant_id = caller.merchant_meant(merchant)
    own = await _members_card(joined, caller, card, merchant_id)
    page = await joined.engine.list(
        page_request("auth", limit, after),
        card_id=CardId(from_text("card", card, "card")) if card is not None else None,
        merchant_id=merchant_id,
        status=status_,
    )
    if own is not None and own.kind in STORED_VALUE:
        page = _since(page, await joined.cards.claimed_at(own))
    shown = {item.id: await payment_shown_to(joined, caller, item, own) for item in page.items}
    return list_view("auth", page, lambda item: shown[item.id])


def answer_to(decided: Authorization, merchant: Merchant, caller: Caller) -> Answer[AuthorizationView]:
    """The decision for whoever has asked. Raises `KeyReused`, `StillRunning`."""
    check_outcome(decided)
    view = authorization_view(decided, merchant, reasons=caller.sees_reasons)
    return Answer(view, repeated=decided.repeated)


def check_outcome(decided: Authorization) -> None:
    """Raises `KeyReused` for another request's key, `StillRunning` where its first has no answer yet."""
    if decided.decline is Decline.KEY_REUSED:
        raise KeyReused
    if decided.repeated and decided.status is Status.PROCESSING:
        raise StillRunning


# What came in


def _as_request(payment: NewPayment, merchant: Merchant, key: str) -> AuthorizationRequest:
    number, expiry, entry = number_shown(payment)
    return AuthorizationRequest(
        request_key=key,
        number=number,
        expiry=expiry,
        cvv=Secret(payment.cvv) if payment.cvv is not None else None,
        amount=money(payment.amount, payment.currency),
        merchant=merchant,
        terminal=payment.terminal,
        entry=entry,
        capture=payment.capture,
        pin=Secret(payment.pin) if payment.pin is not None else None,
        partial=payment.partial,
        tender=tender_of(payment.tender),
        quote=payment.quote,
    )


def _holder(form: HolderBody) -> HolderForm:
    phone, mail = [Secret(text) if text is not None else None for text in (form.phone, form.mail)]
    return HolderForm(Secret(form.name), phone, mail)


async def merchant_of(joined: Services, caller: Caller, named: str | None) -> Merchant:
    """Whose payment it is. A merchant's key names its merchant; any other has to."""
    own = caller.merchant_id
    if named is None:
        if own is None:
            raise InvalidRequest("merchant is required with a key that is not a merchant's own.", "merchant")
        return await joined.merchants.get(own)
    merchant_id = MerchantId(from_text("mer", named, "merchant"))
    if own is not None and merchant_id != own:
        raise MerchantNotFound("merchant")
    return await joined.merchants.get(merchant_id)


async def _trial(joined: Services, caller: Caller, data: TrialPayment) -> NewPayment:
    """Make a trial into the payment it would be.

    A member may only name a card of their own: with a number, the reasons would tell about cards of others.
    A key has to give the number, because only its holder may have it revealed.
    """
    if caller.member_id is None:
        if data.card_number is None or data.card is not None:
            raise InvalidRequest("With a key, give the card_number.", "card_number")
        return _trial_payment(data, data.card_number, data.exp_year, data.exp_month, data.cvv)
    if data.card is None or data.card_number is not None:
        raise InvalidRequest("With a session, name one of your cards by its id.", "card")
    card = await own_card(joined, caller, data.card, "card")
    face = joined.cards.reveal(card)
    return _trial_payment(data, face.number.reveal(), *face_date(face.expiry), face.cvv.reveal())


def _trial_payment(
    data: TrialPayment, number: str, year: int | None, month: int | None, cvv: str | None
) -> NewPayment:
    return NewPayment(
        card_number=number,
        amount=data.amount,
        currency=data.currency,
        exp_month=month,
        exp_year=year,
        cvv=cvv,
        merchant=data.merchant,
        terminal=data.terminal,
        tender=data.tender,
        quote=data.quote,
        entry=data.entry,
    )


# Who may see what (P12)


async def visible_payment(joined: Services, caller: Caller, payment_id: str) -> Authorization:
    """The payment, if this caller may know that it exists."""
    authorization = await joined.engine.get(AuthorizationId(from_text("auth", payment_id)))
    if caller.merchant_id is not None and authorization.merchant_id != caller.merchant_id:
        raise NotFound("payment")
    if caller.member_id is not None:
        if authorization.card_id is None:
            raise NotFound("payment")
        card = await joined.cards.get(authorization.card_id)
        caller.require_member(card.member_id, NotFound("payment"))
    return authorization


async def payment_shown_to(
    joined: Services, caller: Caller, authorization: Authorization, card: Card | None = None
) -> AuthorizationView:
    """The payment as this caller may see it; `card` is its card, where that is at hand."""
    if caller.member_id is not None and authorization.card_id is not None:
        card = card or await joined.cards.get(authorization.card_id)
        if not sight(card, Viewer.MEMBER).payments:
            return without_place(authorization)
    merchant_id = authorization.merchant_id
    merchant = await joined.merchants.get(merchant_id) if merchant_id is not None else None
    return authorization_view(authorization, merchant, reasons=caller.sees_reasons)


def _since(page: Page[Authorization], claimed_at: datetime | None) -> Page[Authorization]:
    """What a card's holder may see of this page: before they claimed it, it was its giver's."""
    own = [item for item in page.items if claimed_at is None or item.created_at >= claimed_at]
    return page if len(own) == len(page.items) else Page(own, None)


async def _members_card(
    joined: Services, caller: Caller, named: str | None, merchant_id: MerchantId | None
) -> Card | None:
    """The card whose payments a member asks for; None for keys, which may ask for any."""
    if caller.member_id is None:
        return None
    if named is None:
        raise InvalidRequest("card is required: name one of your cards.", "card")
    card = await own_card(joined, caller, named, "card")
    if merchant_id is not None and not sight(card, Viewer.MEMBER).payments:
        raise CardHandedOver(card.id)  # asking shop by shop would tell where the recipient pays (OT-8)
    return card


ROUTES: Final[list[HTTPRouteHandler]] = [
    create_payment,
    dry_run_payment,
    get_payment,
    list_payments,
]
