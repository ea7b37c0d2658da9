"""The pieces of an order: looked at, set up for oneself, given, sent again, taken back (PP-3).

The order's token lets in its buyer. Who claims a gift does so at `/v1/claims`.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from litestar import get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from obverse.cards import NewPin
from obverse.doors.rest.answer import Repeatable
from obverse.doors.rest.auth import Buyer, Caller, order_of
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import Body, Limit, SecretText, Text, View
from obverse.kit.ids import to_text
from obverse.kit.secret import Secret, mask_number
from obverse.orders import Design, Gift, Order, PieceSight, PieceState

_TAGS: Final = ["orders"]
_PATH: Final = "/v1/orders/current/pieces/{number:int}"

AfterPiece = Annotated[int, QueryParameter(ge=0, description="The `next_cursor` of the page before.")]
Pin = Annotated[str, Meta(min_length=1, max_length=12, extra_json_schema={"format": "password"})]


class GiftBody(Body, frozen=True):
    """Who gets it, and what the mail says. `sender` is the giver's name as the recipient reads it."""

    mail: SecretText
    sender: SecretText
    name: SecretText | None = None
    design: Design = Design.PLAIN
    message: Annotated[str, Meta(min_length=1, max_length=300)] | None = None


class SetUpBody(Body, frozen=True):
    """A PIN of 4 to 6 digits, typed twice, and a hint to remember it by."""

    pin: Pin
    pin_again: Pin
    pin_hint: Text | None = None


class ShownPiece(StrEnum):
    """How a piece stands: as its order has it, or `claimed` by the recipient of a gift."""

    ORDERED = "ordered"
    READY = "ready"
    SET_UP = "set_up"
    GIVEN = "given"
    UNDELIVERED = "undelivered"
    CLAIMED = "claimed"
    CANCELLED = "cancelled"


class GiftView(View, frozen=True):
    mail: str
    sender: str
    name: str | None
    design: Design
    message: str | None


class PieceCardView(View, frozen=True):
    """The card by its masked number; whole numbers and PINs are revealed only on request."""

    id: str
    number: str
    state: str
    expires_at: datetime


class PieceView(View, frozen=True):
    """One card of an order. Of a gift that was claimed the buyer sees no card any more."""

    number: int
    object: str
    programme: str
    amount: int
    currency: str
    state: ShownPiece
    gift: GiftView | None
    card: PieceCardView | None


class PieceListView(View, frozen=True):
    """Pieces in the order of their numbers; pass `next_cursor` as `after` to get the following page."""

    data: Sequence[PieceView]
    has_more: bool
    next_cursor: str | None


class SetUpView(View, frozen=True):
    """`holder_token` goes into `Authorization: Bearer ...` of `/v1/claims/current`."""

    object: str
    piece: PieceView
    holder_token: str


@get("/v1/orders/current/pieces", before_request=Buyer(), tags=_TAGS)
async def list_pieces(request: HttpRequest, limit: Limit = 20, after: AfterPiece = 0) -> PieceListView:
    """The pieces of the order, and what has become of each."""
    order = order_of(request)
    found = await services(request).orders.pieces(order, after=after, limit=limit + 1)
    shown, more = found[:limit], len(found) > limit
    return PieceListView(
        [_view(order, sight) for sight in shown], more, str(shown[-1].piece.at) if more else None
    )


@get(_PATH, before_request=Buyer(), tags=_TAGS)
async def get_piece(request: HttpRequest, number: FromPath[int]) -> PieceView:
    """One piece of the order."""
    order = order_of(request)
    return _view(order, await services(request).orders.piece(order, number))


@post(_PATH + "/set_up", before_request=Buyer(), status_code=200, tags=_TAGS)
async def set_up_piece(request: HttpRequest, number: FromPath[int], data: JSONBody[SetUpBody]) -> SetUpView:
    """Make a card one's own: it becomes active with its PIN. Once more sets the PIN anew.

    Each answer has another holder token, and ends the one before.
    """
    order = order_of(request)
    pin = NewPin(Secret(data.pin), Secret(data.pin_again), data.pin_hint)
    sight, token = await services(request).orders.set_up(order, number, pin)
    return SetUpView("set_up", _view(order, sight), token.reveal())


@put(_PATH + "/gift", before_request=Buyer(), tags=_TAGS)
async def give_piece(request: HttpRequest, number: FromPath[int], data: JSONBody[GiftBody]) -> PieceView:
    """Give a card, or correct where its gift goes; the mail goes out, and a link before is over.

    The same again changes nothing.
    """
    order = order_of(request)
    return _view(order, await services(request).orders.give(order, number, gift(data)))


@post(_PATH + "/gift/resend", before_request=Buyer(), status_code=200, operation_class=Repeatable, tags=_TAGS)
async def resend_gift(request: HttpRequest, number: FromPath[int]) -> PieceView:
    """Send the gift's mail once more, with a new claim link; the link before is over."""
    order = order_of(request)
    key = Caller(order.id.hex).request_key(request)
    return _view(order, await services(request).orders.send_again(order, number, key=key))


@post(_PATH + "/gift/withdraw", before_request=Buyer(), status_code=200, tags=_TAGS)
async def withdraw_gift(request: HttpRequest, number: FromPath[int]) -> PieceView:
    """Take back a gift that nobody has claimed; what was paid for it goes back to where it came from."""
    order, room = order_of(request), services(request).orders
    await room.withdraw(order, number)
    return _view(order, await room.piece(order, number))


def gift(body: GiftBody) -> Gift:
    """The gift that a body asks for."""
    return Gift(
        mail=Secret(body.mail),
        sender=Secret(body.sender),
        name=Secret(body.name) if body.name is not None else None,
        design=body.design,
        message=Secret(body.message) if body.message is not None else None,
    )


def _view(order: Order, sight: PieceSight) -> PieceView:
    piece = sight.piece
    claimed = sight.is_claimed and piece.state is not PieceState.CANCELLED
    return PieceView(
        number=piece.at,
        object="piece",
        programme=to_text("prog", piece.programme_id),
        amount=piece.amount_minor,
        currency=order.currency,
        state=ShownPiece.CLAIMED if claimed else ShownPiece(piece.state),
        gift=_gift_view(sight.gift) if sight.gift is not None else None,
        card=_card_view(sight),
    )


def _gift_view(given: Gift) -> GiftView:
    return GiftView(
        mail=given.mail.reveal(),
        sender=given.sender.reveal(),
        name=given.name.reveal() if given.name is not None else None,
        design=given.design,
        message=given.message.reveal() if given.message is not None else None,
    )


def _card_view(sight: PieceSight) -> PieceCardView | None:
    card = sight.card
    if card is None:
        return None
    number = mask_number(f"{card.bin}000000{card.last_four}")
    return PieceCardView(to_text("card", card.id), number, card.state, card.expires_at)


ROUTES: Final[list[HTTPRouteHandler]] = [
    list_pieces,
    get_piece,
    set_up_piece,
    give_piece,
    resend_gift,
    withdraw_gift,
]
