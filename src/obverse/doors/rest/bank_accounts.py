"""Bank accounts in wallets: proved by a code that a transfer of one won carries there (WA-5)."""

from datetime import datetime
from typing import Annotated, Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from obverse.doors.rest.auth import Allow, caller_of
from obverse.doors.rest.errors import Unauthenticated
from obverse.doors.rest.merchant_shapes import BankAccountBody, BankAccountView
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import Body, ListView, View
from obverse.kit.ids import MemberId, SourceId, from_text, to_text
from obverse.kit.secret import Secret
from obverse.treasury import BankAccount
from obverse.wallet import BankAccountState, LinkedAccount

_MEMBERS: Final = Allow(members=True)
_TAGS: Final = ["funding sources"]


class NewBankAccount(Body, frozen=True):
    """An account of the member's own."""

    account: BankAccountBody


class BankCode(Body, frozen=True):
    """The six digits behind `Obverse code` on the account's statement."""

    code: Annotated[str, Meta(pattern="^[0-9]{6}$", max_length=6)]


class LinkedAccountView(View, frozen=True):
    """Once it is `proved`, its id is that of a funding source that charges cards."""

    id: str
    object: str
    status: BankAccountState
    account: BankAccountView
    expires: datetime | None
    """Until when the code may be given; None where it was."""
    created: datetime


@post("/v1/bank_accounts", before_request=_MEMBERS, tags=_TAGS)
async def create_bank_account(request: HttpRequest, data: JSONBody[NewBankAccount]) -> LinkedAccountView:
    """Link a bank account: one won is sent to it, with a code in its text. Five accounts a day at most."""
    accounts = services(request).bank_accounts
    return _view(await accounts.link(_member(request), account_of(data.account)))


@post("/v1/bank_accounts/{bank_account_id:str}/prove", before_request=_MEMBERS, status_code=200, tags=_TAGS)
async def prove_bank_account(
    request: HttpRequest, bank_account_id: FromPath[str], data: JSONBody[BankCode]
) -> LinkedAccountView:
    """Give the code that came with the won: within three days, and five times at most."""
    id_ = SourceId(from_text("src", bank_account_id))
    accounts = services(request).bank_accounts
    return _view(await accounts.prove(_member(request), id_, Secret(data.code)))


@get("/v1/bank_accounts", before_request=_MEMBERS, tags=_TAGS)
async def list_bank_accounts(request: HttpRequest) -> ListView[LinkedAccountView]:
    """The member's bank accounts, those that wait for their code included."""
    found = await services(request).bank_accounts.list(_member(request))
    return ListView([_view(linked) for linked in found], False, None)


@get("/v1/bank_accounts/{bank_account_id:str}", before_request=_MEMBERS, tags=_TAGS)
async def get_bank_account(request: HttpRequest, bank_account_id: FromPath[str]) -> LinkedAccountView:
    """One of them."""
    id_ = SourceId(from_text("src", bank_account_id))
    return _view(await services(request).bank_accounts.get(_member(request), id_))


@post("/v1/bank_accounts/{bank_account_id:str}/remove", before_request=_MEMBERS, status_code=200, tags=_TAGS)
async def remove_bank_account(request: HttpRequest, bank_account_id: FromPath[str]) -> LinkedAccountView:
    """Remove it: no charge begins from it any more, and one that has begun goes on."""
    id_ = SourceId(from_text("src", bank_account_id))
    return _view(await services(request).bank_accounts.remove(_member(request), id_))


def account_of(body: BankAccountBody) -> BankAccount:
    return BankAccount(body.bank_code, Secret(body.number), body.holder)


def _member(request: HttpRequest) -> MemberId:
    member_id = caller_of(request).member_id
    if member_id is None:
        raise Unauthenticated
    return member_id


def _view(linked: LinkedAccount) -> LinkedAccountView:
    pending = linked.state is BankAccountState.PENDING
    return LinkedAccountView(
        id=to_text("src", linked.id),
        object="bank_account",
        status=linked.state,
        account=BankAccountView(linked.bank_code, linked.holder, linked.last_four),
        expires=linked.expires_at if pending else None,
        created=linked.created_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [
    create_bank_account,
    prove_bank_account,
    list_bank_accounts,
    get_bank_account,
    remove_bank_account,
]
