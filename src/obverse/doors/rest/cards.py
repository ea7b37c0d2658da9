"""Cards: issue, look up, reveal, suspend, resume, close, hand over, withdraw."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from obverse.access.model import Scope
from obverse.cards import (
    Card,
    CardFace,
    CardKind,
    CardNotFound,
    CardState,
    Controls,
    HeldBy,
    SpentOn,
    Viewer,
    face_expiry_of,
    sight,
)
from obverse.doors.rest.answer import Answer, Repeatable
from obverse.doors.rest.auth import Allow, Caller, caller_of
from obverse.doors.rest.funding_sources import member_named
from obverse.doors.rest.services import HttpRequest, Services, services
from obverse.doors.rest.shapes import (
    After,
    Amount,
    Body,
    Category,
    Currency,
    Id,
    Limit,
    ListView,
    Metadata,
    View,
    currency_code,
    id_text,
    list_view,
    page_request,
)
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import CardId, MemberId, MerchantId, SourceId, from_text, to_text
from obverse.wallet import FOR_NEW_CARDS, CardWish, SourceNotFound, SourceState

_OWNERS: Final = Allow(Scope.CARDS, members=True)
_HOLDING_MEMBERS: Final = Allow(members=True)

Moment = Annotated[datetime, Meta(tz=True)]


class NewControls(Body, frozen=True):
    """What the card allows. A limit that is absent is no limit; 0 means nothing may be spent (OT-7)."""

    amount_limit: Amount | None = None
    per_payment_limit: Amount | None = None
    merchant: Id | None = None
    categories: Annotated[tuple[Category, ...], Meta(min_length=1, max_length=100)] | None = None
    spent_on: SpentOn = SpentOn.APPROVAL
    uses: Annotated[int, Meta(ge=1, le=1000)] = 1
    expires_at: Moment | None = None


class NewCard(Body, frozen=True):
    """A one-time number. `funding` names what pays, in order; left out, everything the member has.

    `currency` picks among sources in several currencies. `member` is implied by a member's session and
    required with a key.
    """

    currency: Currency | None = None
    controls: NewControls = NewControls()
    funding: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=10)] | None = None
    member: Id | None = None
    metadata: Metadata = msgspec.field(default_factory=dict)


class ControlsView(View, frozen=True):
    amount_limit: int | None
    per_payment_limit: int | None
    merchant: str | None
    categories: Sequence[str] | None
    spent_on: SpentOn
    uses: int
    uses_left: int
    expires_at: datetime


class FundingView(View, frozen=True):
    source: str
    order: int


class ShownState(StrEnum):
    """How a card stands, in one word: `used` is an active card with no use left.

    `drawn` is all that its giver learns of a card that was drawn to a bank account (OT-8).
    """

    INACTIVE = "inactive"
    ACTIVE = "active"
    USED = "used"
    DRAWN = "drawn"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class CardView(View, frozen=True):
    """A card without its number. A member who handed it over sees what was spent, but not its new number."""

    id: str
    object: str
    kind: CardKind
    state: ShownState
    member: str | None
    bin: str
    last_four: str | None
    exp_month: int
    exp_year: int
    currency: str
    controls: ControlsView
    spent: int
    funding: Sequence[FundingView] | None
    held_by: HeldBy
    programme: str | None
    name: str
    face_value: int | None
    tell_of_use: bool
    created: datetime
    metadata: Mapping[str, str] | None


class CardFaceView(View, frozen=True):
    """What a shop asks for. Show it, fill it in, do not keep it."""

    object: str
    card: str
    number: str
    exp_month: int
    exp_year: int
    cvv: str


class ClaimLinkView(View, frozen=True):
    """Give `token` to one person; whoever claims it first has the card."""

    object: str
    card: str
    token: str
    expires: datetime


@post("/v1/cards", before_request=_OWNERS, operation_class=Repeatable, tags=["cards"])
async def create_card(request: HttpRequest, data: JSONBody[NewCard]) -> Answer[CardView]:
    """Issue a one-time number (OT-6). A repeat with the same `Idempotency-Key` issues no second one."""
    caller = caller_of(request)
    joined = services(request)
    member_id = member_named(caller, data.member)
    wish = _wish(data, await _funding(joined, member_id, data))
    issued = await joined.wallet.issue_card(member_id, wish, request_key=caller.request_key(request))
    return Answer(card_view(issued.card, _viewer(caller)), repeated=issued.repeated)


@get("/v1/cards", before_request=_OWNERS, tags=["cards"])
async def list_cards(
    request: HttpRequest, limit: Limit = 20, after: After = None, member: FromQuery[str | None] = None
) -> ListView[CardView]:
    """A member's cards, newest first."""
    caller, joined = caller_of(request), services(request)
    member_id = member_named(caller, member)
    page = await joined.cards.list(member_id, page_request("card", limit, after))
    drawn = await _drawn(joined, caller, page.items)
    return list_view("card", page, lambda card: card_view(card, _viewer(caller), drawn=card.id in drawn))


