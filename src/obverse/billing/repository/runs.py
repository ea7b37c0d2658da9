"""The runs that bill a month: collecting its lines, and adding them up. Set-based, in chunks."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from obverse.billing.model import Bill, Month, MonthOfLine, Run, RunState
from obverse.kit.database import Connection, Table, insert_rows

_COLUMNS: Final = """
month, state, scans_from, complete_before, at_id, actions, lines, credit_lines, bills, started_at,
    done_at
"""

# Whoever works on a run holds its row, so that two processes take turns, chunk by chunk.
LOCK_NEXT: Final = f"""
select {_COLUMNS} from bill_runs where state <> 'done' order by month limit 1 for update
"""

LOAD: Final = f"select {_COLUMNS} from bill_runs where month = $1"

LATEST: Final = f"select {_COLUMNS} from bill_runs order by month desc limit 1"

# Nothing that began before that run was opened is still going on: what it missed can be seen by now.
STRAGGLERS_ARE_IN: Final = """
select horizon <= pg_snapshot_xmin(pg_current_snapshot()) from bill_runs where month = $1
"""

OPEN: Final = """
insert into bill_runs (month, state, scans_from, complete_before, at_id, started_at)
values ($1, 'collecting', $2, $3, $4, $5) on conflict do nothing
"""

SAVE: Final = """
update bill_runs set state = $2, at_id = $3, actions = $4, lines = $5, credit_lines = $6, bills = $7,
    done_at = $8
where month = $1
"""

COUNT_ACTIONS: Final = "select count(*) from actions where id > $1 and id < $2"

COUNT_CREDIT_LINES: Final = "select count(*) from funding_sources where kind = 'credit_line'"

# One pass over the actions by id. What has been billed before is passed over by the key of `bill_lines`.
# At most one credit line stands behind a payment: a member has one per currency.
COLLECT: Final = """
with chunk as (
    select partition_id, id, authorization_id, merchant_id, kind, parts, created_at from actions
    where id > $2 and id < $3 order by id limit $5
), collected as (
    insert into bill_lines (partition_id, action_id, account_id, month, kind, amount_minor, authorization_id,
        merchant_id, created_at)
    select a.partition_id, a.id, l.debit_account_id, $1, a.kind, e.sign * a.parts[l.position + 1],
        a.authorization_id, a.merchant_id, a.created_at
    from chunk as a
    join unnest($6::text[], $7::int[]) as e (kind, sign) on e.kind = a.kind
    join legs as l on l.authorization_id = a.authorization_id and l.partition_id = a.partition_id
        and l.kind = 'credit_line'
    where a.created_at < $4 and a.parts[l.position + 1] > 0
    on conflict do nothing
    returning 1
)
select (select count(*) from chunk) as actions, (select count(*) from collected) as lines,
    (select id from chunk order by id desc limit 1) as at_id
"""

# Of the very credit lines that come next, see MONTHS_OF_LINES.
COUNT_PAYMENTS: Final = """
update bill_payments set month = $1
where month is null and created_at < $2 and account_id = any(array(
    select account_id from funding_sources where kind = 'credit_line' and id > $3 order by id limit $4
))
"""

MONTHS_OF_LINES: Final = """
select s.partition_id, s.member_id, s.id, s.account_id, s.currency,
    coalesce(earlier.balance_minor, 0), coalesce(earlier.credited_minor, 0),
    coalesce(month.charges, 0), coalesce(month.credits, 0), coalesce(paid.payments, 0)
