"""Billing that is killed again and again: every action on one bill, every member with one bill."""

import asyncio
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
from tests.factories.billing import SEOUL
from tests.factories.many_bills import many_payments
from tests.factories.platform import environment, obverse

from obverse.billing import Month

MEMBERS, EACH = 10_000, 10
KILLS = 6


def _bill(url: str, folder: Path, month: Month) -> "subprocess.Popen[bytes]":
    command = obverse("bill", "--month", str(month))
    with (folder / "out").open("ab") as out:
        return subprocess.Popen(
            command, env=environment(database_url=url, data_dir=folder), stdout=out, stderr=out
        )


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_nobody_is_billed_twice_or_forgotten_when_billing_is_killed_6_times(
    database_url: str, tmp_path: Path
) -> None:
    month = Month.of(SEOUL.local_date(datetime.now(UTC))).previous()
    since, until = (each.begins(SEOUL.zone) for each in (month, month.next()))
    await many_payments(database_url, MEMBERS, EACH, since, until)
    conn = await asyncpg.connect(database_url)

    async def progress() -> tuple[int, int]:
        row = await conn.fetchrow("select coalesce(sum(actions), 0), coalesce(sum(bills), 0) from bill_runs")
        return row[0], row[1]

    met_under_way = 0
    for _ in range(KILLS):
        before = await progress()
        process = _bill(database_url, tmp_path, month)
        deadline = time.monotonic() + 60
        while await progress() == before and process.poll() is None:
            assert time.monotonic() < deadline, "it does not get on"
            await asyncio.sleep(0.005)
        met_under_way += process.poll() is None
        process.kill()
        process.wait()
    assert met_under_way >= KILLS - 1, "the kills met nothing under way"
    twins = [_bill(database_url, tmp_path, month) for _ in range(2)]
    assert [await asyncio.to_thread(each.wait) for each in twins] == [0, 0], (tmp_path / "out").read_text()

    assert await conn.fetchval("select count(*) from bill_lines") == MEMBERS * EACH
    bills = await conn.fetch("select balance_minor, count(*) from bills group by 1")
    assert [tuple(row) for row in bills] == [(1_000 * EACH, MEMBERS)]
    assert await conn.fetchval("select count(distinct account_id) from bills") == MEMBERS
    assert await conn.fetchval("select count(*) from events where type = 'bill.issued'") == MEMBERS
    await conn.close()