@get("/v1/cards/{card_id:str}", before_request=_OWNERS, tags=["cards"])
async def get_card(request: HttpRequest, card_id: FromPath[str]) -> CardView:
    """One card, without its number."""
    caller, joined = caller_of(request), services(request)
    card = await own_card(joined, caller, card_id)
    drawn = await _drawn(joined, caller, [card])
    return card_view(card, _viewer(caller), drawn=card.id in drawn)


@post("/v1/cards/{card_id:str}/reveal", before_request=_HOLDING_MEMBERS, status_code=200, tags=["cards"])
async def reveal_card(request: HttpRequest, card_id: FromPath[str]) -> CardFaceView:
    """Number, expiry and CVV, for the member who holds the card and for nobody else."""
    caller = caller_of(request)
    joined = services(request)
    card = await own_card(joined, caller, card_id)
    return face_view(card, joined.cards.reveal(card, Viewer.MEMBER))


@post("/v1/cards/{card_id:str}/suspend", before_request=_OWNERS, status_code=200, tags=["cards"])
async def suspend_card(request: HttpRequest, card_id: FromPath[str]) -> CardView:
    """Decline everything until the card is resumed."""
    caller = caller_of(request)
    joined = services(request)
    card = await own_card(joined, caller, card_id)
    changed = await joined.cards.suspend(card.id, _viewer(caller), owner=caller.member_id)
    return card_view(changed, _viewer(caller))


@post("/v1/cards/{card_id:str}/resume", before_request=_OWNERS, status_code=200, tags=["cards"])
async def resume_card(request: HttpRequest, card_id: FromPath[str]) -> CardView:
    """Lift a suspension."""
    caller = caller_of(request)
    joined = services(request)
    card = await own_card(joined, caller, card_id)
    changed = await joined.cards.resume(card.id, _viewer(caller), owner=caller.member_id)
    return card_view(changed, _viewer(caller))


@post("/v1/cards/{card_id:str}/close", before_request=_OWNERS, status_code=200, tags=["cards"])
async def close_card(request: HttpRequest, card_id: FromPath[str]) -> CardView:
    """Close the card for good."""
    caller = caller_of(request)
    joined = services(request)
    card = await own_card(joined, caller, card_id)
    changed = await joined.cards.close(card.id, _viewer(caller), owner=caller.member_id)
    return card_view(changed, _viewer(caller))


@post("/v1/cards/{card_id:str}/hand_over", before_request=_HOLDING_MEMBERS, tags=["cards"])
async def hand_over_card(request: HttpRequest, card_id: FromPath[str]) -> ClaimLinkView:
    """Make a claim token for one other person; the card stays the member's until it is claimed (OT-8)."""
    caller, joined = caller_of(request), services(request)
    card = await own_card(joined, caller, card_id)
    link, token = await joined.cards.hand_over(card.id, owner=caller.member_id)
    return ClaimLinkView("claim_link", to_text("card", card.id), token.reveal(), link.expires_at)


@post("/v1/cards/{card_id:str}/withdraw", before_request=_HOLDING_MEMBERS, status_code=200, tags=["cards"])
async def withdraw_card(request: HttpRequest, card_id: FromPath[str]) -> CardView:
    """Take back a claim token that nobody has claimed yet."""
    caller = caller_of(request)
    joined = services(request)
    card = await own_card(joined, caller, card_id)
    await joined.cards.withdraw(card.id, owner=caller.member_id)
    return card_view(await joined.cards.get(card.id), _viewer(caller))


async def own_card(joined: Services, caller: Caller, id_text_: str, param: str | None = None) -> Card:
    """The card, if this caller may know that it exists. Raises `CardNotFound` for one of another member."""
    card = await joined.cards.get(CardId(from_text("card", id_text_, param)))
    caller.require_member(card.member_id, CardNotFound())
    return card