from funding_sources as s
left join lateral (
    select balance_minor, credited_minor from bills
    where account_id = s.account_id order by month desc limit 1
) as earlier on true
left join lateral (
    select sum(amount_minor) filter (where amount_minor > 0)::bigint as charges,
        -sum(amount_minor) filter (where amount_minor < 0)::bigint as credits
    from bill_lines where account_id = s.account_id and month = $1
) as month on true
left join lateral (
    select sum(amount_minor)::bigint as payments
    from bill_payments where account_id = s.account_id and month = $1
) as paid on true
where s.kind = 'credit_line' and s.id > $2
order by s.id limit $3
"""

BILLS: Final = Table(
    "bills",
    {
        "id": "uuid",
        "partition_id": "smallint",
        "member_id": "uuid",
        "source_id": "uuid",
        "account_id": "uuid",
        "month": "date",
        "currency": "text",
        "previous_minor": "bigint",
        "charges_minor": "bigint",
        "credits_minor": "bigint",
        "payments_minor": "bigint",
        "balance_minor": "bigint",
        "credited_minor": "bigint",
        "reference": "text",
        "due_on": "date",
        "state": "text",
        "issued_at": "timestamptz",
    },
)

_PATIENCE_S: Final = 60
"""A chunk takes a fraction of a second; a cold cache may take more."""


async def lock_next(conn: Connection) -> Run | None:
    """The first run that is not done, held until the commit."""
    return _run(await conn.fetchrow(LOCK_NEXT, timeout=_PATIENCE_S))


async def load(conn: Connection, month: Month) -> Run | None:
    """The run of this month, if it was begun."""
    return _run(await conn.fetchrow(LOAD, month.first))


async def latest(conn: Connection) -> Run | None:
    """The run of the last month that was begun."""
    return _run(await conn.fetchrow(LATEST))


async def stragglers_are_in(conn: Connection, run: Run) -> bool:
    """Whether every action of that run's months can be seen now, committed as late as it may have been.

    An action's time is taken after its transaction has written, so one of a month that was over had begun
    when the run was opened.
    """
    return bool(await conn.fetchval(STRAGGLERS_ARE_IN, run.month.first))


async def open_run(conn: Connection, run: Run) -> None:
    """Begin a month; if somebody else has, theirs stays."""
    await conn.execute(OPEN, run.month.first, run.scans_from, run.complete_before, run.at_id, run.started_at)


async def save(conn: Connection, run: Run) -> None:
    """Keep how far a run is; the caller holds its row."""
    await conn.execute(
        SAVE,
        run.month.first,
        run.state,
        run.at_id,
        run.actions,
        run.lines,
        run.credit_lines,
        run.bills,
        run.done_at,
    )


async def collect(
    conn: Connection, run: Run, ids_below: UUID, before: datetime, effects: Mapping[str, int], limit: int
) -> tuple[int, int, UUID | None]:
    """Turn the next actions into lines of this run's month.

    `effects` are the kinds that move what a member owes, with their sign. Returns how many actions were
    gone through, how many lines came of them, and the last action's id; fewer than `limit` is the end.
    """
    row = await conn.fetchrow(
        COLLECT,
        run.month.first,
        run.at_id,
        ids_below,
        before,
        limit,
        list(effects),
        list(effects.values()),
        timeout=_PATIENCE_S,
    )
    assert row is not None, "counts are always there"
    return row["actions"], row["lines"], row["at_id"]


async def count_payments(conn: Connection, run: Run, before: datetime, limit: int) -> None:
    """Let the next bills of this month count what has come in before its end and is on no bill yet."""
    await conn.execute(COUNT_PAYMENTS, run.month.first, before, run.at_id, limit, timeout=_PATIENCE_S)


async def count_actions(conn: Connection, ids_above: UUID, ids_below: UUID) -> int:
    """How many actions there are to go through."""
    count: int = await conn.fetchval(COUNT_ACTIONS, ids_above, ids_below, timeout=_PATIENCE_S)
    return count


async def count_credit_lines(conn: Connection) -> int:
    """How many credit lines there are or have been."""
    count: int = await conn.fetchval(COUNT_CREDIT_LINES)
    return count


async def months_of_lines(conn: Connection, run: Run, limit: int) -> list[MonthOfLine]:
    """The next credit lines in id order, removed ones included: what is owed on them stays owed."""
    rows = await conn.fetch(MONTHS_OF_LINES, run.month.first, run.at_id, limit, timeout=_PATIENCE_S)
    return [MonthOfLine(*row) for row in rows]


async def insert_bills(conn: Connection, bills: Sequence[Bill]) -> None:
    """Store new bills. Violates `bills_reference` where chance has drawn the same reference twice."""
    rows = [
        (
            b.id,
            b.partition_id,
            b.member_id,
            b.source_id,
            b.account_id,
            b.month.first,
            b.currency,
            b.previous_minor,
            b.charges_minor,
            b.credits_minor,
            b.payments_minor,
            b.balance_minor,
            b.credited_minor,
            b.reference,
            b.due_on,
            b.state,
            b.issued_at,
        )
        for b in bills
    ]
    await insert_rows(conn, BILLS, rows)


def _run(row: Any) -> Run | None:
    if row is None:
        return None
    month, state, *rest = row
    return Run(Month.of(month), RunState(state), *rest)
