"""Bills: what a member owes on a credit line, month by month; and having a month billed."""

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from typing import Annotated, Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import Stream
from msgspec import Meta

from obverse.access.model import Scope
from obverse.billing import (
    Bill,
    BillNotFound,
    BillPayment,
    BillState,
    Credit,
    CreditLineNotFound,
    Line,
    Month,
    Run,
    RunState,
)
from obverse.cards import Viewer
from obverse.doors.rest.auth import Allow, Caller, caller_of
from obverse.doors.rest.funding_sources import member_named
from obverse.doors.rest.services import HttpRequest, Services, services
from obverse.doors.rest.shapes import (
    After,
    Body,
    Limit,
    ListView,
    View,
    id_text,
    list_view,
    page_request,
)
from obverse.kit.ids import BillId, MemberId, from_text, to_text
from obverse.kit.spreadsheets import BYTE_ORDER_MARK, row
from obverse.wallet import SourceState

_READERS: Final = Allow(Scope.MEMBERS, members=True)
_OPERATORS: Final = Allow(Scope.OPERATE)
_CSV_COLUMNS: Final = ("date", "kind", "amount", "currency", "merchant", "card", "payment", "id")

MonthText = Annotated[str, Meta(pattern="^[0-9]{4}-[0-9]{2}$", max_length=7, description="YYYY-MM.")]


class BillRunBody(Body, frozen=True):
    """The month to be billed; months before it that were not are billed first."""

    month: MonthText


class BillRunView(View, frozen=True):
    """How far the bills of a month are. Asking again with the same month tells how it goes on."""

    object: str
    month: str
    state: RunState
    actions: int
    lines: int
    bills: int
    started: datetime
    done: datetime | None


class BillView(View, frozen=True):
    """`balance = previous + charges - credits - payments`; `due` is what of it is still to be paid now.

    Older bills that are still open are in `previous`. Pay by bank transfer with `reference`.
    """

    id: str
    object: str
    member: str
    funding_source: str
    month: str
    currency: str
    previous: int
    charges: int
    credits: int
    payments: int
    balance: int
    due: int
    due_on: date | None
    reference: str
    state: BillState
    created: datetime


class BillPaymentView(View, frozen=True):
    """Money that came in since the bill before. `bill` is the one whose reference it carried."""

    receipt: str
    bill: str
    amount: int
    created: datetime


class BillDetailView(View, frozen=True):
    """A bill and the payments it counts. Its lines have an address of their own."""

    bill: BillView
    received: Sequence[BillPaymentView]


class BillLineView(View, frozen=True):
    """What one step of a payment did to the debt; below zero where money came back.

    Of a card that was handed over its giver learns the amount: `merchant` is null, `kind` is `charge` or
    `credit`. Operators see the rest.
    """

    id: str
    object: str
    kind: str
    amount: int
    payment: str
    card: str | None
    merchant: str | None
    merchant_name: str | None
    created: datetime


class CreditView(View, frozen=True):
    """`owed = due + unbilled`; `available = limit - owed - held`. `state` is that of the funding source."""

    object: str
    member: str
    funding_source: str
    state: SourceState
    in_arrears: bool
    currency: str
    limit: int
    owed: int
    held: int
    available: int
    due: int
    overdue: int
    unbilled: int
    next_bill_on: date


@post("/v1/bills", before_request=_OPERATORS, status_code=200, tags=["bills"])
async def issue_bills(request: HttpRequest, data: JSONBody[BillRunBody]) -> BillRunView:
    """Have a month billed. It happens by itself after the month's end; the work goes on in the background.

    Safe to repeat: a month is billed once, and the answer tells how far it is.
    """
    return _run_view(await services(request).issuing.begin(Month.parse(data.month)))


@get("/v1/bills", before_request=_READERS, tags=["bills"])
async def list_bills(
    request: HttpRequest,
    limit: Limit = 20,
    after: After = None,
    member: FromQuery[str | None] = None,
    state_: Annotated[BillState | None, QueryParameter(name="state")] = None,
) -> ListView[BillView]:
    """Bills, newest first. Members see their own; keys those of one member or of all."""
    caller = caller_of(request)
    named = member is not None or caller.member_id is not None
    member_id = member_named(caller, member) if named else None
    page = await services(request).billing.list(
        page_request("bill", limit, after), member_id=member_id, state=state_
    )
    return list_view("bill", page, _view)


@get("/v1/bills/{bill_id:str}", before_request=_READERS, tags=["bills"])
async def get_bill(request: HttpRequest, bill_id: FromPath[str]) -> BillDetailView:
    """One bill, and the payments that it counts."""
    joined = services(request)
    bill = await _own_bill(joined, caller_of(request), bill_id)
    payments = await joined.billing.payments(bill)
    return BillDetailView(_view(bill), [_payment_view(payment) for payment in payments])


