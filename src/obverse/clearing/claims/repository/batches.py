"""Batches of terminals: what was claimed in one, and those that were closed."""

from datetime import datetime
from typing import Final

from obverse.clearing.claims.model import BatchTotals, Count, TerminalBatch
from obverse.kit.database import Connection
from obverse.kit.money import CurrencyCode

TOTALS: Final = """
select count(*) filter (where kind = 'capture') as captures,
    coalesce(sum(amount_minor) filter (where kind = 'capture'), 0)::bigint as captured_minor,
    count(*) filter (where kind = 'refund') as refunds,
    coalesce(sum(amount_minor) filter (where kind = 'refund'), 0)::bigint as refunded_minor
from claims
where merchant_id = $1 and terminal = $2 and batch_no = $3 and outcome = 'paid' and currency = $4
"""

FIND_CLOSED: Final = """
select currency, captures, captured_minor, refunds, refunded_minor from claim_batches
where merchant_id = $1 and terminal = $2 and batch_no = $3
"""

CLOSE: Final = """
insert into claim_batches (merchant_id, terminal, batch_no, currency, captures, captured_minor, refunds,
    refunded_minor, closed_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing
"""


async def batch_totals(conn: Connection, batch: TerminalBatch, currency: CurrencyCode) -> BatchTotals:
    """What was paid of a batch, as far as it has been uploaded."""
    row = await conn.fetchrow(TOTALS, *batch, currency)
    assert row is not None, "an aggregate has one row"
    return BatchTotals(
        currency,
        Count(row["captures"], row["captured_minor"]),
        Count(row["refunds"], row["refunded_minor"]),
    )


async def find_closed_batch(conn: Connection, batch: TerminalBatch) -> BatchTotals | None:
    """The totals with which this batch was closed; None while it is open."""
    row = await conn.fetchrow(FIND_CLOSED, *batch)
    if row is None:
        return None
    return BatchTotals(
        CurrencyCode(row["currency"]),
        Count(row["captures"], row["captured_minor"]),
        Count(row["refunds"], row["refunded_minor"]),
    )


async def close_batch(conn: Connection, batch: TerminalBatch, totals: BatchTotals, now: datetime) -> None:
    """Close a batch with these totals; one that is closed stays as it is."""
    await conn.execute(
        CLOSE,
        *batch,
        totals.currency,
        totals.captures.lines,
        totals.captures.amount_minor,
        totals.refunds.lines,
        totals.refunds.amount_minor,
        now,
    )
