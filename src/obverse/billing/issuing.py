"""Billing a month: collect its lines, then draw up its bills, chunk by chunk, each in a commit of its own.

Where a run has got to is stored with what it has done, so whoever comes after a kill goes on from there;
several processes take turns.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, TypeAlias
from uuid import UUID

import asyncpg
from msgspec.structs import replace

from obverse.billing import rules
from obverse.billing.errors import MonthPassed
from obverse.billing.model import Bill, BillTerms, Month, Run, RunState
from obverse.billing.repository import runs
from obverse.billing.telling import bill_news
from obverse.kit import events
from obverse.kit.calendar import Calendar
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.ids import IDS_STRAY, BillId, NewId, first_id_of

ACTIONS_PER_CHUNK: Final = 20_000
BILLS_PER_CHUNK: Final = 1_000
_START: Final = UUID(int=0)
_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)

Observe: TypeAlias = Callable[[Run, int, int], None]
"""Told after each chunk how much of the run's present part is done, and how much there is."""


class Issuing:
    """Bills months one after the other, each once."""

    def __init__(
        self,
        database: Database,
        calendar: Calendar,
        terms: BillTerms,
        *,
        clock: Clock,
        new_id: NewId,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._calendar = calendar
        self._terms = terms
        self._clock = clock
        self._new_id = new_id
        self._random_bytes = random_bytes

    async def begin(self, month: Month) -> Run:
        """Have a month billed, after all months before it that have not been; tells how far it is.

        It may be asked again at any time. Raises `MonthNotOver`, `MonthPassed`.
        """
        now = self._clock.now()
        async with self._database.transaction() as conn:
            last = await runs.latest(conn)
            today = self._calendar.local_date(now)
            for each in rules.months_to_open(month, last.month if last is not None else None, today):
                last = await self._open(conn, each, last, now)
            run = await runs.load(conn, month)
        if run is None:
            raise MonthPassed
        return run

    async def _open(self, conn: Connection, month: Month, last: Run | None, now: datetime) -> Run | None:
        scans_from = complete_before = last.complete_before if last is not None else _EVER
        if last is not None and await runs.stragglers_are_in(conn, last):
            complete_before = self._end_of(last.month)
        run = Run(
            month=month,
            state=RunState.COLLECTING,
            scans_from=scans_from,
            complete_before=complete_before,
            at_id=self._ids_above(scans_from),
            actions=0,
            lines=0,
            credit_lines=0,
            bills=0,
            started_at=now,
            done_at=None,
        )
        await runs.open_run(conn, run)
        return await runs.load(conn, month)  # somebody else's, if they were first

    async def issue(self, month: Month, observe: Observe | None = None) -> Run:
        """Bill a month to its end. Raises `MonthNotOver`, `MonthPassed`, `Unavailable`."""
        run = await self.begin(month)
        sizes: dict[tuple[Month, RunState], int] = {}
        while run.state is not RunState.DONE:
            stepped = await self._step()
            async with self._database.connection() as conn:
                if stepped is not None and observe is not None:
                    part = stepped.month, stepped.state
                    if part not in sizes:
                        sizes[part] = await self._size(conn, stepped)
                    collecting = stepped.state is RunState.COLLECTING
                    observe(stepped, stepped.actions if collecting else stepped.credit_lines, sizes[part])
                run = await runs.load(conn, month) or run
        return run

    @property
    def last_month_over(self) -> Month:
        """The month before this one, in the programme's time zone."""
        return Month.of(self._calendar.local_date(self._clock.now())).previous()

    async def issue_due(self) -> None:
        """Bill the last month that is over, after whatever was begun and not finished: the chore."""
        await self.issue(self.last_month_over)

    async def _size(self, conn: Connection, run: Run) -> int:
        if run.state is not RunState.COLLECTING:
            return await runs.count_credit_lines(conn)
        return await runs.count_actions(conn, self._ids_above(run.scans_from), self._ids_below(run))

    async def _step(self) -> Run | None:
        """Do the next chunk of the first run that is not done; None where somebody else has finished it."""
        try:
            async with self._database.transaction() as conn:
                run = await runs.lock_next(conn)
                if run is None:
                    return None
                work = self._collect if run.state is RunState.COLLECTING else self._draw_up
                stepped = await work(conn, run)
                await runs.save(conn, stepped)
        except asyncpg.UniqueViolationError as violation:
            if violation.constraint_name != "bills_reference":
                raise
            return None  # chance has drawn a reference twice; it draws others when the chunk is tried again
        return stepped

    async def _collect(self, conn: Connection, run: Run) -> Run:
        effects = {kind.value: sign for kind, sign in rules.EFFECTS.items()}
        actions, lines, at_id = await runs.collect(
            conn, run, self._ids_below(run), self._end_of(run.month), effects, ACTIONS_PER_CHUNK
        )
        collected = replace(
            run, actions=run.actions + actions, lines=run.lines + lines, at_id=at_id or run.at_id
        )
        if actions == ACTIONS_PER_CHUNK:
            return collected
        return replace(collected, state=RunState.DRAWING_UP, at_id=_START)

    async def _draw_up(self, conn: Connection, run: Run) -> Run:
        now = self._clock.now()
        await runs.count_payments(conn, run, self._end_of(run.month), BILLS_PER_CHUNK)
        months = await runs.months_of_lines(conn, run, BILLS_PER_CHUNK)
        drawn = [
            rules.draw_up(
                line,
                run.month,
                bill_id=BillId(self._new_id()),
                reference=rules.new_reference(self._random_bytes),
                now=now,
                due_days=self._terms.due_days,
                calendar=self._calendar,
            )
            for line in months
        ]
        bills: list[Bill] = [bill for bill in drawn if bill is not None]
        await runs.insert_bills(conn, bills)
        await events.append(conn, [bill_news("bill.issued", bill, self._new_id, now) for bill in bills])
        done = len(months) < BILLS_PER_CHUNK
        return replace(
            run,
            state=RunState.DONE if done else run.state,
            at_id=run.at_id if done else months[-1].source_id,
            credit_lines=run.credit_lines + len(months),
            bills=run.bills + len(bills),
            done_at=now if done else None,
        )

    def _end_of(self, month: Month) -> datetime:
        return month.next().begins(self._calendar.zone)

    def _ids_above(self, since: datetime) -> UUID:
        return first_id_of(since - IDS_STRAY)

    def _ids_below(self, run: Run) -> UUID:
        return first_id_of(self._end_of(run.month) + IDS_STRAY)
