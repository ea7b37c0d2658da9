"""Collecting what issuers owe, drawing up invoices, and taking what comes in for them."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from obverse.invoicing import repository, rules
from obverse.invoicing.errors import NothingToInvoice, PointsInvoiceNotFound
from obverse.invoicing.model import Invoice, InvoicePayment, Line
from obverse.kit import audit, events
from obverse.kit.audit import AuditEntry
from obverse.kit.calendar import Calendar
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.events import Event
from obverse.kit.ids import (
    AuditId,
    EventId,
    NewId,
    PartitionId,
    PointsInvoiceId,
    PointsIssuerId,
    ReceiptId,
    to_text,
)
from obverse.kit.paging import LIMIT_MAX, Page, PageRequest
from obverse.points.errors import PointsIssuerNotFound
from obverse.points.rules import receivable
from obverse.treasury import Placement, Receipt, Treasury
from obverse.treasury.repository import unplaced

COLLECTED_AT_ONCE: Final = 1_000
"""Actions per commit: their payments are locked meanwhile."""
_RECEIPTS_AT_ONCE: Final = 500
_HOME: Final = PartitionId(0)
"""Where payments of issuers are placed: one transfer pays for payments of all partitions."""


class Invoicing:
    """What points issuers owe: merchants are paid for points like for money, and issuers pay us for them."""

    def __init__(
        self,
        database: Database,
        treasury: Treasury,
        calendar: Calendar,
        due_days: int,
        *,
        clock: Clock,
        new_id: NewId,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._treasury = treasury
        self._calendar = calendar
        self._due_days = due_days
        self._clock = clock
        self._new_id = new_id
        self._random_bytes = random_bytes

    async def run(self) -> None:
        """The chore: collect, invoice the month that is over, place what came in. Safe in any number of
        processes, which take turns."""
        await self.collect()
        async with self._database.connection() as conn:
            begun = rules.month_begun(self._clock.now(), self._calendar)
            due = await repository.find_due(conn, begun)
        for issuer_id in due:
            async with self._database.transaction() as conn:
                await self._draw_up(conn, issuer_id)
        await self.take_payments()

    # lines and invoices ------------------------------------------------------------------------------------

    async def collect(self) -> int:
        """Turn what payments have done since into lines, some hundred actions per commit; returns how many
        lines there are more. Whoever comes after a kill goes on from there."""
        collected = 0
        while True:
            async with self._database.transaction() as conn:
                await repository.take_turn(conn)
                taken, parts = await repository.take_waiting(conn, list(rules.EFFECTS), COLLECTED_AT_ONCE)
                await repository.insert_lines(conn, rules.lines_of(parts, self._new_id))
            if not taken:
                return collected
            collected += len(parts)

    async def invoice(self, issuer_id: PointsIssuerId, *, actor: str, reason: str) -> Invoice:
        """Invoice an issuer up to now, without waiting for the month's end: its newest invoice.

        That is the one there was where nothing has happened since, so that asking twice is fine.
        Raises `PointsIssuerNotFound`, `NothingToInvoice`, `InvalidRequest` for the reason.
        """
        reason = audit.check_reason(reason)
        await self.collect()
        async with self._database.transaction() as conn:
            drawn = await self._draw_up(conn, issuer_id)
            if drawn is not None:
                id_, now = AuditId(self._new_id()), self._clock.now()
                subject = to_text("pinv", drawn.id)
                entry = AuditEntry(id_, actor, "points_invoice.issued", subject, reason, now)
                await audit.record(conn, [entry])
                return drawn
            invoice = (await repository.newest(conn, [issuer_id])).get(issuer_id)
        if invoice is None:
            raise NothingToInvoice
        return invoice

    async def _draw_up(self, conn: Connection, issuer_id: PointsIssuerId) -> Invoice | None:
        """The issuer's next invoice; None where it has no new lines. Raises `PointsIssuerNotFound`."""
        currency = await repository.currency_of(conn, issuer_id)
        if currency is None:
            raise PointsIssuerNotFound("issuer")
        await repository.take_turn(conn)
        last = (await repository.newest(conn, [issuer_id])).get(issuer_id)
        sums = await repository.sum_up(conn, issuer_id, last.to_number if last is not None else 0)
        if sums is None:
            return None
        now = self._clock.now()
        invoice = rules.draw_up(
            issuer_id,
            currency,
            last,
            sums,
            invoice_id=PointsInvoiceId(self._new_id()),
            reference=rules.new_reference(self._random_bytes),
            now=now,
            due_days=self._due_days,
            calendar=self._calendar,
        )
        await repository.insert_invoice(conn, invoice)
        await events.append(conn, [self._news("points_invoice.issued", invoice, now)])
        return invoice

    # reading -----------------------------------------------------------------------------------------------

    async def get(self, id_: PointsInvoiceId) -> Invoice:
        """Raises `PointsInvoiceNotFound`."""
        async with self._database.connection() as conn:
            invoice = await repository.find(conn, id_)
        if invoice is None:
            raise PointsInvoiceNotFound
        return invoice

    async def list(self, page: PageRequest, issuer_id: PointsIssuerId | None = None) -> Page[Invoice]:
        """Invoices, newest first, of one issuer or of all."""
        async with self._database.connection() as conn:
            return await repository.find_page(conn, page, issuer_id)

    async def lines(self, invoice: Invoice, page: PageRequest) -> Page[Line]:
        """An invoice's lines, newest first."""
        async with self._database.connection() as conn:
            return await repository.find_lines(conn, invoice, page)

    async def each_line(self, invoice: Invoice) -> AsyncIterator[Line]:
        """All of an invoice's lines, newest first, page by page."""
        after: UUID | None = None
        while True:
            page = await self.lines(invoice, PageRequest(LIMIT_MAX, after))
            for line in page.items:
                yield line
            if page.next_after is None:
                return
            after = page.next_after

    async def payments(self, invoice: Invoice) -> Sequence[InvoicePayment]:
        """What came in while this was the newest invoice, oldest first."""
        async with self._database.connection() as conn:
            return await repository.payments_of(conn, invoice.id)

    # payments ----------------------------------------------------------------------------------------------

    async def take_payments(self) -> int:
        """Place what has come in with an invoice's reference on what its issuer owes.

        All of it, be it too little or too much: the next invoice counts it. What names no invoice of ours
        stays with the treasury, where an operator sees it. Returns how many receipts were placed.
        """
        placed, after = 0, None
        while True:
            async with self._database.transaction() as conn:
                receipts = await unplaced(conn, rules.REFERENCE_PREFIX, _RECEIPTS_AT_ONCE, after)
                placed += await self._place(conn, receipts)
            if len(receipts) < _RECEIPTS_AT_ONCE:
                return placed
            after = receipts[-1].id

    async def _place(self, conn: Connection, receipts: Sequence[Receipt]) -> int:
        references = {r.id: rules.reference_in(r.reference or "") for r in receipts}
        known = await repository.find_by_reference(conn, [ref for ref in references.values() if ref])
        paid: dict[ReceiptId, tuple[Receipt, Invoice]] = {
            r.id: (r, invoice)
            for r in receipts
            if (invoice := known.get(references[r.id] or "")) is not None
            and invoice.currency == r.amount.currency
        }
        if not paid:
            return 0
        await repository.take_turn(conn)
        now = self._clock.now()
        await self._treasury.place(conn, [_placement(receipt, invoice) for receipt, invoice in paid.values()])
        issuers = sorted({invoice.issuer_id for _, invoice in paid.values()})
        newest = await repository.newest(conn, issuers)
        payments = [
            InvoicePayment(receipt.id, named.id, newest[named.issuer_id].id, receipt.open_minor, now)
            for receipt, named in paid.values()
        ]
        await repository.insert_payments(conn, payments)
        stand = await repository.newest(conn, issuers)
        await events.append(conn, [self._news("points_invoice.paid", stand[id_], now) for id_ in issuers])
        return len(payments)

    def _news(self, type_: str, invoice: Invoice, now: datetime) -> Event:
        data = {
            "invoice": to_text("pinv", invoice.id),
            "issuer": to_text("pis", invoice.issuer_id),
            "balance": invoice.balance_minor,
            "open": invoice.open_minor,
            "currency": invoice.currency,
            "due_on": invoice.due_on.isoformat() if invoice.due_on is not None else None,
            "reference": invoice.reference,
        }
        return Event(EventId(self._new_id()), type_, invoice.id, data, now)


def _placement(receipt: Receipt, invoice: Invoice) -> Placement:
    account = receivable(invoice.issuer_id, _HOME, invoice.currency)
    return Placement(receipt.id, _HOME, account.id, receipt.open_minor, invoice.id)
