"""Runs take turns, in one process and across processes; the hourly one is made by whoever comes first."""

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import timedelta

from tests.factories.reconciliation import Programme, a_reconciliation, open_kinds

from obverse.reconciliation import BreakKind
from obverse.reconciliation.repository.breaks import TAKE_TURN

WAITING = """
select count(*) from pg_locks where locktype = 'advisory' and not granted
    and database = (select oid from pg_database where datname = current_database())
"""
OWED = "insert into settlement_balances (merchant_id, owed_minor) values ('{}', 700)"


async def somebody_waits(programme: Programme) -> None:
    deadline = time.monotonic() + 10
    while await programme.fetch(WAITING) == [(0,)]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_a_run_sees_what_happened_while_it_waited_for_its_turn(programme: Programme) -> None:
    database = programme.house.database
    async with database.transaction() as another_process:
        await another_process.execute(TAKE_TURN)
        waiting = asyncio.create_task(programme.books.run())
        await somebody_waits(programme)
        await programme.bend(OWED.format(programme.world.shop.id))
    assert (await waiting).found == 1


async def test_runs_at_the_same_time_find_a_break_once(programme: Programme) -> None:
    await programme.bend(OWED.format(programme.world.shop.id))
    rooms = [programme.books, *(a_reconciliation(programme.house) for _ in range(2))]
    runs = await asyncio.gather(*[room.run() for room in rooms for _ in range(3)])
    assert sorted(run.found for run in runs) == [0] * 8 + [1]
    assert await open_kinds(programme.books) == {BreakKind.MERCHANT_DIFFERS_FROM_LEDGER: 1}


async def test_whoever_waits_for_a_run_leaves_the_connections_to_payments(programme: Programme) -> None:
    database = programme.house.database
    async with AsyncExitStack() as stack:
        another_process = await stack.enter_async_context(database.transaction())
        await another_process.execute(TAKE_TURN)
        waiting = [asyncio.create_task(programme.books.run()) for _ in range(20)]
        await somebody_waits(programme)
        for _ in range(8):
            await stack.enter_async_context(database.connection())
    assert len(await asyncio.gather(*waiting)) == 20


async def test_the_hourly_run_is_made_by_one_of_all_processes(programme: Programme) -> None:
    rooms = [a_reconciliation(programme.house) for _ in range(3)]
    runs = await asyncio.gather(*[room.run_hourly() for room in rooms])
    assert sum(run is not None for run in runs) == 1
    latest = await programme.books.latest()
    assert latest in runs

    clock = programme.house.clock
    clock.move_to(clock.offset + timedelta(minutes=54))
    assert await programme.books.run_hourly() is None
    clock.move_to(clock.offset + timedelta(minutes=2))
    assert await programme.books.run_hourly() is not None
    assert (await programme.books.run()).id != latest.id, "whoever asks for a run gets one"
