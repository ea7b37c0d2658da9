"""Points invoices: what issuers owe for their points that were spent, for operators."""

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from typing import Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Stream

from obverse.access.model import Scope
from obverse.authorization.model import ActionKind
from obverse.doors.rest.auth import Allow, caller_of
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import (
    After,
    Body,
    Id,
    Limit,
    ListView,
    Reason,
    View,
    list_view,
    page_request,
)
from obverse.invoicing import Invoice, InvoicePayment, InvoiceState, Invoicing, Line
from obverse.kit.ids import PointsInvoiceId, PointsIssuerId, from_text, to_text
from obverse.kit.spreadsheets import BYTE_ORDER_MARK, row

_OPERATORS: Final = Allow(Scope.OPERATE)
_CSV_COLUMNS: Final = (
    "date", "kind", "reference", "approval_code", "units", "rate", "amount", "currency", "merchant",
    "payment", "id",
)  # fmt: skip


class PointsInvoiceBody(Body, frozen=True):
    """The issuer to be invoiced up to now, and why that does not wait for the month's end."""

    issuer: Id
    reason: Reason


class PointsInvoiceView(View, frozen=True):
    """`balance = previous + charges - credits - payments`; `open` is what of it is still to be paid now,
    below zero where we owe the issuer.

    Whatever earlier invoices left over is in `previous`. It is paid by bank transfer with `reference`.
    `units` are what the lines add up to.
    """

    id: str
    object: str
    issuer: str
    currency: str
    lines: int
    units: int
    previous: int
    charges: int
    credits: int
    payments: int
    balance: int
    received: int
    open: int
    due_on: date | None
    reference: str
    state: InvoiceState
    created: datetime


class PointsInvoicePaymentView(View, frozen=True):
    """Money that came in while this was the newest invoice. `invoice` is the one that its reference named."""

    receipt: str
    invoice: str
    amount: int
    created: datetime


class PointsInvoiceDetailView(View, frozen=True):
    """An invoice and what came in for it. Its lines have an address of their own."""

    invoice: PointsInvoiceView
    received: Sequence[PointsInvoicePaymentView]


class PointsInvoiceLineView(View, frozen=True):
    """One step of a payment; amount and units are below zero where they went back.

    `reference` and `approval_code` are those of the issuer's own books; `rate` is units per minor unit of
    money, as it was when the points were spent.
    """

    id: str
    object: str
    kind: ActionKind
    reference: str | None
    approval_code: str | None
    units: int
    rate: str
    amount: int
    merchant: str
    merchant_name: str
    payment: str
    created: datetime


@post("/v1/points_invoices", before_request=_OPERATORS, status_code=200, tags=["points invoices"])
async def issue_points_invoice(request: HttpRequest, data: JSONBody[PointsInvoiceBody]) -> PointsInvoiceView:
    """Invoice an issuer up to now. It happens by itself after the month's end.

    Safe to repeat: where nothing has happened since, the answer is the newest invoice there was.
    """
    issuer_id = PointsIssuerId(from_text("pis", data.issuer, "issuer"))
    actor = caller_of(request).actor
    return _view(await services(request).invoicing.invoice(issuer_id, actor=actor, reason=data.reason))


@get("/v1/points_invoices", before_request=_OPERATORS, tags=["points invoices"])
async def list_points_invoices(
    request: HttpRequest, limit: Limit = 20, after: After = None, issuer: FromQuery[str | None] = None
) -> ListView[PointsInvoiceView]:
    """Points invoices, newest first, of one issuer or of all."""
    issuer_id = PointsIssuerId(from_text("pis", issuer, "issuer")) if issuer is not None else None
    page = await services(request).invoicing.list(page_request("pinv", limit, after), issuer_id)
    return list_view("pinv", page, _view)


