"""Cards of plastic: designs, previews, and the queue of cards to make and post (WA-4)."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Annotated, Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Stream
from msgspec import Meta

from obverse.access.model import Scope
from obverse.cards import (
    Address,
    CardKind,
    Fulfilment,
    FulfilmentNotFound,
    FulfilmentState,
    MakerLine,
    NotPhysical,
    Place,
    PlasticWish,
    Viewer,
    face_expiry,
    plastic,
    sight,
)
from obverse.doors.rest.auth import Allow, Everyone, caller_of
from obverse.doors.rest.card_batches import download
from obverse.doors.rest.cards import own_card
from obverse.doors.rest.merchant_shapes import DecisionBody
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import (
    After,
    Body,
    Limit,
    ListView,
    Reason,
    SecretText,
    Text,
    View,
    list_view,
    page_request,
)
from obverse.kit.ids import CardId, FulfilmentId, from_text, to_text
from obverse.kit.secret import Secret
from obverse.kit.spreadsheets import row

_OPERATORS: Final = Allow(Scope.OPERATE)
_MEMBERS: Final = Allow(members=True)
_SEEN_BY: Final = Allow(Scope.OPERATE, members=True)
_TAGS: Final = ["cards of plastic"]
_HEADER: Final = row(
    "fulfilment", "number", "expiry", "cvv", "name", "design", "recipient", "address", "postal_code"
)
_DRAWING: Final = {
    "Content-Security-Policy": "default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class AddressBody(Body, frozen=True):
    """Where the card is posted to; never shown again."""

    recipient: SecretText
    address: SecretText
    postal_code: Annotated[str, Meta(min_length=1, max_length=10)]


class PlasticBody(Body, frozen=True):
    """`embossed_name` is in Latin letters, at most 26."""

    embossed_name: Annotated[str, Meta(min_length=1, max_length=60)]
    design: Text
    place: Place
    address: AddressBody


class NextRun(Body, frozen=True):
    count: Annotated[int, Meta(ge=1, le=1_000)]


class Posting(Body, frozen=True):
    tracking: Annotated[str, Meta(min_length=1, max_length=40)]
    reason: Reason


class DesignView(View, frozen=True):
    id: str
    name: str


class FulfilmentView(View, frozen=True):
    """A card on its way. `run` is the maker's, `tracking` the post's."""

    id: str
    object: str
    card: str
    member: str
    state: FulfilmentState
    design: str
    embossed_name: str
    place: Place
    run: int | None
    tracking: str | None
    created: datetime
    moved: datetime


class RunView(View, frozen=True):
    """A run for the maker; None where no card waits."""

    run: int | None
    fulfilments: Sequence[FulfilmentView]


@get("/v1/card_designs", before_request=Everyone(), tags=_TAGS)
async def list_card_designs(request: HttpRequest) -> ListView[DesignView]:
    """The looks that a card of plastic may have."""
    return ListView([DesignView(d.id, d.name) for d in plastic.DESIGNS.values()], False, None)


@get("/v1/cards/{card_id:str}/preview.svg", before_request=_MEMBERS, media_type="image/svg+xml", tags=_TAGS)
async def preview_card(
    request: HttpRequest,
    card_id: FromPath[str],
    design: Annotated[str, QueryParameter(description="One of `/v1/card_designs`.")] = "bronze",
    embossed_name: Annotated[str | None, QueryParameter(description="As it shall be embossed.")] = None,
) -> Response[str]:
    """What the card would look like in plastic, obverse and reverse; its number masked."""
    joined = services(request)
    card = await own_card(joined, caller_of(request), card_id)
    if card.kind is CardKind.REGISTERED:
        raise NotPhysical(card.id)
    programme = await joined.programmes.get(card.programme_id) if card.programme_id is not None else None
    drawing = plastic.draw(
        plastic.check_design(design),
        bin_=card.bin,
        last_four=card.last_four if sight(card, Viewer.MEMBER).number else "••••",
        expiry=face_expiry(card.created_at),
        name=plastic.embossed_name(embossed_name) if embossed_name is not None else card.name,
        title=programme.name if programme is not None else "Obverse",
    )
    return Response(drawing, media_type="image/svg+xml", headers=_DRAWING)


@post("/v1/cards/{card_id:str}/plastic", before_request=_MEMBERS, tags=_TAGS)
async def ask_for_plastic(
    request: HttpRequest, card_id: FromPath[str], data: JSONBody[PlasticBody]
) -> FulfilmentView:
    """Ask for the card in plastic, delivered to home or office. Asking again for the same changes nothing."""
    joined = services(request)
    card = await own_card(joined, caller_of(request), card_id)
    to = data.address
    address = Address(Secret(to.recipient), Secret(to.address), Secret(to.postal_code))
    wish = PlasticWish(data.embossed_name, data.design, data.place, address)
    return _view(await joined.fulfilments.ask(card.id, wish))


@get("/v1/fulfilments", before_request=_SEEN_BY, tags=_TAGS)
async def list_fulfilments(
    request: HttpRequest,
    limit: Limit = 20,
    after: After = None,
    state_: Annotated[FulfilmentState | None, QueryParameter(name="state")] = None,
    card: Annotated[str | None, QueryParameter(description="Of this card only.")] = None,
    run: Annotated[int | None, QueryParameter(description="In this run of the maker's only.")] = None,
) -> ListView[FulfilmentView]:
    """Cards to make and post, newest first; members see their own."""
    page = await services(request).fulfilments.list(
        page_request("ful", limit, after),
        state=state_,
        card_id=CardId(from_text("card", card, "card")) if card is not None else None,
        member_id=caller_of(request).member_id,
        run=run,
    )
    return list_view("ful", page, _view)


@get("/v1/fulfilments/{fulfilment_id:str}", before_request=_SEEN_BY, tags=_TAGS)
async def get_fulfilment(request: HttpRequest, fulfilment_id: FromPath[str]) -> FulfilmentView:
    """One card on its way."""
    found = await services(request).fulfilments.get(_id(fulfilment_id))
    caller_of(request).require_member(found.member_id, FulfilmentNotFound())
    return _view(found)


@post("/v1/fulfilment_runs", before_request=_OPERATORS, tags=_TAGS)
async def take_fulfilments(request: HttpRequest, data: JSONBody[NextRun]) -> RunView:
    """Take the next cards that wait, the oldest first, as one run for the maker."""
    taken = await services(request).fulfilments.take(data.count, actor=caller_of(request).actor)
    return RunView(taken[0].run if taken else None, [_view(fulfilment) for fulfilment in taken])


@post("/v1/fulfilment_runs/{run:int}/export", before_request=_OPERATORS, status_code=200, tags=_TAGS)
async def export_fulfilment_run(
    request: HttpRequest, run: FromPath[int], data: JSONBody[DecisionBody]
) -> Stream:
    """What the maker needs for a run, as CSV, numbers and addresses included. Every export is on record."""
    lines = await services(request).fulfilments.export(
        run, actor=caller_of(request).actor, reason=data.reason
    )

    async def csv() -> AsyncIterator[str]:
        yield _HEADER
        for line in lines:
            yield _row(line)

    return Stream(csv(), media_type="text/csv", headers=download(f"run-{run}.csv"))


@post("/v1/fulfilments/{fulfilment_id:str}/post", before_request=_OPERATORS, status_code=200, tags=_TAGS)
async def post_fulfilment(
    request: HttpRequest, fulfilment_id: FromPath[str], data: JSONBody[Posting]
) -> FulfilmentView:
    """Say that a card is in the post."""
    return await _move(request, fulfilment_id, FulfilmentState.POSTED, data.reason, data.tracking)


@post("/v1/fulfilments/{fulfilment_id:str}/deliver", before_request=_OPERATORS, status_code=200, tags=_TAGS)
async def deliver_fulfilment(
    request: HttpRequest, fulfilment_id: FromPath[str], data: JSONBody[DecisionBody]
) -> FulfilmentView:
    """Say that a card has arrived; its address is forgotten."""
    return await _move(request, fulfilment_id, FulfilmentState.DELIVERED, data.reason)


@post("/v1/fulfilments/{fulfilment_id:str}/return", before_request=_OPERATORS, status_code=200, tags=_TAGS)
async def return_fulfilment(
    request: HttpRequest, fulfilment_id: FromPath[str], data: JSONBody[DecisionBody]
) -> FulfilmentView:
    """Say that a card came back: it is suspended until its holder resumes it."""
    return await _move(request, fulfilment_id, FulfilmentState.RETURNED, data.reason)


async def _move(
    request: HttpRequest, id_: str, state: FulfilmentState, reason: str, tracking: str | None = None
) -> FulfilmentView:
    moved = await services(request).fulfilments.move(
        _id(id_), state, actor=caller_of(request).actor, reason=reason, tracking=tracking
    )
    return _view(moved)


def _id(text: str) -> FulfilmentId:
    return FulfilmentId(from_text("ful", text))


def _row(line: MakerLine) -> str:
    """A line of the maker's file: the one place where number and address leave the house together."""
    to, fulfilment = line.address, line.fulfilment
    return row(
        to_text("ful", fulfilment.id),
        line.number.reveal(),
        line.expiry,
        line.cvv.reveal(),
        fulfilment.embossed_name,
        fulfilment.design,
        to.recipient.reveal(),
        to.address.reveal(),
        to.postal_code.reveal(),
    )


def _view(fulfilment: Fulfilment) -> FulfilmentView:
    return FulfilmentView(
        id=to_text("ful", fulfilment.id),
        object="fulfilment",
        card=to_text("card", fulfilment.card_id),
        member=to_text("mem", fulfilment.member_id),
        state=fulfilment.state,
        design=fulfilment.design,
        embossed_name=fulfilment.embossed_name,
        place=fulfilment.place,
        run=fulfilment.run,
        tracking=fulfilment.tracking,
        created=fulfilment.created_at,
        moved=fulfilment.moved_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [
    list_card_designs,
    preview_card,
    ask_for_plastic,
    list_fulfilments,
    get_fulfilment,
    take_fulfilments,
    export_fulfilment_run,
    post_fulfilment,
    deliver_fulfilment,
    return_fulfilment,
]
