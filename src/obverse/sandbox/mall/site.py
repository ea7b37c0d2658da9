"""The mall's web site: a page with a checkout form, and the JSON calls behind it."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from importlib.resources import files
from typing import Annotated, Any, Final

import msgspec
from litestar import Litestar, MediaType, Request, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath, JSONBody
from litestar.response import Response
from msgspec import Meta

from obverse.kit.http_server import HttpServer
from obverse.kit.secret import Secret
from obverse.sandbox.errors import SandboxError
from obverse.sandbox.mall.mall import Mall
from obverse.sandbox.mall.model import Filled, Item, Order, Pick, Picked, Road, Scanned, UnknownOrder
from obverse.sandbox.terminal.messages import CardEntry

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

Amount = Annotated[int, Meta(ge=1, le=999_999_999_999)]
CardNumber = Annotated[str, Meta(pattern="^[0-9]{12,19}$")]


class CardRoad(StrEnum):
    """The roads on which the shop sees a card."""

    CLEARING_HOUSE = "clearing_house"
    DIRECT = "direct"
    VAN = "van"
    POINTS_ISSUER = "points_issuer"


class HolderFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a wallet program fills in about its member (WA-8)."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    phone: Annotated[str, Meta(max_length=40)] | None = None
    mail: Annotated[str, Meta(max_length=200)] | None = None


class ItemFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    quantity: Annotated[int, Meta(ge=1, le=10_000)]
    unit_amount: Annotated[int, Meta(ge=0, le=999_999_999_999)]


class Cart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    items: Annotated[tuple[ItemFields, ...], Meta(min_length=1, max_length=100)]


class WalletOrder(msgspec.Struct, frozen=True):
    """What the wallet button hands to the wallet program: all that it needs to check out (WA-7)."""

    order: str
    merchant: str
    reference: str
    items: Sequence[Item]
    total: int
    currency: str


class PickFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the buyer wants to pay with; `number` is the one the points have in the quote."""

    source: Annotated[str, Meta(max_length=60)] | None = None
    number: Annotated[int, Meta(ge=1, le=99)] | None = None
    amount: Amount | None = None


class CardFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is typed of a card."""

    card_number: CardNumber
    exp_month: Annotated[int, Meta(ge=1, le=12)] | None = None
    exp_year: Annotated[int, Meta(ge=2000, le=2099)] | None = None
    cvv: Annotated[str, Meta(pattern="^[0-9]{3,4}$")] | None = None
    pin: Annotated[str, Meta(pattern="^[0-9]{4,6}$")] | None = None


class PointsQuestion(CardFields, frozen=True, kw_only=True):
    """A card whose points the buyer wants to see before they pay."""

    amount: Amount | None = None


class Checkout(CardFields, frozen=True, kw_only=True):
    """What the form posts. `order` is given to repeat the payment of an earlier order; `tender` and `quote`
    are for the road to the provider."""

    amount: Amount
    holder: HolderFields | None = None
    road: CardRoad = CardRoad.CLEARING_HOUSE
    order: str | None = None
    tender: tuple[PickFields, ...] = ()
    quote: Annotated[str, Meta(max_length=20)] | None = None


class Scan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A code as the PC's scanner read it off a phone: its digits, or the text of its QR."""

    amount: Amount
    code: Annotated[str, Meta(min_length=1, max_length=512)]


class ScannedCheckout(Scan, frozen=True):
    """The same with its holder's proof: the PIN, or what the passkey made of a challenge."""

    pin: Annotated[str, Meta(pattern="^[0-9]{4,12}$")] | None = None
    passkey: Mapping[str, Any] | None = None
    order: str | None = None


class VoidRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    card_number: CardNumber | None = None


class OrderView(msgspec.Struct, frozen=True):
    id: str
    road: str
    amount: int
    card: str
    status: str
    code: str | None
    approval_code: str | None
    payment: str | None


class MallSite(HttpServer):
    """The mall on its port."""

    def __init__(self, mall: Mall) -> None:
        super().__init__(create_app(mall))
        self.mall = mall

    async def stop(self) -> None:
        await super().stop()
        await self.mall.close()


def create_app(mall: Mall) -> Litestar:
    """The mall's pages and calls. Bad input is answered without repeating it."""
    return Litestar(
        [*_pages(mall), *_checkouts(mall), *_orders(mall)],
        openapi_config=None,
        response_headers=SECURITY_HEADERS,
        exception_handlers={SandboxError: refused, HTTPException: bad_request},
    )


