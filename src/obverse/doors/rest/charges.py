"""Charges: money paid into cards that are in use (PP-9, WA-6); value given by the programme.

A card is charged by its member, by whoever holds its token, or by anybody with its number and PIN.
"""

from datetime import datetime
from typing import Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from obverse.access.model import Scope
from obverse.cards import Card, Viewer
from obverse.charging import Charged, ChargeKind, ChargeNotFound, ChargeState, ChargeWish
from obverse.doors.rest.answer import Answer, Repeatable
from obverse.doors.rest.auth import Allow, Caller, Everyone, Holder, caller_of
from obverse.doors.rest.cards import own_card
from obverse.doors.rest.claims import card_held
from obverse.doors.rest.funding_sources import LinkedCardFields, card_details, typed_below
from obverse.doors.rest.orders import PayToView
from obverse.doors.rest.services import HttpRequest, Services, services
from obverse.doors.rest.shapes import (
    After,
    Body,
    CardNumber,
    Id,
    Limit,
    ListView,
    PinText,
    PositiveAmount,
    Reason,
    View,
    id_text,
    list_view,
    page_request,
)
from obverse.kit.ids import CardId, ChargeId, MemberId, SourceId, from_text, to_text
from obverse.kit.secret import Secret
from obverse.sales import How, Means, SaleState

_OWNERS: Final = Allow(Scope.CARDS, members=True)
_OPERATORS: Final = Allow(Scope.OPERATE)
_TAGS: Final = ["charges"]


class NewCharge(Body, frozen=True):
    """`means` says how it is paid: `card` by a linked card (`source`) or one that is typed in (`card`),
    `bank_account` by a linked account (`source`), `bank_transfer` by whoever writes the reference on it."""

    amount: PositiveAmount
    means: Means
    source: Id | None = None
    card: LinkedCardFields | None = None


class NewChargeByNumber(NewCharge, frozen=True, kw_only=True):
    """The card to charge, by what is on it; `card` is what pays."""

    card_number: CardNumber
    pin: PinText


class Gift(Body, frozen=True):
    amount: PositiveAmount
    reason: Reason


class ChargeView(View, frozen=True):
    """`pay_to` is there while a bank transfer is waited for; `reason` where the charge came to nothing."""

    id: str
    object: str
    card: str
    kind: ChargeKind
    status: ChargeState
    amount: int
    currency: str
    means: Means | None
    source: str | None
    reason: str | None
    pay_to: PayToView | None
    created: datetime
    ended: datetime | None


@post("/v1/cards/{card_id:str}/charges", before_request=_OWNERS, operation_class=Repeatable, tags=_TAGS)
async def create_charge(
    request: HttpRequest, card_id: FromPath[str], data: JSONBody[NewCharge]
) -> Answer[ChargeView]:
    """Charge a card of the member's own. A card or account that does not pay is an answer: 201, `declined`.

    A repeat with the same `Idempotency-Key` charges once.
    """
    joined, caller = services(request), caller_of(request)
    card = await own_card(joined, caller, card_id)
    return await _charge(joined, card, data, caller.command_key(request), card.member_id)


@get("/v1/cards/{card_id:str}/charges", before_request=_OWNERS, tags=_TAGS)
async def list_card_charges(
    request: HttpRequest, card_id: FromPath[str], limit: Limit = 20, after: After = None
) -> ListView[ChargeView]:
    """A card's charges, newest first."""
    joined, caller = services(request), caller_of(request)
    card = await own_card(joined, caller, card_id)
    viewer = Viewer.MEMBER if caller.member_id is not None else Viewer.OPERATOR
    return await _list(joined, card.id, limit, after, viewer)


@post("/v1/claims/current/charges", before_request=Holder(), operation_class=Repeatable, tags=["claims"])
async def create_held_card_charge(request: HttpRequest, data: JSONBody[NewCharge]) -> Answer[ChargeView]:
    """Charge the card that this holder token stands for."""
    card = card_held(request)
    return await _charge(services(request), card, data, Caller(card.id.hex).command_key(request), None)


@get("/v1/claims/current/charges", before_request=Holder(), tags=["claims"])
async def list_held_card_charges(
    request: HttpRequest, limit: Limit = 20, after: After = None
) -> ListView[ChargeView]:
    """Its charges, newest first."""
    return await _list(services(request), card_held(request).id, limit, after, Viewer.RECIPIENT)


