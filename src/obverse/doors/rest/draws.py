"""Draws: the holder of a handed-over card takes its amount to a bank account of their own (OT-8).

The holder token is all there is here: no member, and nothing that leads to one.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final

from litestar import get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from obverse.doors.rest.answer import Answer, Repeatable
from obverse.doors.rest.auth import Caller, Holder
from obverse.doors.rest.claims import card_held
from obverse.doors.rest.declines import FOR_MERCHANTS, DeclineView
from obverse.doors.rest.merchant_shapes import BankAccountBody, BankAccountView
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import (
    After,
    Body,
    Limit,
    ListView,
    PositiveAmount,
    View,
    list_view,
    page_request,
)
from obverse.draws import Drawn, DrawState, Wish
from obverse.kit.ids import DrawId, from_text, to_text
from obverse.kit.paging import Page
from obverse.kit.secret import Secret
from obverse.treasury import BankAccount, TransferState


class NewDraw(Body, frozen=True):
    """`account` is the holder's own. Without an `amount`, all that is left of the card's limit."""

    account: BankAccountBody
    amount: PositiveAmount | None = None


class DrawStatus(StrEnum):
    """How far the money got."""

    PROCESSING = "processing"
    DECLINED = "declined"
    ON_ITS_WAY = "on_its_way"
    PAID = "paid"
    ACCOUNT_REFUSED = "account_refused"
    """The bank would not pay to this account: give another one; the money waits."""


class DrawView(View, frozen=True):
    """A draw as the holder sees it; `account` is where the money goes, once it does."""

    id: str
    object: str
    status: DrawStatus
    amount: int
    currency: str
    decline: DeclineView | None
    account: BankAccountView | None
    created: datetime


_SENT: Final = {
    TransferState.DONE: DrawStatus.PAID,
    TransferState.REFUSED: DrawStatus.ACCOUNT_REFUSED,
}


@post("/v1/claims/current/draws", before_request=Holder(), operation_class=Repeatable, tags=["claims"])
async def create_draw(request: HttpRequest, data: JSONBody[NewDraw]) -> Answer[DrawView]:
    """Draw money from the card to a bank account. A decline is an answer: 201 with `status: declined`.

    Send an `Idempotency-Key`; repeating the same request with it draws once.
    """
    card = card_held(request)
    caller = Caller(card.id.hex)
    key = caller.command_key(request)
    drawn = await services(request).draws.draw(card, Wish(_account(data.account), data.amount), key=key)
    return Answer(_view(drawn), repeated=drawn.repeated)


@get("/v1/claims/current/draws", before_request=Holder(), tags=["claims"])
async def list_draws(request: HttpRequest, limit: Limit = 20, after: After = None) -> ListView[DrawView]:
    """The draws of this card, newest first."""
    page: Page[Drawn] = await services(request).draws.list(
        card_held(request), page_request("draw", limit, after)
    )
    return list_view("draw", page, _view)


@put("/v1/claims/current/draws/{draw_id:str}/account", before_request=Holder(), tags=["claims"])
async def correct_draw_account(
    request: HttpRequest, draw_id: FromPath[str], data: JSONBody[BankAccountBody]
) -> DrawView:
    """Send a draw that the bank has refused to another account; the same account again changes nothing."""
    id_ = DrawId(from_text("draw", draw_id))
    return _view(await services(request).draws.correct(card_held(request), id_, _account(data)))


def _account(body: BankAccountBody) -> BankAccount:
    return BankAccount(body.bank_code, Secret(body.number), body.holder)


def _view(drawn: Drawn) -> DrawView:
    draw, transfer = drawn.draw, drawn.transfer
    account = BankAccountView(transfer.bank_code, transfer.holder, transfer.last_four) if transfer else None
    if draw.state is DrawState.ORDERED and transfer is not None:
        status = _SENT.get(transfer.state, DrawStatus.ON_ITS_WAY)
    else:
        declined = draw.state is DrawState.DECLINED
        status = DrawStatus.DECLINED if declined else DrawStatus.PROCESSING
    return DrawView(
        id=to_text("draw", draw.id),
        object="draw",
        status=status,
        amount=draw.amount.amount_minor,
        currency=draw.amount.currency,
        # As generic as a merchant's: what is behind the card is the giver's affair.
        decline=FOR_MERCHANTS[draw.decline] if draw.decline is not None else None,
        account=account,
        created=draw.created_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [create_draw, list_draws, correct_draw_account]
