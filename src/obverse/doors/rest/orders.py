"""Orders: prepaid cards bought without an account (PP-1, PP-2). What buyers do about gifts is in `gifts`.

Anybody may order. The order's token is all there is to follow it with.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from obverse.access.model import Scope
from obverse.doors.rest.answer import Answer, Repeatable
from obverse.doors.rest.auth import Allow, Buyer, Caller, Everyone, order_of
from obverse.doors.rest.funding_sources import LinkedCardFields, card_details, typed_below
from obverse.doors.rest.gifts import GiftBody, gift
from obverse.doors.rest.request import BODY_OPTION
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import (
    After,
    Body,
    Id,
    Limit,
    ListView,
    PositiveAmount,
    SecretText,
    View,
    list_view,
    page_request,
)
from obverse.kit.ids import OrderId, ProgrammeId, from_text, to_text
from obverse.kit.secret import Secret
from obverse.letters import Language
from obverse.orders import (
    BulkTerms,
    BulkWish,
    Line,
    OrderKind,
    OrderState,
    OrderWish,
    Placed,
    Quote,
    Revealed,
)
from obverse.orders import Buyer as WhoBuys
from obverse.sales import How, Means, Sale, SaleState
from obverse.treasury import BankAccount

FILE_BYTES_MAX: Final = 10_000_000

_TAGS: Final = ["orders"]
_OPERATORS: Final = Allow(Scope.OPERATE)
_ANYBODY: Final = Caller("buyer")
"""Keys of requests without a token are all in one pot: each is to be drawn at random."""

Lines = Annotated[tuple["OrderLine", ...], Meta(min_length=1, max_length=600)]


class OrderLine(Body, frozen=True):
    """`count` cards of one denomination; with a `gift`, each goes to its recipient in a mail of its own."""

    programme: Id
    denomination: PositiveAmount
    count: int = 1
    gift: GiftBody | None = None


class QuoteBody(Body, frozen=True):
    lines: Lines


class BuyerBody(Body, frozen=True):
    """Who orders, and how to reach them."""

    name: SecretText
    phone: SecretText
    mail: SecretText
    address: SecretText | None = None
    occupation: SecretText | None = None


class MeansOffered(StrEnum):
    CARD = "card"
    BANK_TRANSFER = "bank_transfer"


class PaymentBody(Body, frozen=True):
    """By a real card, which is typed in, or by bank transfer."""

    means: MeansOffered
    card: LinkedCardFields | None = None


class NewOrder(Body, frozen=True):
    buyer: BuyerBody
    lines: Lines
    payment: PaymentBody
    language: Language = Language.KOREAN


class NewBulkOrder(Body, frozen=True):
    """`file` is a list of gifts as CSV: docs/orders.md. `programme` is that of lines which name none."""

    buyer: BuyerBody
    sender: SecretText
    file: Annotated[str, Meta(min_length=1, max_length=FILE_BYTES_MAX)]
    payment: PaymentBody
    programme: Id | None = None
    language: Language = Language.KOREAN


class CancelBody(Body, frozen=True):
    """Which pieces; left out, all of them."""

    pieces: Annotated[tuple[Annotated[int, Meta(ge=1)], ...], Meta(min_length=1, max_length=600)] | None = (
        None
    )


class PricedLineView(View, frozen=True):
    programme: str
    denomination: int
    count: int
    amount: int


class QuoteView(View, frozen=True):
    object: str
    lines: Sequence[PricedLineView]
    pieces: int
    total: int
    currency: str


class PayToView(View, frozen=True):
    """Where to transfer to, and what to write on the transfer."""

    bank_code: str
    number: str
    holder: str
    reference: str
    pay_by: datetime


class OrderPaymentView(View, frozen=True):
    """`pay_to` is there for bank transfers that are waited for, `decline` where the payment was declined."""

    means: Means
    state: SaleState
    decline: str | None
    pay_to: PayToView | None


class OrderView(View, frozen=True):
    """An order and how far it got: `done` of its `pieces` have cards, `back` went back to its payer.

    `token` is filled in the answer that took the order in, and in repeats of it.
    """

    id: str
    object: str
    kind: OrderKind
    status: OrderState
    language: Language
    total: int
    back: int
    currency: str
    pieces: int
    done: int
    payment: OrderPaymentView
    created: datetime
    paid: datetime | None
    allocated: datetime | None
    token: str | None


class RevealedCardView(View, frozen=True):
    """A card in the buyer's hand; no `pin` where the buyer has chosen one."""

    piece: int
    number: str
    exp_month: int
    exp_year: int
    cvv: str
    pin: str | None