@get("/v1/bills/{bill_id:str}/lines", before_request=_READERS, tags=["bills"])
async def list_bill_lines(
    request: HttpRequest, bill_id: FromPath[str], limit: Limit = 20, after: After = None
) -> ListView[BillLineView]:
    """A bill's lines, newest first."""
    caller, joined = caller_of(request), services(request)
    bill = await _own_bill(joined, caller, bill_id)
    page = await joined.billing.lines(bill, page_request("act", limit, after), _viewer(caller))
    return list_view("act", page, _line_view)


@get("/v1/bills/{bill_id:str}/bill.csv", before_request=_READERS, media_type="text/csv", tags=["bills"])
async def get_bill_csv(request: HttpRequest, bill_id: FromPath[str]) -> Stream:
    """All lines of a bill and the payments that it counts, as comma-separated values (RFC 4180)."""
    caller, joined = caller_of(request), services(request)
    bill = await _own_bill(joined, caller, bill_id)
    name = f"obverse-bill-{bill.month}.csv"
    return Stream(
        _csv(joined, bill, _viewer(caller)),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@get("/v1/members/{member_id:str}/credit", before_request=_READERS, tags=["bills"])
async def get_credit(request: HttpRequest, member_id: FromPath[str]) -> CreditView:
    """What a member's credit line stands at: limit, what is owed, due and not billed yet."""
    wanted = MemberId(from_text("mem", member_id))
    caller_of(request).require_member(wanted, CreditLineNotFound())
    return _credit_view(await services(request).billing.credit(wanted))


async def _own_bill(joined: Services, caller: Caller, bill_id: str) -> Bill:
    bill = await joined.billing.get(BillId(from_text("bill", bill_id)))
    caller.require_member(bill.member_id, BillNotFound())
    return bill


def _viewer(caller: Caller) -> Viewer:
    return Viewer.OPERATOR if caller.member_id is None else Viewer.MEMBER


async def _csv(joined: Services, bill: Bill, viewer: Viewer) -> AsyncIterator[str]:
    yield BYTE_ORDER_MARK + row(*_CSV_COLUMNS)
    async for line in joined.billing.each_line(bill, viewer):
        yield row(
            line.created_at.isoformat(),
            line.kind,
            line.amount_minor,
            bill.currency,
            line.merchant_name or "",
            id_text("card", line.card_id) or "",
            to_text("auth", line.authorization_id),
            to_text("act", line.action_id),
        )
    for payment in await joined.billing.payments(bill):
        receipt = to_text("rcpt", payment.receipt_id)
        at = payment.created_at.isoformat()
        yield row(at, "payment", -payment.amount_minor, bill.currency, "", "", "", receipt)


def _view(bill: Bill) -> BillView:
    return BillView(
        id=to_text("bill", bill.id),
        object="bill",
        member=to_text("mem", bill.member_id),
        funding_source=to_text("src", bill.source_id),
        month=str(bill.month),
        currency=bill.currency,
        previous=bill.previous_minor,
        charges=bill.charges_minor,
        credits=bill.credits_minor,
        payments=bill.payments_minor,
        balance=bill.balance_minor,
        due=bill.due_minor,
        due_on=bill.due_on,
        reference=bill.reference,
        state=bill.state,
        created=bill.issued_at,
    )


def _payment_view(payment: BillPayment) -> BillPaymentView:
    return BillPaymentView(
        to_text("rcpt", payment.receipt_id),
        to_text("bill", payment.bill_id),
        payment.amount_minor,
        payment.created_at,
    )


def _line_view(line: Line) -> BillLineView:
    return BillLineView(
        id=to_text("act", line.action_id),
        object="bill_line",
        kind=line.kind,
        amount=line.amount_minor,
        payment=to_text("auth", line.authorization_id),
        card=id_text("card", line.card_id),
        merchant=id_text("mer", line.merchant_id),
        merchant_name=line.merchant_name,
        created=line.created_at,
    )


def _credit_view(credit: Credit) -> CreditView:
    return CreditView(
        object="credit",
        member=to_text("mem", credit.member_id),
        funding_source=to_text("src", credit.source_id),
        state=credit.state,
        in_arrears=credit.in_arrears,
        currency=credit.currency,
        limit=credit.limit_minor,
        owed=credit.owed_minor,
        held=credit.held_minor,
        available=credit.available_minor,
        due=credit.due_minor,
        overdue=credit.overdue_minor,
        unbilled=credit.unbilled_minor,
        next_bill_on=credit.next_bill_on,
    )


def _run_view(run: Run) -> BillRunView:
    return BillRunView(
        object="bill_run",
        month=str(run.month),
        state=run.state,
        actions=run.actions,
        lines=run.lines,
        bills=run.bills,
        started=run.started_at,
        done=run.done_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [
    issue_bills,
    list_bills,
    get_bill,
    list_bill_lines,
    get_bill_csv,
    get_credit,
]
