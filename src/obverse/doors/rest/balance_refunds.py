"""Refunds of what is left on a card, to a bank account of its holder (PP-13)."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from obverse.access.model import Scope
from obverse.cards import Card, HeldBy, Viewer
from obverse.charging import BalanceRefund, RefundWish
from obverse.doors.rest.answer import Answer, Repeatable
from obverse.doors.rest.auth import Allow, Caller, Everyone, Holder, caller_of
from obverse.doors.rest.bank_accounts import account_of
from obverse.doors.rest.cards import own_card
from obverse.doors.rest.claims import card_held
from obverse.doors.rest.merchant_shapes import BankAccountBody, BankAccountView
from obverse.doors.rest.services import HttpRequest, Services, services
from obverse.doors.rest.shapes import (
    After,
    Body,
    CardNumber,
    Limit,
    ListView,
    PinText,
    View,
    list_view,
    page_request,
)
from obverse.kit.ids import CardId, to_text
from obverse.kit.secret import Secret
from obverse.treasury import TransferState

_OWNERS: Final = Allow(Scope.CARDS, members=True)
_TAGS: Final = ["charges"]


class NewBalanceRefund(Body, frozen=True):
    """`close` asks for the card to be closed, if nothing is left on it after."""

    account: BankAccountBody
    close: bool = False


class NewBalanceRefundByNumber(NewBalanceRefund, frozen=True, kw_only=True):
    card_number: CardNumber
    pin: PinText


class RefundStatus(StrEnum):
    ON_ITS_WAY = "on_its_way"
    PAID = "paid"
    ACCOUNT_REFUSED = "account_refused"
    """The bank would not pay to this account: the programme's staff can send it to another one."""


class BalanceRefundView(View, frozen=True):
    id: str
    object: str
    card: str
    status: RefundStatus
    amount: int
    currency: str
    account: BankAccountView | None
    card_closed: bool
    created: datetime


_STATUS: Final = {
    TransferState.DONE: RefundStatus.PAID,
    TransferState.REFUSED: RefundStatus.ACCOUNT_REFUSED,
}


@post(
    "/v1/cards/{card_id:str}/balance_refunds",
    before_request=_OWNERS,
    operation_class=Repeatable,
    tags=_TAGS,
)
async def create_balance_refund(
    request: HttpRequest, card_id: FromPath[str], data: JSONBody[NewBalanceRefund]
) -> Answer[BalanceRefundView]:
    """Refund what is left of what was paid into a card; what was given or earned is for spending.

    A repeat with the same `Idempotency-Key` refunds once.
    """
    caller = caller_of(request)
    card = await own_card(services(request), caller, card_id)
    return await _refund(services(request), card, data, caller.command_key(request), Viewer.MEMBER)


@get("/v1/cards/{card_id:str}/balance_refunds", before_request=_OWNERS, tags=_TAGS)
async def list_balance_refunds(
    request: HttpRequest, card_id: FromPath[str], limit: Limit = 20, after: After = None
) -> ListView[BalanceRefundView]:
    """A card's refunds, newest first."""
    caller = caller_of(request)
    card = await own_card(services(request), caller, card_id)
    viewer = Viewer.MEMBER if caller.member_id is not None else Viewer.OPERATOR
    return await _list(services(request), card.id, limit, after, viewer)


@post(
    "/v1/claims/current/balance_refunds",
    before_request=Holder(),
    operation_class=Repeatable,
    tags=["claims"],
)
async def create_held_balance_refund(
    request: HttpRequest, data: JSONBody[NewBalanceRefund]
) -> Answer[BalanceRefundView]:
    """The same for the card that this holder token stands for."""
    card = card_held(request)
    key = Caller(card.id.hex).command_key(request)
    return await _refund(services(request), card, data, key, Viewer.RECIPIENT)


@get("/v1/claims/current/balance_refunds", before_request=Holder(), tags=["claims"])
async def list_held_balance_refunds(
    request: HttpRequest, limit: Limit = 20, after: After = None
) -> ListView[BalanceRefundView]:
    """Its refunds, newest first."""
    return await _list(services(request), card_held(request).id, limit, after, Viewer.RECIPIENT)


@post("/v1/balance_refunds", before_request=Everyone(), operation_class=Repeatable, tags=_TAGS)
async def create_balance_refund_by_number(
    request: HttpRequest, data: JSONBody[NewBalanceRefundByNumber]
) -> Answer[BalanceRefundView]:
    """The same for whoever has number and PIN of a card in hand."""
    joined = services(request)
    card = await joined.cards_in_hand.find(Secret(data.card_number), Secret(data.pin))
    key = Caller(card.id.hex).command_key(request)
    viewer = Viewer.MEMBER if card.held_by is HeldBy.MEMBER else Viewer.RECIPIENT
    return await _refund(joined, card, data, key, viewer)


async def _refund(
    joined: Services, card: Card, data: NewBalanceRefund, key: str, viewer: Viewer
) -> Answer[BalanceRefundView]:
    wish = RefundWish(account_of(data.account), data.close)
    refund = await joined.refunding.refund(card, wish, key=key, viewer=viewer)
    return Answer(_view(refund), repeated=refund.repeated)


async def _list(
    joined: Services, card_id: CardId, limit: int, after: str | None, viewer: Viewer
) -> ListView[BalanceRefundView]:
    page = await joined.refunding.list(card_id, page_request("bank", limit, after), viewer=viewer)
    return list_view("bank", page, _view)


def _view(refund: BalanceRefund) -> BalanceRefundView:
    transfer = refund.transfer
    account = BankAccountView(transfer.bank_code, transfer.holder, transfer.last_four) if transfer else None
    status = _STATUS.get(transfer.state, RefundStatus.ON_ITS_WAY) if transfer else RefundStatus.ON_ITS_WAY
    return BalanceRefundView(
        id=to_text("bank", refund.id),
        object="balance_refund",
        card=to_text("card", refund.card_id),
        status=status,
        amount=refund.amount.amount_minor,
        currency=refund.amount.currency,
        account=account,
        card_closed=refund.closed_card,
        created=refund.created_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [
    create_balance_refund,
    list_balance_refunds,
    create_held_balance_refund,
    list_held_balance_refunds,
    create_balance_refund_by_number,
]
