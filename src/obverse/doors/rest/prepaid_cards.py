"""Prepaid cards: applied for, named, looked into, made one's own (WA-3, PP-11)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

import msgspec
from litestar import get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from obverse.access.model import Scope
from obverse.cards import Card, CardNotFound, NewPin, Viewer
from obverse.charging import CardNotInHand
from obverse.doors.rest.answer import Answer, Repeatable
from obverse.doors.rest.auth import Allow, Everyone, Holder, caller_of
from obverse.doors.rest.cards import CardView, card_view, own_card
from obverse.doors.rest.claims import ClaimView, card_held
from obverse.doors.rest.errors import Unauthenticated
from obverse.doors.rest.funding_sources import member_named
from obverse.doors.rest.services import HttpRequest, Services, services
from obverse.doors.rest.shapes import Body, CardNumber, Id, Metadata, PinText, SecretText, Text, View
from obverse.kit.ids import ProgrammeId, from_text, to_text
from obverse.kit.secret import Secret
from obverse.wallet import LotKind, StandInWish

_OWNERS: Final = Allow(Scope.CARDS, members=True)
_MEMBERS: Final = Allow(members=True)
_TAGS: Final = ["cards"]

CardName = Annotated[str, Meta(max_length=60, description="Up to 15 letters, digits and punctuation.")]


class NewPrepaidCard(Body, frozen=True):
    """`member` is implied by a member's session and required with a key."""

    programme: Id
    pin: PinText
    pin_again: PinText
    pin_hint: Text | None = None
    name: CardName = ""
    tell_of_use: bool = False
    member: Id | None = None
    metadata: Metadata = msgspec.field(default_factory=dict)


class CardChange(Body, frozen=True):
    """What is left out stays as it is."""

    name: CardName | None = None
    tell_of_use: bool | None = None


class Adoption(Body, frozen=True):
    holder_token: SecretText


class CardInHand(Body, frozen=True):
    """What is on a card and under its scratch field."""

    card_number: CardNumber
    pin: PinText


class LotView(View, frozen=True):
    """A part of a balance: how it came there, and the first moment at which it cannot be spent."""

    kind: LotKind
    available: int
    held: int
    expires: datetime


class BalanceView(View, frozen=True):
    """What a card has left, in minor units; `lots` in the order in which they are spent."""

    object: str
    card: str
    currency: str
    available: int
    held: int
    lots: Sequence[LotView]


@post("/v1/prepaid_cards", before_request=_OWNERS, operation_class=Repeatable, tags=_TAGS)
async def create_prepaid_card(request: HttpRequest, data: JSONBody[NewPrepaidCard]) -> Answer[CardView]:
    """Apply for a prepaid card: its number is there at once, with an empty balance of its own (WA-3).

    A repeat with the same `Idempotency-Key` issues no second one.
    """
    caller = caller_of(request)
    wish = StandInWish(
        programme_id=ProgrammeId(from_text("prog", data.programme, "programme")),
        pin=NewPin(Secret(data.pin), Secret(data.pin_again), data.pin_hint),
        name=data.name,
        tell_of_use=data.tell_of_use,
        metadata=data.metadata,
    )
    issued = await services(request).stand_ins.apply(
        member_named(caller, data.member), wish, request_key=caller.request_key(request)
    )
    viewer = Viewer.MEMBER if caller.member_id is not None else Viewer.OPERATOR
    return Answer(card_view(issued.card, viewer), repeated=issued.repeated)


@post("/v1/adopted_cards", before_request=_MEMBERS, tags=_TAGS)
async def adopt_card(request: HttpRequest, data: JSONBody[Adoption]) -> CardView:
    """Make the card of a holder token one's own: it is among the member's cards, and the token is over."""
    member_id = caller_of(request).member_id
    if member_id is None:
        raise Unauthenticated
    card = await services(request).cards.adopt(Secret(data.holder_token), member_id)
    return card_view(card, Viewer.MEMBER)


@post("/v1/held_cards", before_request=Everyone(), tags=["claims"])
async def hold_card(request: HttpRequest, data: JSONBody[CardInHand]) -> ClaimView:
    """Use a card of an agent's, or one that was bought without an account, by its number and PIN.

    The holder token replaces the one before. Wrong PINs count as at a till.
    """
    joined = services(request)
    found = await joined.cards_in_hand.find(Secret(data.card_number), Secret(data.pin))
    try:
        card, token = await joined.cards.take_in_hand(found.id)
    except CardNotFound:
        # Its number and PIN were right; that it is somebody's is for nobody else to know.
        raise CardNotInHand from None
    return ClaimView("claim", card_view(card, Viewer.RECIPIENT), token.reveal())


@patch("/v1/cards/{card_id:str}", before_request=_MEMBERS, tags=_TAGS)
async def change_card(request: HttpRequest, card_id: FromPath[str], data: JSONBody[CardChange]) -> CardView:
    """Name a card, and say whether to be told of each use."""
    joined = services(request)
    card = await own_card(joined, caller_of(request), card_id)
    changed = await joined.cards.change(
        card.id, name=data.name, tell_of_use=data.tell_of_use, owner=card.member_id
    )
    return card_view(changed, Viewer.MEMBER)


@get("/v1/cards/{card_id:str}/balance", before_request=_OWNERS, tags=_TAGS)
async def get_balance(request: HttpRequest, card_id: FromPath[str]) -> BalanceView:
    """What is left on a card of its own balance, lot by lot."""
    joined = services(request)
    return await _balance(joined, await own_card(joined, caller_of(request), card_id))


@get("/v1/claims/current/balance", before_request=Holder(), tags=["claims"])
async def get_held_balance(request: HttpRequest) -> BalanceView:
    """What is left on the card that this holder token stands for."""
    return await _balance(services(request), card_held(request))


@patch("/v1/claims/current", before_request=Holder(), tags=["claims"])
async def change_held_card(request: HttpRequest, data: JSONBody[CardChange]) -> CardView:
    """Name the card that this holder token stands for."""
    changed = await services(request).cards.change(
        card_held(request).id, Viewer.RECIPIENT, name=data.name, tell_of_use=data.tell_of_use
    )
    return card_view(changed, Viewer.RECIPIENT)


async def _balance(joined: Services, card: Card) -> BalanceView:
    lots = await joined.stand_ins.balance(card)
    return BalanceView(
        object="balance",
        card=to_text("card", card.id),
        currency=card.currency,
        available=sum(lot.available_minor for lot in lots),
        held=sum(lot.held_minor for lot in lots),
        lots=[LotView(lot.lot.kind, lot.available_minor, lot.held_minor, lot.lot.expires_at) for lot in lots],
    )


ROUTES: Final[list[HTTPRouteHandler]] = [
    create_prepaid_card,
    adopt_card,
    hold_card,
    change_card,
    get_balance,
    get_held_balance,
    change_held_card,
]
