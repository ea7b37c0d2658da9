"""History: what happened with cards and balances, to read and to take home (PP-10).

Members read their own, operators anybody's, and whoever holds a claimed card reads that card's.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Annotated, Final

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from litestar.response import Stream
from msgspec import Meta

from obverse.access.model import Scope
from obverse.cards import Card, CardNotFound, Viewer
from obverse.doors.rest.auth import Allow, Caller, Holder, caller_of
from obverse.doors.rest.cards import own_card
from obverse.doors.rest.claims import card_held
from obverse.doors.rest.funding_sources import member_named
from obverse.doors.rest.request import raw_header
from obverse.doors.rest.services import HttpRequest, Services, services
from obverse.doors.rest.shapes import After, Limit, ListView, View, id_text, list_view, page_request
from obverse.history import Entry, EntryKind, Filter
from obverse.history.documents import write_rows
from obverse.kit.ids import MemberId, from_text, to_text
from obverse.settlement.documents import Language, preferred_language
from obverse.wallet import SourceKind

_READERS: Final = Allow(Scope.CARDS, members=True)

Moment = Annotated[datetime, Meta(tz=True)]
Since = Annotated[Moment | None, QueryParameter(description="From this moment on.")]
Until = Annotated[Moment | None, QueryParameter(description="Up to before this moment.")]
Kind = Annotated[EntryKind | None, QueryParameter(description="Entries of this kind only.")]
OfCard = Annotated[str | None, QueryParameter(description="Entries of this card only.")]
OfMember = Annotated[str | None, QueryParameter(description="Whose; implied for members.")]
InLanguage = Annotated[Language | None, QueryParameter(description="Of the headings; else Accept-Language.")]


class EntryView(View, frozen=True):
    """What one event did to one funding source, below zero where it took from it.

    `balance` is what could be spent of it afterwards, where something is stored. `pending`: held, and not
    claimed yet. `units` are of an issuer's points, below zero where it took them.
    """

    id: str
    object: str
    at: datetime
    kind: EntryKind
    amount: int
    currency: str
    balance: int | None
    pending: bool
    card: str | None
    card_name: str
    last_four: str | None
    funding_source: str | None
    paid_by: SourceKind | None
    merchant: str | None
    merchant_name: str | None
    payment: str | None
    units: int | None = None


@get("/v1/history", before_request=_READERS, tags=["history"])
async def list_history(
    request: HttpRequest,
    limit: Limit = 20,
    after: After = None,
    member: OfMember = None,
    card: OfCard = None,
    kind: Kind = None,
    since: Since = None,
    until: Until = None,
) -> ListView[EntryView]:
    """Entries, newest first: of all cards and the points of a member, or of one card."""
    joined, caller = services(request), caller_of(request)
    wanted, page = _filter(kind, since, until), page_request("ent", limit, after)
    subject = await _subject(joined, caller, member, card)
    if isinstance(subject, Card):
        found = await joined.history.of_card(subject, _viewer(caller), wanted, page)
    else:
        found = await joined.history.of_member(subject, _viewer(caller), wanted, page)
    return list_view("ent", found, _view)


@get("/v1/history.csv", before_request=_READERS, media_type="text/csv", tags=["history"])
async def get_history_csv(
    request: HttpRequest,
    member: OfMember = None,
    card: OfCard = None,
    kind: Kind = None,
    since: Since = None,
    until: Until = None,
    language: InLanguage = None,
) -> Stream:
    """The same as comma-separated values (RFC 4180), all of it. Amounts in minor units."""
    joined, caller = services(request), caller_of(request)
    wanted = _filter(kind, since, until)
    subject = await _subject(joined, caller, member, card)
    if isinstance(subject, Card):
        parts = joined.history.each_of_card(subject, _viewer(caller), wanted)
    else:
        parts = joined.history.each_of_member(subject, _viewer(caller), wanted)
    return _file(request, parts, language)


@get("/v1/claims/current/history", before_request=Holder(), tags=["claims"])
async def list_claim_history(
    request: HttpRequest,
    limit: Limit = 20,
    after: After = None,
    kind: Kind = None,
    since: Since = None,
    until: Until = None,
) -> ListView[EntryView]:
    """What happened with the card that this holder token stands for, newest first."""
    wanted, page = _filter(kind, since, until), page_request("ent", limit, after)
    history = services(request).history
    return list_view("ent", await history.of_card(card_held(request), Viewer.RECIPIENT, wanted, page), _view)


@get("/v1/claims/current/history.csv", before_request=Holder(), media_type="text/csv", tags=["claims"])
async def get_claim_history_csv(
    request: HttpRequest,
    kind: Kind = None,
    since: Since = None,
    until: Until = None,
    language: InLanguage = None,
) -> Stream:
    """The same as comma-separated values."""
    wanted = _filter(kind, since, until)
    parts = services(request).history.each_of_card(card_held(request), Viewer.RECIPIENT, wanted)
    return _file(request, parts, language)


def _filter(kind: EntryKind | None, since: datetime | None, until: datetime | None) -> Filter:
    return Filter(since, until, kinds=frozenset({kind}) if kind is not None else None)


async def _subject(joined: Services, caller: Caller, member: str | None, card: str | None) -> Card | MemberId:
    """The card that is named, or the member. Raises `CardNotFound` for a card of somebody else's (P12)."""
    if card is None:
        return member_named(caller, member)
    found = await own_card(joined, caller, card, "card")
    if member is not None and found.member_id != from_text("mem", member, "member"):
        raise CardNotFound
    return found


def _viewer(caller: Caller) -> Viewer:
    return Viewer.OPERATOR if caller.member_id is None else Viewer.MEMBER


def _file(request: HttpRequest, parts: AsyncIterator[Sequence[Entry]], language: Language | None) -> Stream:
    raw = raw_header(request, b"accept-language")
    wanted = language or preferred_language(raw.decode("latin-1") if raw is not None else None)
    zone = services(request).reports.calendar.zone
    return Stream(
        write_rows(parts, zone, wanted),
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": 'attachment; filename="obverse-history.csv"',
            "Vary": "Accept-Language",
        },
    )


def _view(entry: Entry) -> EntryView:
    return EntryView(
        id=to_text("ent", entry.id),
        object="history_entry",
        at=entry.at,
        kind=entry.kind,
        amount=entry.amount.amount_minor,
        currency=entry.amount.currency,
        balance=entry.balance_minor,
        pending=entry.is_pending,
        card=id_text("card", entry.card_id),
        card_name=entry.card_name,
        last_four=entry.card_last_four,
        funding_source=id_text("src", entry.source_id),
        paid_by=entry.source_kind,
        merchant=id_text("mer", entry.merchant_id),
        merchant_name=entry.merchant_name,
        payment=id_text("auth", entry.authorization_id),
        units=entry.units,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [
    list_history,
    get_history_csv,
    list_claim_history,
    get_claim_history_csv,
]
