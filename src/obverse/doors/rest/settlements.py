"""Settlements, statements and payouts: settle a day, and read what has come of it.

Merchants' own keys see their own statements and payouts; settlements are the programme's and its operators'.
"""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Stream

from obverse.access.model import Scope
from obverse.doors.rest.auth import Allow, caller_of
from obverse.doors.rest.request import raw_header
from obverse.doors.rest.services import HttpRequest, Services, services
from obverse.doors.rest.shapes import After, Body, Limit, ListView, View, list_view, page_request
from obverse.kit.ids import BankTransferId, SettlementId, StatementId, from_text, to_text
from obverse.settlement import (
    PayoutNotFound,
    PayoutState,
    Settlement,
    SettlementState,
    Statement,
    StatementNotFound,
    TrackedPayout,
)
from obverse.settlement.documents import Language, preferred_language, print_statement, write_rows
from obverse.settlement.model import Entry

_OPERATORS: Final = Allow(Scope.OPERATE)
_READERS: Final = Allow(Scope.REPORTS, merchant_keys=True)

_PATIENCE: Final = timedelta(seconds=3)
"""A small day is settled when the answer comes; a large one goes on by itself."""


class NewSettlement(Body, frozen=True):
    """The business day to settle, in the programme's time zone."""

    day: date


class SettlementView(View, frozen=True):
    """`actions` counts the captures, refunds, reversals and lost disputes taken so far."""

    id: str
    object: str
    day: date
    cut_off: datetime
    pay_on: date
    state: SettlementState
    actions: int
    opened: datetime
    closed: datetime | None


class StatementView(View, frozen=True):
    """brought_forward + captured - refunded - reversed - charged_back - loaded - fees
    = paid + carried_forward."""

    id: str
    object: str
    settlement: str
    day: date
    merchant: str
    currency: str
    brought_forward: int
    captured: int
    refunded: int
    reversed: int
    charged_back: int
    loaded: int
    """Cash that an agent has taken for cards."""
    fees: int
    paid: int
    carried_forward: int
    actions: int
    created: datetime


class PayoutView(View, frozen=True):
    """`reason` is the bank's, where it refused; `last_four` are of the account it went to."""

    id: str
    object: str
    statement: str
    merchant: str
    amount: int
    currency: str
    pay_on: date
    state: PayoutState
    reason: str | None
    last_four: str | None
    ordered: datetime | None
    created: datetime


# settlements ------------------------------------------------------------------------------------------------


@post("/v1/settlements", before_request=_OPERATORS, status_code=200, tags=["settlement"])
async def create_settlement(request: HttpRequest, data: JSONBody[NewSettlement]) -> SettlementView:
    """Settle a business day that is over. The day is the key: repeating it tells how far it has come.

    A day with little in it is `closed` in the answer; any other goes on by itself, so ask again.
    """
    return _settlement_view(await services(request).settlements.begin(data.day, _PATIENCE))


@get("/v1/settlements", before_request=_OPERATORS, tags=["settlement"])
async def list_settlements(
    request: HttpRequest, limit: Limit = 20, after: After = None
) -> ListView[SettlementView]:
    """Settlements, newest first."""
    page = await services(request).reports.list(page_request("stl", limit, after))
    return list_view("stl", page, _settlement_view)


@get("/v1/settlements/{settlement_id:str}", before_request=_OPERATORS, tags=["settlement"])
async def get_settlement(request: HttpRequest, settlement_id: FromPath[str]) -> SettlementView:
    """One settlement."""
    id_ = SettlementId(from_text("stl", settlement_id))
    return _settlement_view(await services(request).reports.get(id_))


# statements -------------------------------------------------------------------------------------------------


@get("/v1/statements", before_request=_READERS, tags=["settlement"])
async def list_statements(
    request: HttpRequest,
    limit: Limit = 20,
    after: After = None,
    merchant: FromQuery[str | None] = None,
    settlement: FromQuery[str | None] = None,
) -> ListView[StatementView]:
    """Statements, newest first. Merchants see their own."""
    joined = services(request)
    page = await joined.reports.statements(
        page_request("stm", limit, after),
        merchant_id=caller_of(request).merchant_meant(merchant),
        settlement_id=SettlementId(from_text("stl", settlement, "settlement")) if settlement else None,
    )
    return list_view("stm", page, lambda each: _statement_view(each, joined.reports.currency))


@get("/v1/statements/{statement_id:str}", before_request=_READERS, tags=["settlement"])
async def get_statement(request: HttpRequest, statement_id: FromPath[str]) -> StatementView:
    """What one settlement meant to one merchant."""
    joined = services(request)
    return _statement_view(await _visible(joined, request, statement_id), joined.reports.currency)


@get("/v1/statements/{statement_id:str}/statement.csv", before_request=_READERS, tags=["settlement"])
async def get_statement_csv(
    request: HttpRequest, statement_id: FromPath[str], language: FromQuery[Language | None] = None
) -> Stream:
    """All actions of a statement, one line each, sent as they are read. UTF-8, amounts in minor units."""
    joined = services(request)
    statement = await _visible(joined, request, statement_id)
    merchant = await joined.merchants.get(statement.merchant_id)
    reports = joined.reports
    rows = write_rows(
        statement,
        merchant.name,
        reports.currency,
        reports.entries(statement),
        reports.calendar.zone,
        language or _language(request),
    )
    return Stream(rows, media_type="text/csv", headers=_download(statement, "csv"))


