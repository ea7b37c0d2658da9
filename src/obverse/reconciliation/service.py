"""Asking all questions at once, and keeping what came of them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from msgspec.structs import replace

from obverse.kit import audit, events
from obverse.kit.audit import AuditEntry, check_reason
from obverse.kit.calendar import Calendar
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.events import Event
from obverse.kit.ids import AuditId, BreakId, EventId, NewId, ReconciliationRunId, to_text
from obverse.kit.money import CurrencyCode
from obverse.kit.paging import Page, PageRequest
from obverse.reconciliation import repository, rules
from obverse.reconciliation.errors import BreakNotFound, BreakNotOpen
from obverse.reconciliation.model import Break, BreakState, Comparison, Finding, Run

_RECENT: Final = timedelta(minutes=55)
"""A run that is younger does for the hour, whichever process has made it."""


class Reconciliation:
    """Compares three ways: our payments, our ledger, the partners' files (OT-18)."""

    def __init__(
        self, database: Database, *, clock: Clock, new_id: NewId, calendar: Calendar, currency: CurrencyCode
    ) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._calendar = calendar
        self._currency = currency
        self._one_here = asyncio.Lock()

    async def run(self) -> Run:
        """Ask every question now, and write down what is new and what has gone."""
        async with self._turn() as conn:
            return await self._run(conn)

    async def run_hourly(self) -> Run | None:
        """The chore: run, unless any process has done so within the hour."""
        async with self._turn() as conn:
            latest = await repository.latest_run(conn)
            if latest is not None and self._clock.now() - latest.ran_at < _RECENT:
                return None
            return await self._run(conn)

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

        It comes back when the difference is another one, or was gone in between. Repeating it with the same
        reason changes nothing. Raises `InvalidRequest`, `BreakNotFound`, `BreakNotOpen`.
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
            now = self._clock.now()
            await repository.resolve(conn, break_id, reason, now)
            entry = AuditEntry(
                id=AuditId(self._new_id()),
                actor=actor,
                action="break.resolved",
                subject=to_text("brk", break_id),
                reason=reason,
                created_at=now,
                data={"kind": found.finding.kind, "about": found.finding.subject},
            )
            await audit.record(conn, [entry])
        return replace(found, state=BreakState.RESOLVED, reason=reason, ended_at=now)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[Connection]:
        """The transaction of one run: the next one begins when what this one has seen is written down.

        Within a process the turn is waited for without a connection, of which payments need every one.
        """
        async with self._one_here, self._database.transaction() as conn:
            await repository.take_turn(conn)
            yield conn

    async def _run(self, conn: Connection) -> Run:
        findings, compared = await self._ask()
        changes = rules.compare(findings, await repository.known_breaks(conn))
        now = self._clock.now()
        cleared = await repository.end(conn, [each.id for each in changes.gone], now)
        new = [Break(BreakId(self._new_id()), finding, BreakState.OPEN, None, now) for finding in changes.new]
        await repository.insert_breaks(conn, new)
        await events.append(conn, [self._event("break.found", each) for each in new])
        run = Run(ReconciliationRunId(self._new_id()), now, compared, len(new), cleared)
        await repository.insert_run(conn, run)
        return run

    async def _ask(self) -> tuple[Sequence[Finding], Sequence[Comparison]]:
        """All answers from one snapshot, in which nothing moves; taken when the turn has come, not before."""
        silent_since = rules.silent_since(self._clock.now(), self._calendar)
        async with self._database.transaction() as conn:
            await conn.execute("set transaction isolation level repeatable read, read only")
            findings = await repository.ask(conn, silent_since, self._currency)
            ours = await repository.house_by_rooms(conn)
            ledger = await repository.house_by_ledger(conn)
            partners = await repository.house_by_partners(conn)
        compared = rules.comparisons(ours, ledger, partners)
        return [*findings, *rules.differences(compared, self._currency)], compared

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
