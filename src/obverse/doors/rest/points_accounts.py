"""Members' points accounts with issuers outside: proved by a code that the issuer sends (PR-1)."""

from datetime import datetime
from typing import Annotated, Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from obverse.doors.rest.answer import Repeatable
from obverse.doors.rest.auth import Allow, caller_of, member_of
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import (
    After,
    Body,
    Id,
    Limit,
    ListView,
    View,
    id_text,
    list_view,
    page_request,
)
from obverse.kit.ids import CardId, PointsIssuerId, SourceId, from_text, to_text
from obverse.kit.secret import Secret
from obverse.points import Account, AccountState, Issuer, IssuerState

_MEMBERS: Final = Allow(members=True)
_PATH: Final = "/v1/points_accounts"
_ONE: Final = _PATH + "/{points_account_id:str}"
_TAGS: Final = ["points accounts"]

AccountNumber = Annotated[
    str,
    Meta(
        min_length=4,
        max_length=80,
        description="As it is printed: spaces and dashes do not count.",
        extra_json_schema={"format": "password"},
    ),
]


class NewPointsAccount(Body, frozen=True):
    """An account of the member's own. With `card` it will stand behind that card, last in order."""

    issuer: Id
    account: AccountNumber
    card: Id | None = None


class KnownIssuerView(View, frozen=True):
    """A points issuer as members see it. Nothing begins with one that is `suspended`."""

    id: str
    object: str
    name: str
    unit: str
    state: IssuerState


class PointsCode(Body, frozen=True):
    """What the issuer has sent to the account's owner."""

    code: Annotated[str, Meta(pattern="^[0-9A-Za-z]{4,12}$", max_length=12)]


class PointsAccountView(View, frozen=True):
    """Once it is `proved`, its id is that of a funding source. While `code_sent` is false the issuer has not
    answered: the same request with the same key asks it again."""

    id: str
    object: str
    issuer: str
    last_four: str
    card: str | None
    status: AccountState
    code_sent: bool
    expires: datetime | None
    """Until when the code may be given; None where that is over."""
    created: datetime


@get("/v1/members/me/points_issuers", before_request=_MEMBERS, tags=_TAGS)
async def list_known_points_issuers(
    request: HttpRequest, limit: Limit = 20, after: After = None
) -> ListView[KnownIssuerView]:
    """The points issuers that take part, newest first: whose accounts a member may link."""
    page = await services(request).relay.issuers.list(page_request("pis", limit, after))
    return list_view("pis", page, _issuer_view)


@post(_PATH, before_request=_MEMBERS, operation_class=Repeatable, tags=_TAGS)
async def create_points_account(request: HttpRequest, data: JSONBody[NewPointsAccount]) -> PointsAccountView:
    """Link a points account: its issuer sends a code to its owner. Twenty a day at most."""
    account = await services(request).relay.links.begin(
        member_of(request),
        PointsIssuerId(from_text("pis", data.issuer, "issuer")),
        Secret(data.account),
        card_id=CardId(from_text("card", data.card, "card")) if data.card is not None else None,
        request_key=caller_of(request).request_key(request),
    )
    return _view(account)


@post(_ONE + "/prove", before_request=_MEMBERS, status_code=200, tags=_TAGS)
async def prove_points_account(
    request: HttpRequest, points_account_id: FromPath[str], data: JSONBody[PointsCode]
) -> PointsAccountView:
    """Give the code: within ten minutes, and five times at most."""
    links = services(request).relay.links
    return _view(await links.prove(member_of(request), _id(points_account_id), Secret(data.code)))


@get(_PATH, before_request=_MEMBERS, tags=_TAGS)
async def list_points_accounts(request: HttpRequest) -> ListView[PointsAccountView]:
    """The member's points accounts, those that wait for their code included."""
    found = await services(request).relay.links.list(member_of(request))
    return ListView([_view(account) for account in found], False, None)


@get(_ONE, before_request=_MEMBERS, tags=_TAGS)
async def get_points_account(request: HttpRequest, points_account_id: FromPath[str]) -> PointsAccountView:
    """One of them."""
    return _view(await services(request).relay.links.get(member_of(request), _id(points_account_id)))


@post(_ONE + "/unlink", before_request=_MEMBERS, status_code=200, tags=_TAGS)
async def unlink_points_account(request: HttpRequest, points_account_id: FromPath[str]) -> PointsAccountView:
    """Take it from behind every card: it pays nothing any more; refunds still give its points back."""
    return _view(await services(request).relay.links.unlink(member_of(request), _id(points_account_id)))


def _issuer_view(issuer: Issuer) -> KnownIssuerView:
    return KnownIssuerView(to_text("pis", issuer.id), "points_issuer", issuer.name, issuer.unit, issuer.state)


def _id(text: str) -> SourceId:
    return SourceId(from_text("src", text))


def _view(account: Account) -> PointsAccountView:
    return PointsAccountView(
        id=to_text("src", account.id),
        object="points_account",
        issuer=to_text("pis", account.issuer_id),
        last_four=account.last_four,
        card=id_text("card", account.card_id),
        status=account.state,
        code_sent=account.link is not None,
        expires=account.expires_at if account.state is AccountState.PENDING else None,
        created=account.created_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [
    list_known_points_issuers,
    create_points_account,
    prove_points_account,
    list_points_accounts,
    get_points_account,
    unlink_points_account,
]
