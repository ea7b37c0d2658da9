"""Asking all questions at once, and keeping what came of them."""

from collections.abc import Sequence

from obverse.kit import audit, events
from obverse.kit.audit import AuditEntry, check_reason
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.events import Event
from obverse.kit.ids import AuditId, BreakId, EventId, NewId, ReconciliationRunId, to_text
from obverse.kit.money import CurrencyCode
from obverse.kit.paging import Page, PageRequest
from obverse.ledger import AccountKind
from obverse.reconciliation import repository, rules
from obverse.reconciliation.errors import BreakNotFound, BreakNotOpen
from obverse.reconciliation.model import Break, BreakKind, BreakState, Comparison, Finding, Run


class Reconciliation:
    """Compares three ways: our payments, our ledger, the partners' files (OT-18)."""

    def __init__(self, database: Database, *, clock: Clock, new_id: NewId, currency: CurrencyCode) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._currency = currency

    async def run(self) -> Run:
        """Ask every question, and write down what is new and what has gone.

        Questions see one snapshot, so that nothing that moves meanwhile looks like a break.
        """
        findings, comparisons = await self._ask()
        async with self._database.transaction() as conn:
            changes = rules.compare(findings, await repository.known_breaks(conn, findings))
            now = self._clock.now()
            gone = [b.id for b in changes.gone]
            await repository.end(conn, gone, BreakState.CLEARED, None, now)
            new = [
                Break(BreakId(self._new_id()), finding, BreakState.OPEN, None, now, None)
                for finding in changes.new
            ]
            await repository.insert_breaks(conn, new)
            await events.append(conn, [self._event("break.found", b) for b in new])
            run = Run(ReconciliationRunId(self._new_id()), now, comparisons, len(new), len(gone))
            await repository.insert_run(conn, run)
        return run

    async def latest(self) -> Run | None:
        """The last run, or None before the first."""
        async with self._database.connection() as conn:
            return await repository.latest_run(conn)

    async def list(self, page: PageRequest, state: BreakState | None = None) -> Page[Break]:
        """Breaks, newest first."""
        async with self._database.connection() as conn:
            return await repository.find_page(conn, page, state)

    async def resolve(self, break_id: BreakId, reason: str, actor: str) -> Break:
        """End a break with an operator's explanation, which goes to the audit log.

        It comes back only if the numbers change. Repeating it with the same reason changes nothing.
        Raises `InvalidRequest`, `BreakNotFound`, `BreakNotOpen`.
        """
        reason = check_reason(reason)
        async with self._database.transaction() as conn:
            found = await repository.lock(conn, break_id)
            if found is None:
                raise BreakNotFound
            if found.state is not BreakState.OPEN:
                if found.reason == reason:
                    return found
                raise BreakNotOpen
            await self._resolve(conn, found, reason, actor)
            resolved = await repository.lock(conn, break_id)
        assert resolved is not None
        return resolved

    async def _resolve(self, conn: Connection, found: Break, reason: str, actor: str) -> None:
        now = self._clock.now()
        await repository.end(conn, [found.id], BreakState.RESOLVED, reason, now)
        entry = AuditEntry(
            id=AuditId(self._new_id()),
            actor=actor,
            action="break.resolved",
            subject=to_text("brk", found.id),
            reason=reason,
            created_at=now,
            data={"kind": found.finding.kind, "about": found.finding.subject},
        )
        await audit.record(conn, [entry])

    async def _ask(self) -> tuple[Sequence[Finding], Sequence[Comparison]]:
        async with self._database.transaction() as conn:
            await conn.execute("set transaction isolation level repeatable read, read only")
            findings = await repository.ask(conn, self._clock.now() - rules.PATIENCE)
            ours = await repository.house_positions_of_rooms(conn)
            ledger = await repository.house_positions(conn)
            partners = {AccountKind.CARD_COMPANY_RECEIVABLE: await repository.owed_by_card_companies(conn)}
            closing = await repository.closing_balance(conn)
        if closing is not None:
            partners[AccountKind.BANK] = closing
            if closing != ledger.get(AccountKind.BANK, 0):
                findings.append(
                    Finding(
                        BreakKind.BANK_BALANCE_DIFFERS,
                        AccountKind.BANK,
                        ledger.get(AccountKind.BANK, 0),
                        closing,
                        self._currency,
                    )
                )
        findings += rules.house_findings(ours, ledger, self._currency)
        return findings, rules.comparisons(ours, ledger, partners)

    def _event(self, type_: str, found: Break) -> Event:
        finding = found.finding
        data = {
            "break": to_text("brk", found.id),
            "kind": finding.kind,
            "subject": finding.subject,
            "expected": finding.expected_minor,
            "found": finding.found_minor,
            "currency": finding.currency,
        }
        return Event(EventId(self._new_id()), type_, found.id, data, found.found_at)
