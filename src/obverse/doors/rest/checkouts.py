"""Matched orders (WA-7): left by the member's wallet program, paid when the mall names the same one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import Meta

from obverse.access.model import Scope
from obverse.cards import CardHandedOver, Viewer, sight
from obverse.checkouts import ITEMS_MAX, Checkout, CheckoutState, Item, Order
from obverse.doors.rest.answer import Answer, Repeatable
from obverse.doors.rest.auth import Allow, WalletProgram, caller_of, checkout_of
from obverse.doors.rest.cards import own_card
from obverse.doors.rest.payment_views import AuthorizationView
from obverse.doors.rest.payments import answer_to, merchant_of
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import (
    PRINTABLE,
    Amount,
    Body,
    Currency,
    Id,
    PositiveAmount,
    Text,
    View,
    id_text,
    money,
)
from obverse.kit.errors import NotPermitted
from obverse.kit.ids import MerchantId, from_text, to_text

_MEMBERS: Final = Allow(members=True)
_MALLS: Final = Allow(Scope.PAYMENTS, merchant_keys=True)

Reference = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern=PRINTABLE,
        description="The mall's own word for its customer. It should say nothing about the person.",
    ),
]


class ItemBody(Body, frozen=True):
    name: Text
    quantity: Annotated[int, Meta(ge=1, le=10_000)]
    unit_amount: Amount


Items = Annotated[tuple[ItemBody, ...], Meta(min_length=1, max_length=ITEMS_MAX)]


class NewCheckout(Body, frozen=True):
    """An order as the mall's page showed it, and the card that shall pay. `total` is the sum of the items."""

    merchant: Id
    reference: Reference
    items: Items
    total: PositiveAmount
    currency: Currency
    card: Id


class MatchedPayment(Body, frozen=True):
    """The mall's own order. `merchant` is implied by a merchant's key and required with any other."""

    reference: Reference
    items: Items
    total: PositiveAmount
    currency: Currency
    merchant: Id | None = None
    capture: bool = False


class ItemView(View, frozen=True):
    name: str
    quantity: int
    unit_amount: int


class CheckoutView(View, frozen=True):
    """A kept order. `payment` is there once it is decided."""

    id: str
    object: str
    state: CheckoutState
    merchant: str
    reference: str
    items: Sequence[ItemView]
    total: int
    currency: str
    card: str
    payment: str | None
    expires: datetime
    created: datetime


class KeptView(View, frozen=True):
    """`session` is for the wallet program, to follow this one checkout and to take it back."""

    checkout: CheckoutView
    session: str


@post("/v1/checkouts", before_request=_MEMBERS, tags=["checkouts"])
async def keep_checkout(request: HttpRequest, data: JSONBody[NewCheckout]) -> Answer[KeptView]:
    """Leave an order here for its mall to ask for, within 15 minutes. The same order again is the same
    checkout; another one for the same mall and reference takes its place."""
    caller, joined = caller_of(request), services(request)
    if caller.member_id is None:
        raise NotPermitted("Only members check out.")
    card = await own_card(joined, caller, data.card, "card")
    if not sight(card, Viewer.MEMBER).number:
        raise CardHandedOver(card.id)
    merchant = await joined.merchants.get(MerchantId(from_text("mer", data.merchant, "merchant")))
    kept = await joined.checkouts.keep(caller.member_id, card.id, merchant.id, _order(data))
    return Answer(KeptView(_view(kept.checkout), kept.session.reveal()), repeated=kept.repeated)


@get("/v1/checkouts/current", before_request=WalletProgram(), tags=["checkouts"])
async def get_checkout(request: HttpRequest) -> CheckoutView:
    """The checkout of this session: whether the mall has asked, and what became of it."""
    return _view(checkout_of(request))


@post("/v1/checkouts/current/withdraw", before_request=WalletProgram(), status_code=200, tags=["checkouts"])
async def withdraw_checkout(request: HttpRequest) -> CheckoutView:
    """Take the order back, as long as the mall has not asked for it."""
    return _view(await services(request).checkouts.withdraw(checkout_of(request).id))


@post(
    "/v1/checkouts/matched_payments",
    before_request=_MALLS,
    operation_class=Repeatable,
    tags=["checkouts"],
)
async def pay_matched(request: HttpRequest, data: JSONBody[MatchedPayment]) -> Answer[AuthorizationView]:
    """Ask for the money of an order that its member has left here. Every field has to be the same; three
    requests that differ make the kept order void. A decline is an answer: 201 with `status: declined`."""
    caller, joined = caller_of(request), services(request)
    merchant = await merchant_of(joined, caller, data.merchant)
    payment = await joined.checkouts.pay(
        merchant, _order(data), key=caller.request_key(request), capture=data.capture
    )
    return answer_to(payment, merchant, caller)


def _order(data: NewCheckout | MatchedPayment) -> Order:
    items = [Item(item.name, item.quantity, item.unit_amount) for item in data.items]
    return Order(data.reference, money(data.total, data.currency), items)


def _view(checkout: Checkout) -> CheckoutView:
    order = checkout.order
    return CheckoutView(
        id=to_text("chk", checkout.id),
        object="checkout",
        state=checkout.state,
        merchant=to_text("mer", checkout.merchant_id),
        reference=order.reference,
        items=[ItemView(item.name, item.quantity, item.unit_minor) for item in order.items],
        total=order.total.amount_minor,
        currency=order.total.currency,
        card=to_text("card", checkout.card_id),
        payment=id_text("auth", checkout.authorization_id),
        expires=checkout.expires_at,
        created=checkout.created_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [keep_checkout, get_checkout, withdraw_checkout, pay_matched]
