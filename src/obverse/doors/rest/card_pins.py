"""PINs of cards, for those who hold them (WA-3, PP-11). No answer ever shows one."""

from typing import Final

from litestar import get, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from obverse.cards import Card, NewPin, Viewer
from obverse.doors.rest.auth import Allow, Holder, bearer, caller_of
from obverse.doors.rest.cards import own_card
from obverse.doors.rest.claims import card_held
from obverse.doors.rest.services import HttpRequest, Services, services
from obverse.doors.rest.shapes import Body, PinText, Text, View
from obverse.kit.ids import to_text
from obverse.kit.secret import Secret

_HOLDING_MEMBERS: Final = Allow(members=True)
_TAGS: Final = ["cards"]


class PinFields(Body, frozen=True):
    """A PIN of 4 to 6 digits, typed twice, and a hint to remember it by."""

    pin: PinText
    pin_again: PinText
    pin_hint: Text | None = None


class NewPinBody(PinFields, frozen=True):
    """`old_pin` is not needed for the first PIN, nor by whoever has signed in within ten minutes, nor with a
    holder token."""

    old_pin: PinText | None = None


class PinView(View, frozen=True):
    """Whether there is a PIN, whether too many wrong ones have locked it, and its holder's hint."""

    object: str
    card: str
    is_set: bool
    locked: bool
    hint: str | None


@put("/v1/cards/{card_id:str}/pin", before_request=_HOLDING_MEMBERS, tags=_TAGS)
async def set_card_pin(request: HttpRequest, card_id: FromPath[str], data: JSONBody[NewPinBody]) -> PinView:
    """Set or change the PIN of a card. It ends a lock, and makes a card that was bought good to spend."""
    joined = services(request)
    card = await own_card(joined, caller_of(request), card_id)
    session = await joined.members.session(bearer(request))
    signed_in_at = session.created_at if session is not None else None
    changed = await joined.pins.set(
        card.id, new_pin(data), old=_old(data), signed_in_at=signed_in_at, owner=card.member_id
    )
    return await _view(joined, changed)


@get("/v1/cards/{card_id:str}/pin", before_request=_HOLDING_MEMBERS, tags=_TAGS)
async def get_card_pin(request: HttpRequest, card_id: FromPath[str]) -> PinView:
    """How the PIN of a card stands, and the hint to it."""
    joined = services(request)
    return await _view(joined, await own_card(joined, caller_of(request), card_id))


@put("/v1/claims/current/pin", before_request=Holder(), tags=["claims"])
async def set_held_card_pin(request: HttpRequest, data: JSONBody[NewPinBody]) -> PinView:
    """Set or change the PIN of the card that this holder token stands for."""
    joined, card = services(request), card_held(request)
    changed = await joined.pins.set(card.id, new_pin(data), Viewer.RECIPIENT, old=_old(data))
    return await _view(joined, changed)


@get("/v1/claims/current/pin", before_request=Holder(), tags=["claims"])
async def get_held_card_pin(request: HttpRequest) -> PinView:
    """How its PIN stands, and the hint to it."""
    return await _view(services(request), card_held(request))


def new_pin(data: PinFields) -> NewPin:
    return NewPin(Secret(data.pin), Secret(data.pin_again), data.pin_hint)


def _old(data: NewPinBody) -> Secret | None:
    return Secret(data.old_pin) if data.old_pin is not None else None


async def _view(joined: Services, card: Card) -> PinView:
    status = await joined.pins.status(card)
    return PinView("card_pin", to_text("card", card.id), status.is_set, status.is_locked, status.hint)


ROUTES: Final[list[HTTPRouteHandler]] = [
    set_card_pin,
    get_card_pin,
    set_held_card_pin,
    get_held_card_pin,
]