def _pages(mall: Mall) -> list[Any]:
    @get("/", media_type=MediaType.HTML)
    async def page() -> str:
        return _page("index.html").replace("{{shop}}", mall.shop.name)

    @get("/shop.css", media_type=MediaType.CSS)
    async def style() -> str:
        return _page("shop.css")

    @get("/shop.js", media_type="text/javascript")
    async def script() -> str:
        return _page("shop.js")

    return [page, style, script]


def _checkouts(mall: Mall) -> list[Any]:
    """Paying with what is typed, or scanned off a phone."""

    @post("/checkout", status_code=200)
    async def checkout(data: JSONBody[Checkout]) -> OrderView:
        filled = Filled(**msgspec.structs.asdict(data.holder)) if data.holder is not None else None
        picked = None
        if data.tender or data.quote is not None:
            picked = Picked(tuple(Pick(**msgspec.structs.asdict(each)) for each in data.tender), data.quote)
        return view(await mall.pay(_entered(data), data.amount, Road(data.road), data.order, filled, picked))

    @post("/points", status_code=200)
    async def points(data: JSONBody[PointsQuestion]) -> Mapping[str, Any]:
        """What the provider tells of the points behind a card, for the page to show."""
        return await mall.points_of(_entered(data), data.amount)

    @post("/code_challenges", status_code=200)
    async def challenge(data: JSONBody[Scan]) -> Mapping[str, Any]:
        """What the passkey of a code's holder is to be asked."""
        return await mall.challenge(Secret(data.code), data.amount)

    @post("/scans", status_code=200)
    async def scan(data: JSONBody[ScannedCheckout]) -> OrderView:
        """Pay with a code off a phone."""
        pin = Secret(data.pin) if data.pin is not None else None
        scanned = Scanned(Secret(data.code), pin, data.passkey)
        return view(await mall.pay_scanned(scanned, data.amount, data.order))

    return [checkout, points, challenge, scan]


def _orders(mall: Mall) -> list[Any]:
    @post("/carts")
    async def fill_cart(data: JSONBody[Cart]) -> WalletOrder:
        """The wallet button: what the page hands to the wallet program."""
        order = mall.open_cart(tuple(Item(**msgspec.structs.asdict(item)) for item in data.items))
        return WalletOrder(
            order.id, mall.merchant_id, order.reference, order.items, order.amount_minor, "KRW"
        )

    @post("/orders/{order_id:str}/collect", status_code=200)
    async def collect(order_id: FromPath[str]) -> OrderView:
        """The member says that the wallet has the order: the mall's server asks for the money."""
        return view(await mall.collect(order_id))

    @post("/orders/{order_id:str}/void", status_code=200)
    async def void(order_id: FromPath[str], data: JSONBody[VoidRequest]) -> OrderView:
        return view(await mall.void(order_id, Secret(data.card_number) if data.card_number else None))

    @get("/orders")
    async def orders() -> Mapping[str, Sequence[OrderView]]:
        return {"data": [view(order) for order in mall.orders]}

    return [fill_cart, collect, void, orders]


_CARDS: Final = {Road.MATCHED: "in the wallet", Road.CODE: "on a phone"}
"""Where the card is that the shop does not see."""


def _entered(card: CardFields) -> CardEntry:
    expiry = None
    if card.exp_year is not None and card.exp_month is not None:
        expiry = f"{card.exp_year % 100:02d}{card.exp_month:02d}"
    secrets = [Secret(text) if text is not None else None for text in (card.cvv, card.pin)]
    return CardEntry(Secret(card.card_number), expiry, *secrets)


def view(order: Order) -> OrderView:
    return OrderView(
        order.id,
        order.road,
        order.amount_minor,
        f"ends in {order.last_four}" if order.last_four else _CARDS.get(order.road, ""),
        order.status,
        order.code,
        order.approval_code,
        order.payment,
    )


def refused(_: Request[Any, Any, Any], error: SandboxError) -> Response[dict[str, str]]:
    status = 404 if isinstance(error, UnknownOrder) else 409
    return Response({"detail": str(error)}, status_code=status)


def bad_request(_: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, str]]:
    """Only the reason phrase: a validation message could carry what was typed."""
    detail = "The form is not filled in correctly." if error.status_code == 400 else "Not possible."
    return Response({"detail": detail}, status_code=error.status_code)


def _page(name: str) -> str:
    return (files("obverse.sandbox.mall") / "pages" / name).read_text(encoding="utf-8")