class RevealedView(View, frozen=True):
    object: str
    cards: Sequence[RevealedCardView]


# ordering


@post("/v1/orders/quote", before_request=Everyone(), status_code=200, tags=_TAGS)
async def quote_order(request: HttpRequest, data: JSONBody[QuoteBody]) -> QuoteView:
    """What these cards would cost. A line that cannot be ordered is named."""
    return _quote_view(await services(request).orders.quote(_lines(data.lines)))


@post("/v1/orders", before_request=Everyone(), operation_class=Repeatable, tags=_TAGS)
async def create_order(request: HttpRequest, data: JSONBody[NewOrder]) -> Answer[OrderView]:
    """Order and pay. A card that does not pay is an answer: 201 with `status: declined`.

    Keep the `token`: it goes into `Authorization: Bearer ...` of `/v1/orders/current`. Send an
    `Idempotency-Key` drawn at random; repeating the same request with it orders once.
    """
    wish = OrderWish(
        buyer=_buyer(data.buyer), lines=_lines(data.lines), how=_how(data.payment), language=data.language
    )
    with typed_below("payment.card"):
        placed = await services(request).orders.place(
            wish, origin=_origin(request), key=_ANYBODY.request_key(request)
        )
    return Answer(_view(request, placed), repeated=placed.repeated)


@post(
    "/v1/bulk_orders",
    before_request=Everyone(),
    operation_class=Repeatable,
    opt={BODY_OPTION: FILE_BYTES_MAX},
    tags=_TAGS,
)
async def create_bulk_order(request: HttpRequest, data: JSONBody[NewBulkOrder]) -> Answer[OrderView]:
    """Order a company's gifts, up to 20,000. Every line that is wrong is named, and then nothing is taken.

    The cards are made once it is paid; `done` of the order tells how many are.
    """
    programme = ProgrammeId(from_text("prog", data.programme, "programme")) if data.programme else None
    wish = BulkWish(
        buyer=_buyer(data.buyer),
        file=Secret(data.file),
        terms=BulkTerms(Secret(data.sender), programme),
        how=_how(data.payment),
        language=data.language,
    )
    with typed_below("payment.card"):
        placed = await services(request).orders.place_bulk(
            wish, origin=_origin(request), key=_ANYBODY.request_key(request)
        )
    return Answer(_view(request, placed), repeated=placed.repeated)


# the buyer


@get("/v1/orders/current", before_request=Buyer(), tags=_TAGS)
async def get_own_order(request: HttpRequest) -> OrderView:
    """The order that this token stands for."""
    return _view(request, await services(request).orders.get(order_of(request).id))


@post("/v1/orders/current/cancel", before_request=Buyer(), status_code=200, tags=_TAGS)
async def cancel_order(request: HttpRequest, data: JSONBody[CancelBody]) -> OrderView:
    """Cancel an order that is not paid yet, or cards of it while they are unused: the money goes back.

    Repeating it changes nothing.
    """
    return _view(request, await services(request).orders.cancel(order_of(request), data.pieces))


@post("/v1/orders/current/reveal", before_request=Buyer(), status_code=200, tags=_TAGS)
async def reveal_order(request: HttpRequest) -> RevealedView:
    """Numbers and PINs of the cards that the buyer has in hand. That it was asked is noted."""
    shown = await services(request).orders.reveal(order_of(request))
    return RevealedView("revealed_cards", [_revealed_view(one) for one in shown])