@get("/v1/statements/{statement_id:str}/statement.pdf", before_request=_READERS, tags=["settlement"])
async def get_statement_pdf(
    request: HttpRequest, statement_id: FromPath[str], language: FromQuery[Language | None] = None
) -> Response[bytes]:
    """A statement to print: its sums, per day and kind, and its first actions."""
    joined = services(request)
    statement = await _visible(joined, request, statement_id)
    reports = joined.reports
    document = await asyncio.to_thread(
        print_statement,
        statement,
        await joined.merchants.get(statement.merchant_id),
        reports.currency,
        await reports.day_sums(statement),
        await _first_entries(joined, statement),
        reports.calendar.zone,
        language or _language(request),
    )
    return Response(document, media_type="application/pdf", headers=_download(statement, "pdf"))


# payouts ----------------------------------------------------------------------------------------------------


@get("/v1/payouts", before_request=_READERS, tags=["settlement"])
async def list_payouts(
    request: HttpRequest,
    limit: Limit = 20,
    after: After = None,
    merchant: FromQuery[str | None] = None,
) -> ListView[PayoutView]:
    """Payouts, newest first. Merchants see their own."""
    merchant_id = caller_of(request).merchant_meant(merchant)
    page = await services(request).reports.payouts(page_request("bank", limit, after), merchant_id)
    return list_view("bank", page, _payout_view)


@get("/v1/payouts/{payout_id:str}", before_request=_READERS, tags=["settlement"])
async def get_payout(request: HttpRequest, payout_id: FromPath[str]) -> PayoutView:
    """One payout, and how far its bank transfer has come."""
    tracked = await services(request).reports.payout(BankTransferId(from_text("bank", payout_id)))
    if caller_of(request).merchant_id not in (None, tracked.payout.merchant_id):
        raise PayoutNotFound
    return _payout_view(tracked)


# who may see what (P12) -------------------------------------------------------------------------------------


async def _visible(joined: Services, request: HttpRequest, statement_id: str) -> Statement:
    """The statement, if this caller may know that it exists."""
    statement = await joined.reports.statement(StatementId(from_text("stm", statement_id)))
    if caller_of(request).merchant_id not in (None, statement.merchant_id):
        raise StatementNotFound
    return statement


# what goes out ----------------------------------------------------------------------------------------------


async def _first_entries(joined: Services, statement: Statement) -> Sequence[Entry]:
    async for part in joined.reports.entries(statement):
        return part
    return ()


def _language(request: HttpRequest) -> Language:
    raw = raw_header(request, b"accept-language")
    return preferred_language(raw.decode("latin-1") if raw is not None else None)


def _download(statement: Statement, kind: str) -> dict[str, str]:
    name = f"{statement.day}_{to_text('stm', statement.id)}.{kind}"
    return {"Content-Disposition": f'attachment; filename="{name}"', "Vary": "Accept-Language"}


def _settlement_view(settlement: Settlement) -> SettlementView:
    return SettlementView(
        id=to_text("stl", settlement.id),
        object="settlement",
        day=settlement.day,
        cut_off=settlement.cut_off_at,
        pay_on=settlement.pay_on,
        state=settlement.state,
        actions=settlement.actions,
        opened=settlement.opened_at,
        closed=settlement.closed_at,
    )


def _statement_view(statement: Statement, currency: str) -> StatementView:
    totals = statement.totals
    return StatementView(
        id=to_text("stm", statement.id),
        object="statement",
        settlement=to_text("stl", statement.settlement_id),
        day=statement.day,
        merchant=to_text("mer", statement.merchant_id),
        currency=currency,
        brought_forward=statement.brought_minor,
        captured=totals.captured_minor,
        refunded=totals.refunded_minor,
        reversed=totals.reversed_minor,
        charged_back=totals.charged_back_minor,
        loaded=totals.loaded_minor,
        fees=totals.fees_minor,
        paid=statement.paid_minor,
        carried_forward=statement.carried_minor,
        actions=totals.actions,
        created=statement.created_at,
    )


def _payout_view(tracked: TrackedPayout) -> PayoutView:
    payout = tracked.payout
    return PayoutView(
        id=to_text("bank", payout.id),
        object="payout",
        statement=to_text("stm", payout.statement_id),
        merchant=to_text("mer", payout.merchant_id),
        amount=payout.amount.amount_minor,
        currency=payout.amount.currency,
        pay_on=payout.pay_on,
        state=tracked.state,
        reason=tracked.reason,
        last_four=tracked.last_four,
        ordered=payout.ordered_at,
        created=payout.created_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [
    create_settlement,
    list_settlements,
    get_settlement,
    list_statements,
    get_statement,
    get_statement_csv,
    get_statement_pdf,
    list_payouts,
    get_payout,
]
