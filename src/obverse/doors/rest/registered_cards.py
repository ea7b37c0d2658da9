"""Real cards registered to be shown themselves, with points before them (PR-1); what pays behind a card."""

from typing import Annotated, Final

from litestar import post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from obverse.access.model import Scope
from obverse.cards import Viewer
from obverse.doors.rest.answer import Answer, Repeatable
from obverse.doors.rest.auth import Allow, caller_of
from obverse.doors.rest.cards import CardView, card_view, own_card
from obverse.doors.rest.errors import Unauthenticated
from obverse.doors.rest.funding_sources import LinkedCardFields, card_details, member_named, typed_below
from obverse.doors.rest.prepaid_cards import CardName
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import Body, Id
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import SourceId, from_text
from obverse.wallet import RegistrationWish

_OWNERS: Final = Allow(Scope.MEMBERS, members=True)
_MEMBERS: Final = Allow(members=True)
_TAGS: Final = ["cards"]


class NewRegisteredCard(Body, frozen=True):
    """Either `source`, a card that is linked already, or `card`, which is linked with this.

    `member` is implied by a member's session and required with a key.
    """

    source: Id | None = None
    card: LinkedCardFields | None = None
    name: CardName = ""
    member: Id | None = None


class CardFundingOrder(Body, frozen=True):
    """Every source that shall pay, in order; what is the card's own has to be among them."""

    sources: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=10)]


@post("/v1/registered_cards", before_request=_OWNERS, operation_class=Repeatable, tags=_TAGS)
async def create_registered_card(request: HttpRequest, data: JSONBody[NewRegisteredCard]) -> Answer[CardView]:
    """Register a real card, so that terminals which send us its number can pay with points.

    A card is registered once: the answer is the same again, with a header that says so.
    """
    caller = caller_of(request)
    if (data.source is None) == (data.card is None):
        raise InvalidRequest("Give either source, a linked card, or card, the details of one.", "source")
    wish = RegistrationWish(
        source_id=SourceId(from_text("src", data.source, "source")) if data.source is not None else None,
        details=card_details(data.card) if data.card is not None else None,
        name=data.name,
    )
    with typed_below("card"):
        issued = await services(request).registered_cards.register(
            member_named(caller, data.member), wish, request_key=caller.request_key(request)
        )
    viewer = Viewer.MEMBER if caller.member_id is not None else Viewer.OPERATOR
    return Answer(card_view(issued.card, viewer), repeated=issued.repeated)


@put("/v1/cards/{card_id:str}/funding", before_request=_MEMBERS, tags=_TAGS)
async def set_card_funding(
    request: HttpRequest, card_id: FromPath[str], data: JSONBody[CardFundingOrder]
) -> CardView:
    """Which of the member's sources pay behind a card, and in which order.

    Points before a linked card are spent first by themselves; behind one, only when they are picked. When
    the card changes hands, only a balance of its own goes along.
    """
    caller, joined = caller_of(request), services(request)
    if caller.member_id is None:
        raise Unauthenticated
    card = await own_card(joined, caller, card_id)
    wanted = [SourceId(from_text("src", source, "sources")) for source in data.sources]
    return card_view(await joined.card_funding.set_order(card.id, caller.member_id, wanted), Viewer.MEMBER)


ROUTES: Final[list[HTTPRouteHandler]] = [create_registered_card, set_card_funding]
