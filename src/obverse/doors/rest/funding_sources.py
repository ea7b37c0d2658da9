"""Funding sources: what pays behind a member's cards."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Final

from litestar import get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from obverse.access.model import Scope
from obverse.doors.rest.auth import Allow, Caller, caller_of
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import (
    Amount,
    BirthDate,
    Body,
    CardNumber,
    Currency,
    Cvv,
    ExpMonth,
    ExpYear,
    Id,
    ListView,
    View,
    money,
)
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import MemberId, SourceId, from_text, to_text
from obverse.kit.secret import Secret
from obverse.members import MemberNotFound
from obverse.wallet import CardDetails, Source, SourceKind, SourceNotFound, SourceState

_OWNERS: Final = Allow(Scope.MEMBERS, members=True)


class LinkedCardFields(Body, frozen=True):
    """A real card as its owner types it in."""

    card_number: CardNumber
    exp_month: ExpMonth
    exp_year: ExpYear
    cvv: Cvv
    birth_date: BirthDate


class NewLinkedCard(LinkedCardFields, frozen=True):
    """`member` is implied by a member's session and required with a key."""

    member: Id | None = None


class NewCreditLine(Body, frozen=True):
    """Credit that the programme itself gives; `limit` is a ceiling on what may be owed."""

    member: Id
    limit: Amount
    currency: Currency


class SourceOrder(Body, frozen=True):
    """`member` is implied by a member's session and required with a key."""

    sources: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=100)]
    member: Id | None = None


class SourceView(View, frozen=True):
    id: str
    object: str
    kind: SourceKind
    member: str | None
    currency: str
    state: SourceState
    created: datetime


@get("/v1/funding_sources", before_request=_OWNERS, tags=["funding sources"])
async def list_funding_sources(
    request: HttpRequest, member: FromQuery[str | None] = None
) -> ListView[SourceView]:
    """All funding sources of a member, in the order in which they pay."""
    member_id = member_named(caller_of(request), member)
    sources = await services(request).wallet.list(member_id)
    return ListView([source_view(source) for source in sources], False, None)


@post("/v1/linked_cards", before_request=_OWNERS, tags=["funding sources"])
async def create_linked_card(request: HttpRequest, data: JSONBody[NewLinkedCard]) -> SourceView:
    """Link a real card. Its card company is asked, for no amount, whether it is the member's own."""
    member_id = member_named(caller_of(request), data.member)
    return source_view(await services(request).wallet.link_card(member_id, card_details(data)))


@post("/v1/credit_lines", before_request=Allow(Scope.MEMBERS), tags=["funding sources"])
async def create_credit_line(request: HttpRequest, data: JSONBody[NewCreditLine]) -> SourceView:
    """Give a member a credit line (OT-13)."""
    member_id = MemberId(from_text("mem", data.member, "member"))
    limit = money(data.limit, data.currency)
    return source_view(await services(request).wallet.open_credit_line(member_id, limit))


@post(
    "/v1/funding_sources/{source_id:str}/remove",
    before_request=_OWNERS,
    status_code=200,
    tags=["funding sources"],
)
async def remove_funding_source(request: HttpRequest, source_id: FromPath[str]) -> SourceView:
    """Remove a source: it pays for nothing from now on, and a linked card may be linked again."""
    joined = services(request)
    source = await joined.wallet.get(SourceId(from_text("src", source_id)))
    caller_of(request).require_member(source.member_id, SourceNotFound())
    return source_view(await joined.wallet.remove(source.id))


@put("/v1/funding_sources/order", before_request=_OWNERS, tags=["funding sources"])
async def set_funding_source_order(request: HttpRequest, data: JSONBody[SourceOrder]) -> ListView[SourceView]:
    """The order in which sources pay where nothing else is said; those not named come after (WA-5)."""
    member_id = member_named(caller_of(request), data.member)
    wanted = [SourceId(from_text("src", source, "sources")) for source in data.sources]
    sources = await services(request).wallet.set_order(member_id, wanted)
    return ListView([source_view(source) for source in sources], False, None)


def member_named(caller: Caller, named: str | None) -> MemberId:
    """The member a request is about: a signed-in member is their own, a key has to say whose."""
    if named is None:
        if caller.member_id is None:
            raise InvalidRequest("member is required with a key.", "member")
        return caller.member_id
    member_id = MemberId(from_text("mem", named, "member"))
    caller.require_member(member_id, MemberNotFound("member"))
    return member_id


@contextmanager
def typed_below(path: str) -> Iterator[None]:
    """Name the fields of a real card that is refused by where they stand in the body."""
    try:
        yield
    except InvalidRequest as refused:
        if refused.param not in LinkedCardFields.__struct_fields__:
            raise
        raise InvalidRequest(str(refused), f"{path}.{refused.param}") from None


def card_details(card: LinkedCardFields) -> CardDetails:
    return CardDetails(
        Secret(card.card_number), card.exp_month, card.exp_year, Secret(card.cvv), Secret(card.birth_date)
    )


def source_view(source: Source) -> SourceView:
    return SourceView(
        id=to_text("src", source.id),
        object="funding_source",
        kind=source.kind,
        member=to_text("mem", source.member_id) if source.member_id is not None else None,
        currency=source.currency,
        state=source.state,
        created=source.created_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [
    list_funding_sources,
    create_linked_card,
    create_credit_line,
    remove_funding_source,
    set_funding_source_order,
]