@get("/v1/points_invoices/{points_invoice_id:str}", before_request=_OPERATORS, tags=["points invoices"])
async def get_points_invoice(
    request: HttpRequest, points_invoice_id: FromPath[str]
) -> PointsInvoiceDetailView:
    """One points invoice, and what came in for it."""
    invoicing = services(request).invoicing
    invoice = await _named(invoicing, points_invoice_id)
    payments = await invoicing.payments(invoice)
    return PointsInvoiceDetailView(_view(invoice), [_payment_view(payment) for payment in payments])


@get(
    "/v1/points_invoices/{points_invoice_id:str}/lines",
    before_request=_OPERATORS,
    tags=["points invoices"],
)
async def list_points_invoice_lines(
    request: HttpRequest, points_invoice_id: FromPath[str], limit: Limit = 20, after: After = None
) -> ListView[PointsInvoiceLineView]:
    """A points invoice's lines, newest first."""
    invoicing = services(request).invoicing
    invoice = await _named(invoicing, points_invoice_id)
    page = await invoicing.lines(invoice, page_request("pinl", limit, after))
    return list_view("pinl", page, _line_view)


@get(
    "/v1/points_invoices/{points_invoice_id:str}/invoice.csv",
    before_request=_OPERATORS,
    media_type="text/csv",
    tags=["points invoices"],
)
async def get_points_invoice_csv(request: HttpRequest, points_invoice_id: FromPath[str]) -> Stream:
    """All lines of a points invoice, for the issuer to compare with its books (RFC 4180)."""
    invoicing = services(request).invoicing
    invoice = await _named(invoicing, points_invoice_id)
    return Stream(
        _csv(invoicing, invoice),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{invoice.reference.lower()}.csv"'},
    )


async def _named(invoicing: Invoicing, id_: str) -> Invoice:
    return await invoicing.get(PointsInvoiceId(from_text("pinv", id_)))


async def _csv(invoicing: Invoicing, invoice: Invoice) -> AsyncIterator[str]:
    yield BYTE_ORDER_MARK + row(*_CSV_COLUMNS)
    async for line in invoicing.each_line(invoice):
        yield row(
            line.created_at.isoformat(),
            line.kind,
            line.reference or "",
            line.approval_code or "",
            line.units,
            str(line.rate),
            line.amount_minor,
            invoice.currency,
            line.merchant_name,
            to_text("auth", line.authorization_id),
            to_text("pinl", line.id),
        )


def _view(invoice: Invoice) -> PointsInvoiceView:
    return PointsInvoiceView(
        id=to_text("pinv", invoice.id),
        object="points_invoice",
        issuer=to_text("pis", invoice.issuer_id),
        currency=invoice.currency,
        lines=invoice.lines,
        units=invoice.units,
        previous=invoice.previous_minor,
        charges=invoice.charges_minor,
        credits=invoice.credits_minor,
        payments=invoice.payments_minor,
        balance=invoice.balance_minor,
        received=invoice.received_minor,
        open=invoice.open_minor,
        due_on=invoice.due_on,
        reference=invoice.reference,
        state=invoice.state,
        created=invoice.issued_at,
    )


def _payment_view(payment: InvoicePayment) -> PointsInvoicePaymentView:
    return PointsInvoicePaymentView(
        to_text("rcpt", payment.receipt_id),
        to_text("pinv", payment.invoice_id),
        payment.amount_minor,
        payment.created_at,
    )


def _line_view(line: Line) -> PointsInvoiceLineView:
    return PointsInvoiceLineView(
        id=to_text("pinl", line.id),
        object="points_invoice_line",
        kind=line.kind,
        reference=line.reference,
        approval_code=line.approval_code,
        units=line.units,
        rate=str(line.rate),
        amount=line.amount_minor,
        merchant=to_text("mer", line.merchant_id),
        merchant_name=line.merchant_name,
        payment=to_text("auth", line.authorization_id),
        created=line.created_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [
    issue_points_invoice,
    list_points_invoices,
    get_points_invoice,
    list_points_invoice_lines,
    get_points_invoice_csv,
]
