"""Breaks and runs in the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from obverse.kit.database import Connection, Table, insert_rows
from obverse.kit.ids import BreakId, ReconciliationRunId
from obverse.kit.money import CurrencyCode
from obverse.kit.paging import NEWEST, Page, PageRequest, cut
from obverse.reconciliation.model import Break, BreakKind, BreakState, Comparison, Finding, Run
from obverse.reconciliation.repository.parts import PATIENCE_S

_COLUMNS: Final = """
id, kind, subject, expected_minor, found_minor, currency, state, reason, found_at, ended_at,
gone_at
"""

_BREAKS: Final = Table(
    "breaks",
    {
        "id": "uuid",
        "kind": "text",
        "subject": "text",
        "expected_minor": "bigint",
        "found_minor": "bigint",
        "currency": "text",
        "state": "text",
        "found_at": "timestamptz",
    },
)

# One run after the other, whoever starts it: the second sees what the first has written down.
TAKE_TURN: Final = "select pg_advisory_xact_lock(hashtext('reconciliation_runs'))"

KNOWN: Final = f"select {_COLUMNS} from breaks where gone_at is null"

LOCK: Final = f"select {_COLUMNS} from breaks where id = $1 for update"

RESOLVE: Final = "update breaks set state = 'resolved', reason = $2, ended_at = $3 where id = $1"

# One that an operator has explained meanwhile stays explained.
END: Final = """
update breaks set gone_at = $2, ended_at = coalesce(ended_at, $2),
    state = case state when 'open' then 'cleared' else state end
where id = any($1::uuid[]) returning state
"""

PAGE: Final = f"""
select {_COLUMNS} from breaks where id < coalesce($1, {NEWEST}) and ($3::text is null or state = $3)
order by id desc limit $2
"""

INSERT_RUN: Final = """
insert into reconciliation_runs (id, ran_at, comparisons, found, cleared)
values ($1, $2, $3::text::jsonb, $4, $5)
"""

LATEST_RUN: Final = """
select id, ran_at, comparisons::text, found, cleared from reconciliation_runs order by id desc limit 1
"""

_comparisons: Final = msgspec.json.Decoder(list[Comparison])


async def take_turn(conn: Connection) -> None:
    """Wait until no other run is under way; until this transaction ends."""
    await conn.execute(TAKE_TURN, timeout=PATIENCE_S)


async def known_breaks(conn: Connection) -> list[Break]:
    """Whatever the last run has seen, be it open or explained."""
    return [_break(row) for row in await conn.fetch(KNOWN)]


async def lock(conn: Connection, break_id: BreakId) -> Break | None:
    row = await conn.fetchrow(LOCK, break_id)
    return _break(row) if row else None


async def insert_breaks(conn: Connection, breaks: Sequence[Break]) -> None:
    """Store new, open breaks."""
    rows = [
        (
            b.id,
            b.finding.kind,
            b.finding.subject,
            b.finding.expected_minor,
            b.finding.found_minor,
            b.finding.currency,
            b.state,
            b.found_at,
        )
        for b in breaks
    ]
    await insert_rows(conn, _BREAKS, rows)


async def resolve(conn: Connection, break_id: BreakId, reason: str, now: datetime) -> None:
    """Keep an operator's explanation of an open break; the caller holds its lock."""
    await conn.execute(RESOLVE, break_id, reason, now)


async def end(conn: Connection, ids: Sequence[BreakId], now: datetime) -> int:
    """Write down that these have gone; returns how many of them were still open."""
    rows = await conn.fetch(END, ids, now)
    return sum(row["state"] == BreakState.CLEARED for row in rows)


async def find_page(conn: Connection, page: PageRequest, state: BreakState | None) -> Page[Break]:
    """Breaks, newest first; with `state`, those in it."""
    rows = await conn.fetch(PAGE, page.after, page.limit + 1, state)
    return cut([_break(row) for row in rows], page, lambda b: b.id)


async def insert_run(conn: Connection, run: Run) -> None:
    told = msgspec.json.encode(run.comparisons).decode()
    await conn.execute(INSERT_RUN, run.id, run.ran_at, told, run.found, run.cleared)


async def latest_run(conn: Connection) -> Run | None:
    row = await conn.fetchrow(LATEST_RUN)
    if row is None:
        return None
    return Run(
        ReconciliationRunId(row["id"]),
        row["ran_at"],
        _comparisons.decode(row["comparisons"]),
        row["found"],
        row["cleared"],
    )


def _break(row: asyncpg.Record) -> Break:
    finding = Finding(
        BreakKind(row["kind"]),
        row["subject"],
        row["expected_minor"],
        row["found_minor"],
        CurrencyCode(row["currency"]),
    )
    return Break(
        BreakId(row["id"]),
        finding,
        BreakState(row["state"]),
        row["reason"],
        row["found_at"],
        row["ended_at"],
        row["gone_at"],
    )
