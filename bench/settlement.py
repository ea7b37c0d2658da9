"""The load `settlement`: a business day of a million captures, settled as `obverse settle` does it.

It has a database of its own. Every round adds a day; the days before stay where they are, as they would.
"""

import asyncio
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Final

from bench.aside import peak_bytes, resident_bytes, rooms_aside
from bench.errors import BenchFailed
from bench.results import Measured
from obverse.bootstrap import Rooms
from obverse.kit.clock import Clock
from obverse.kit.secret import Secret
from obverse.merchants import BankAccount, FeePlan, Terms

if TYPE_CHECKING:
    import asyncpg

CAPTURES: Final = 1_000_000
MERCHANTS: Final = 2_000
_DATABASE: Final = "settlement"
_FEE: Final = FeePlan(basis_points=180, fixed_minor=50)
_AT_ONCE: Final = 8
_PATIENCE_S: Final = 600
_DAYS_AGO: Final = 100

# Ids that sort by time, as UUIDv7 do; every merchant has its share.
_FILL: Final = """
insert into actions (partition_id, id, authorization_id, merchant_id, kind, amount_minor, parts, currency,
    request_key, asked, to_present, created_at)
select 0, (lpad(to_hex($1::bigint + n * 80), 12, '0') || '7000' || substr(md5($2 || n), 1, 16))::uuid,
    gen_random_uuid(), ids[1 + n * 7919 % array_length(ids, 1)], 'capture', 1000 + n % 977,
    array[1000 + n % 977], 'KRW', 'rest:' || md5($2 || n), 'all', false,
    to_timestamp(($1::bigint + n * 80) / 1000.0)
from generate_series(1::bigint, $3) as n, (select array_agg(id) as ids from merchants) as all_merchants
"""

_WRONG: Final = """
select (select count(*) from actions where settlement_id is null) as left_out,
    (select sum(paid_minor + fees_minor - captured_minor) from merchant_statements) as wrong,
    (select count(*) from payouts where ordered_at is null) as not_ordered
"""


_STATE: Final = (
    "select (select count(*) from merchants) as merchants, (select count(*) from settlements) as days"
)


async def settle_a_day(scratch: Path) -> Measured:
    """Put a million captures into one more day, and settle it; only the settling is timed."""
    async with rooms_aside(scratch, _DATABASE, Clock()) as (rooms, _, conn):
        (state,) = await conn.fetch(_STATE)
        if not state["merchants"]:
            await _add_merchants(rooms)
        calendar = rooms.money.settlement.reports.calendar
        # The same days in every run, seen from today: all are over, and their payouts are due.
        day = calendar.local_date(Clock().now()) - timedelta(days=_DAYS_AGO - state["days"])
        await _fill(conn, int(calendar.cut_off_of(day - timedelta(days=1)).timestamp() * 1000))
        memory = asyncio.create_task(peak_bytes())
        before, began = resident_bytes(), perf_counter()
        settlement = await rooms.money.settlement.service.settle(day)
        seconds = perf_counter() - began
        memory.cancel()
        grown_mib = max(0, await memory - before) / 2**20
        (wrong,) = await conn.fetch(_WRONG)
        if settlement.actions != CAPTURES or any(wrong.values()):
            raise BenchFailed(f"The settlement is wrong: {dict(wrong)}")
        await conn.execute("checkpoint", timeout=_PATIENCE_S)  # the loads after this one do not pay for it
        return Measured(per_second=CAPTURES / seconds, rows=CAPTURES, grown_mib=grown_mib)


async def _add_merchants(rooms: Rooms) -> None:
    """Merchants with a fee and a bank account of their own."""
    for first in range(0, MERCHANTS, _AT_ONCE):
        await asyncio.gather(*[_add_merchant(rooms, n) for n in range(first, first + _AT_ONCE)])


async def _add_merchant(rooms: Rooms, number: int) -> None:
    await rooms.merchants.onboard(
        f"Shop {number}",
        "5732",
        "410001",
        f"SHOP{number:011d}",
        terms=Terms(fee_plan=_FEE),
        account=BankAccount("088", Secret(f"{number:012d}"), f"Shop {number}"),
    )


async def _fill(conn: "asyncpg.Connection[asyncpg.Record]", begin_ms: int) -> None:
    """A day's captures, as they would lie there in the evening: analysed, and written to disk."""
    await conn.execute(_FILL, begin_ms, str(begin_ms), CAPTURES, timeout=_PATIENCE_S)
    await conn.execute("vacuum analyze actions", timeout=_PATIENCE_S)
    await conn.execute("checkpoint", timeout=_PATIENCE_S)