@post("/v1/charges", before_request=Everyone(), operation_class=Repeatable, tags=_TAGS)
async def create_charge_by_number(
    request: HttpRequest, data: JSONBody[NewChargeByNumber]
) -> Answer[ChargeView]:
    """Charge a card by its number and PIN; no account is needed. Wrong PINs count as at a till.

    Repeat it with the same `Idempotency-Key` to hear how far it got.
    """
    joined = services(request)
    card = await joined.cards_in_hand.find(Secret(data.card_number), Secret(data.pin))
    return await _charge(joined, card, data, Caller(card.id.hex).command_key(request), None)


@get("/v1/charges", before_request=_OPERATORS, tags=_TAGS)
async def list_charges(request: HttpRequest, limit: Limit = 20, after: After = None) -> ListView[ChargeView]:
    """All charges, newest first."""
    return await _list(services(request), None, limit, after)


@get("/v1/charges/{charge_id:str}", before_request=_OWNERS, tags=_TAGS)
async def get_charge(request: HttpRequest, charge_id: FromPath[str]) -> ChargeView:
    """One charge, as far as it got."""
    joined = services(request)
    return _view(joined, await _own_charge(joined, caller_of(request), charge_id))


@post("/v1/charges/{charge_id:str}/cancel", before_request=_OWNERS, status_code=200, tags=_TAGS)
async def cancel_charge(request: HttpRequest, charge_id: FromPath[str]) -> ChargeView:
    """Give up a charge for which nobody has been asked to pay yet, above all a bank transfer."""
    joined = services(request)
    charged = await _own_charge(joined, caller_of(request), charge_id)
    return _view(joined, await joined.charging.cancel(charged.charge.id))


@post(
    "/v1/cards/{card_id:str}/given_value", before_request=_OPERATORS, operation_class=Repeatable, tags=_TAGS
)
async def give_value(
    request: HttpRequest, card_id: FromPath[str], data: JSONBody[Gift]
) -> Answer[ChargeView]:
    """Give value to a card out of the programme's own pocket."""
    joined, caller = services(request), caller_of(request)
    card = await own_card(joined, caller, card_id)
    charged = await joined.charging.give(
        card, data.amount, key=caller.command_key(request), actor=caller.actor, reason=data.reason
    )
    return Answer(_view(joined, charged), repeated=charged.repeated)


async def _charge(
    joined: Services, card: Card, data: NewCharge, key: str, member_id: MemberId | None
) -> Answer[ChargeView]:
    source_id = SourceId(from_text("src", data.source, "source")) if data.source is not None else None
    how = How(data.means, source_id, card_details(data.card) if data.card is not None else None)
    with typed_below("card"):
        charged = await joined.charging.charge(card, ChargeWish(data.amount, how, member_id), key=key)
    return Answer(_view(joined, charged), repeated=charged.repeated)


async def _list(
    joined: Services, card_id: CardId | None, limit: int, after: str | None, viewer: Viewer = Viewer.OPERATOR
) -> ListView[ChargeView]:
    page = await joined.charging.list(page_request("chg", limit, after), card_id, viewer=viewer)
    return list_view("chg", page, lambda charged: _view(joined, charged))


async def _own_charge(joined: Services, caller: Caller, charge_id: str) -> Charged:
    """The charge, if this caller may know its card, and has not got it from whoever paid. Raises
    `ChargeNotFound`."""
    charged = await joined.charging.get(ChargeId(from_text("chg", charge_id)))
    card = await joined.cards.get(charged.charge.card_id)
    caller.require_member(card.member_id, ChargeNotFound())
    if charged.charge.member_id is not None:
        caller.require_member(charged.charge.member_id, ChargeNotFound())
    return charged


def _view(joined: Services, charged: Charged) -> ChargeView:
    charge, sale = charged.charge, charged.sale
    pay_to = None
    if sale is not None and sale.means is Means.BANK_TRANSFER and sale.state is SaleState.OPEN:
        own = joined.charging.own_account
        pay_to = PayToView(
            own.bank_code, own.number.reveal(), own.holder, sale.reference or "", sale.expires_at
        )
    return ChargeView(
        id=to_text("chg", charge.id),
        object="charge",
        card=to_text("card", charge.card_id),
        kind=charge.kind,
        status=charge.state,
        amount=charge.amount.amount_minor,
        currency=charge.amount.currency,
        means=sale.means if sale is not None else None,
        # A card that was typed in has a source of its own, which is nobody's to see.
        source=id_text("src", sale.source_id) if sale is not None and sale.member_id is not None else None,
        reason=charge.reason,
        pay_to=pay_to,
        created=charge.created_at,
        ended=charge.ended_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [
    create_charge,
    list_card_charges,
    create_held_card_charge,
    list_held_card_charges,
    create_charge_by_number,
    list_charges,
    get_charge,
    cancel_charge,
    give_value,
]