def _wish(data: NewCard, funding: tuple[SourceId, ...] | None) -> CardWish:
    controls = data.controls
    merchant_id = None
    if controls.merchant is not None:
        merchant_id = MerchantId(from_text("mer", controls.merchant, "controls.merchant"))
    return CardWish(
        controls=Controls(
            amount_limit_minor=controls.amount_limit,
            per_payment_limit_minor=controls.per_payment_limit,
            merchant_id=merchant_id,
            categories=controls.categories,
            spent_on=controls.spent_on,
            uses=controls.uses,
        ),
        funding=funding,
        expires_at=_in_utc(controls.expires_at) if controls.expires_at is not None else None,
        metadata=data.metadata,
    )


async def _funding(joined: Services, member_id: MemberId, data: NewCard) -> tuple[SourceId, ...] | None:
    """What the card shall draw on, as far as the request says: by id, by currency, or not at all."""
    if data.funding is not None:
        if data.currency is not None:
            raise InvalidRequest("funding says the currency already; give one of the two.", "currency")
        return tuple(SourceId(from_text("src", source, "funding")) for source in data.funding)
    if data.currency is None:
        return None
    currency = currency_code(data.currency)
    sources = await joined.wallet.list(member_id)
    chosen = tuple(
        source.id
        for source in sources
        if source.currency == currency and source.state is SourceState.ACTIVE and source.kind in FOR_NEW_CARDS
    )
    if not chosen:
        raise SourceNotFound("currency")
    return chosen


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise InvalidRequest("expires_at is not a date anybody will see.", "controls.expires_at") from None


def _viewer(caller: Caller) -> Viewer:
    return Viewer.MEMBER if caller.member_id is not None else Viewer.OPERATOR


async def _drawn(joined: Services, caller: Caller, cards: Sequence[Card]) -> set[CardId]:
    """Those of a giver's cards of which something was drawn. Others are not told in this word."""
    if caller.member_id is None:
        return set()
    given = [card.id for card in cards if card.held_by is HeldBy.RECIPIENT]
    return await joined.draws.drawn(given) if given else set()


def card_view(card: Card, viewer: Viewer, *, drawn: bool = False) -> CardView:
    """The card as this viewer may see it; the recipient of a card learns nothing of its member (OT-8)."""
    seen = sight(card, viewer)
    year, month = face_date(face_expiry_of(card))
    given_away = viewer is Viewer.MEMBER and not seen.number
    return CardView(
        id=to_text("card", card.id),
        object="card",
        kind=card.kind,
        state=ShownState.DRAWN if drawn else _shown_state(card),
        member=to_text("mem", card.member_id) if seen.owner and card.member_id is not None else None,
        bin=card.bin,
        last_four=None if given_away else card.last_four,
        exp_month=month,
        exp_year=year,
        currency=card.currency,
        controls=_controls_view(card),
        spent=card.spent_minor,
        funding=_funding_view(card) if seen.funding else None,
        held_by=card.held_by,
        programme=id_text("prog", card.programme_id),
        name=card.name,
        face_value=card.face_value_minor,
        tell_of_use=card.tell_of_use,
        created=card.created_at,
        metadata=card.metadata if seen.owner else None,
    )


def _shown_state(card: Card) -> ShownState:
    used = card.state is CardState.ACTIVE and card.uses_left == 0
    return ShownState.USED if used else ShownState(card.state)


def face_view(card: Card, face: CardFace) -> CardFaceView:
    year, month = face_date(face.expiry)
    return CardFaceView(
        "card_face", to_text("card", card.id), face.number.reveal(), month, year, face.cvv.reveal()
    )


def face_date(expiry: str) -> tuple[int, int]:
    """Year and month of a YYMM expiry."""
    return 2000 + int(expiry[:2]), int(expiry[2:])


def _controls_view(card: Card) -> ControlsView:
    controls = card.controls
    return ControlsView(
        amount_limit=controls.amount_limit_minor,
        per_payment_limit=controls.per_payment_limit_minor,
        merchant=id_text("mer", controls.merchant_id),
        categories=controls.categories,
        spent_on=controls.spent_on,
        uses=controls.uses,
        uses_left=card.uses_left,
        expires_at=card.expires_at,
    )


def _funding_view(card: Card) -> list[FundingView]:
    return [FundingView(to_text("src", source), order) for order, source in enumerate(card.funding, 1)]


ROUTES: Final[list[HTTPRouteHandler]] = [
    create_card,
    list_cards,
    get_card,
    reveal_card,
    suspend_card,
    resume_card,
    close_card,
    hand_over_card,
    withdraw_card,
]