# the operator


@get("/v1/orders", before_request=_OPERATORS, tags=_TAGS)
async def list_orders(
    request: HttpRequest,
    limit: Limit = 20,
    after: After = None,
    status: Annotated[OrderState | None, QueryParameter()] = None,
) -> ListView[OrderView]:
    """Orders, newest first; not by whom."""
    page = await services(request).orders.list(page_request("ord", limit, after), status)
    return list_view("ord", page, lambda placed: _view(request, placed))


@get("/v1/orders/{order_id:str}", before_request=_OPERATORS, tags=_TAGS)
async def get_order(request: HttpRequest, order_id: FromPath[str]) -> OrderView:
    """One order; not by whom."""
    return _view(request, await services(request).orders.get(OrderId(from_text("ord", order_id))))


def _origin(request: HttpRequest) -> str:
    return request.client.host if request.client else ""


def _lines(lines: Sequence[OrderLine]) -> list[Line]:
    return [
        Line(
            ProgrammeId(from_text("prog", line.programme, f"lines[{i}].programme")),
            line.denomination,
            line.count,
            gift(line.gift) if line.gift is not None else None,
        )
        for i, line in enumerate(lines)
    ]


def _buyer(body: BuyerBody) -> WhoBuys:
    return WhoBuys(
        name=Secret(body.name),
        phone=Secret(body.phone),
        mail=Secret(body.mail),
        address=Secret(body.address) if body.address is not None else None,
        occupation=Secret(body.occupation) if body.occupation is not None else None,
    )


def _how(body: PaymentBody) -> How:
    return How(Means(body.means), card=card_details(body.card) if body.card is not None else None)


def _quote_view(quote: Quote) -> QuoteView:
    return QuoteView(
        object="quote",
        lines=[
            PricedLineView(
                to_text("prog", priced.programme.id),
                priced.line.denomination_minor,
                priced.line.count,
                priced.amount.amount_minor,
            )
            for priced in quote.lines
        ],
        pieces=quote.pieces,
        total=quote.total.amount_minor,
        currency=quote.total.currency,
    )


def _view(request: HttpRequest, placed: Placed) -> OrderView:
    order, sale = placed.order, placed.sale
    # Money may have come that nobody has allocated anything for yet.
    waits = order.state is OrderState.UNPAID and sale.state is SaleState.PAID
    return OrderView(
        id=to_text("ord", order.id),
        object="order",
        kind=order.kind,
        status=OrderState.PAID if waits else _STATUS.get(sale.state, order.state),
        language=order.language,
        total=order.total_minor,
        back=order.back_minor,
        currency=order.currency,
        pieces=order.pieces,
        done=order.done,
        payment=_payment_view(sale, services(request).orders.own_account),
        created=order.created_at,
        paid=order.paid_at,
        allocated=order.allocated_at,
        token=placed.token.reveal() if placed.token is not None else None,
    )


_STATUS: Final = {SaleState.DECLINED: OrderState.DECLINED}
"""What the payment tells before the order has heard of it."""


def _payment_view(sale: Sale, own: BankAccount) -> OrderPaymentView:
    pay_to = None
    if sale.state is SaleState.OPEN and sale.reference is not None:
        pay_to = PayToView(own.bank_code, own.number.reveal(), own.holder, sale.reference, sale.expires_at)
    return OrderPaymentView(sale.means, sale.state, sale.decline, pay_to)


def _revealed_view(one: Revealed) -> RevealedCardView:
    face = one.face
    return RevealedCardView(
        piece=one.at,
        number=face.number.reveal(),
        exp_month=int(face.expiry[2:]),
        exp_year=2000 + int(face.expiry[:2]),
        cvv=face.cvv.reveal(),
        pin=one.pin.reveal() if one.pin is not None else None,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [
    quote_order,
    create_order,
    create_bulk_order,
    get_own_order,
    cancel_order,
    reveal_order,
    list_orders,
    get_order,
]
