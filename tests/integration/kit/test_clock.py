"""PF-10: one clock, moved for every process at once."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from itertools import count

import asyncpg
import pytest
from tests.factories.waiting import eventually

from obverse.kit.clock import Clock, ClockFollower
from obverse.kit.database import Database
from obverse.kit.errors import InvalidRequest, Unavailable
from obverse.kit.secret import Secret

MONTH = timedelta(days=31)


async def test_every_process_follows_when_one_moves_the_clock(database_url: str) -> None:
    here, there = Clock(), Clock()
    async with Database(Secret(database_url)) as first, Database(Secret(database_url)) as second:
        mover, follower = ClockFollower(first, here), ClockFollower(second, there)
        await mover.start()
        await follower.start()
        before = there.now()
        moved = await mover.advance(MONTH)
        assert moved - before >= MONTH
        await eventually(lambda: there.offset == MONTH, seconds=0.5)  # by NOTIFY, well before the poll
        await mover.stop()
        await follower.stop()


async def test_a_process_that_starts_later_takes_over_the_time(database: Database, clock: Clock) -> None:
    mover = ClockFollower(database, Clock())
    await mover.advance(MONTH)
    await mover.advance(MONTH)
    late = ClockFollower(database, clock)
    await late.start()
    await late.stop()
    assert clock.offset == 2 * MONTH


async def test_following_goes_on_after_an_outage(
    database: Database, clock: Clock, cut_connections: Callable[[], Awaitable[None]]
) -> None:
    follower = ClockFollower(database, clock)
    await follower.start()
    await cut_connections()
    for _ in range(5):
        try:
            await ClockFollower(database, Clock()).advance(MONTH)
            break
        except Unavailable:
            continue
    await eventually(lambda: clock.offset == MONTH)
    await follower.stop()


async def test_following_goes_on_after_any_trouble(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    dedicated, tries = database.dedicated, count()

    def refused_once() -> AbstractAsyncContextManager["asyncpg.Connection[asyncpg.Record]"]:
        if next(tries) == 0:
            raise asyncpg.InvalidPasswordError
        return dedicated()

    monkeypatch.setattr(database, "dedicated", refused_once)
    follower = ClockFollower(database, clock)
    await follower.start()
    await ClockFollower(database, Clock()).advance(MONTH)
    await eventually(lambda: clock.offset == MONTH)
    await follower.stop()


@pytest.mark.parametrize(
    "by", [timedelta(), timedelta(seconds=-1), timedelta(days=36_500)], ids=["zero", "back", "a century"]
)
async def test_the_clock_only_moves_forward_and_in_sensible_steps(
    database: Database, clock: Clock, by: timedelta
) -> None:
    with pytest.raises(InvalidRequest):
        await ClockFollower(database, clock).advance(by)
    assert clock.offset == timedelta()


async def test_many_steps_do_not_carry_the_clock_out_of_the_calendar(
    database: Database, clock: Clock
) -> None:
    follower = ClockFollower(database, clock)
    for _ in range(9):
        await follower.advance(timedelta(days=3660))
    before = clock.offset
    for _ in range(3):
        with pytest.raises(InvalidRequest, match="at most"):
            await follower.advance(timedelta(days=3660))
    assert clock.offset == before
    async with database.connection() as conn:
        stored = await conn.fetchval("select offset_us from platform_clock")
    assert timedelta(microseconds=stored) == before
