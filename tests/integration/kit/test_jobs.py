"""Durable jobs and chores."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from tests.factories.waiting import eventually

from obverse.kit.database import Database
from obverse.kit.errors import Unavailable
from obverse.kit.jobs import Chore, Worker, enqueue


@asynccontextmanager
async def running(worker: Worker) -> AsyncIterator[None]:
    await worker.start()
    try:
        yield
    finally:
        await worker.stop()


def collector(seen: list[bytes]) -> Callable[[bytes], Awaitable[None]]:
    async def handle(payload: bytes) -> None:
        seen.append(payload)

    return handle


async def enqueue_when_possible(database: Database, payload: bytes) -> None:
    for _ in range(10):
        try:
            async with database.transaction() as conn:
                return await enqueue(conn, "note", [payload])
        except Unavailable:
            continue
    raise AssertionError("the pool never recovered")


async def test_a_job_runs_after_its_transaction_committed(database: Database) -> None:
    seen: list[bytes] = []
    async with running(Worker(database, {"note": collector(seen)}, [])):
        async with database.transaction() as conn:
            await enqueue(conn, "note", [b"one", b"two"])
            await asyncio.sleep(0.2)
            assert seen == []
        await eventually(lambda: sorted(seen) == [b"one", b"two"])


async def test_a_job_of_a_transaction_that_rolled_back_never_runs(database: Database) -> None:
    seen: list[bytes] = []

    async def stumble() -> None:
        async with database.transaction() as conn:
            await enqueue(conn, "note", [b"never"])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await stumble()
    async with database.transaction() as conn:
        await enqueue(conn, "note", [b"after"])
    async with running(Worker(database, {"note": collector(seen)}, [])):
        await eventually(lambda: b"after" in seen)
    assert seen == [b"after"]


async def test_a_job_that_fails_is_tried_again(database: Database) -> None:
    attempts: list[bytes] = []

    async def fail_once(payload: bytes) -> None:
        attempts.append(payload)
        if len(attempts) == 1:
            raise Unavailable

    async with database.transaction() as conn:
        await enqueue(conn, "reverse", [b"x"])
    async with running(Worker(database, {"reverse": fail_once}, [])):
        await eventually(lambda: len(attempts) == 2)
    async with database.connection() as conn:
        assert await conn.fetchval("select count(*) from pgqueuer") == 0


async def test_jobs_go_on_after_their_connection_was_cut(
    database: Database, cut_connections: Callable[[], Awaitable[None]]
) -> None:
    seen: list[bytes] = []
    async with running(Worker(database, {"note": collector(seen)}, [])):
        async with database.transaction() as conn:
            await enqueue(conn, "note", [b"before"])
        await eventually(lambda: seen == [b"before"])
        await cut_connections()
        await enqueue_when_possible(database, b"after")
        await eventually(lambda: seen == [b"before", b"after"])


async def test_a_chore_repeats_and_outlives_its_own_failures(database: Database) -> None:
    runs: list[int] = []

    async def stumble() -> None:
        runs.append(len(runs))
        if len(runs) == 1:
            raise Unavailable
        if len(runs) == 2:
            raise ZeroDivisionError

    async with running(Worker(database, {}, [Chore("stumble", timedelta(milliseconds=10), stumble)])):
        await eventually(lambda: len(runs) > 3)


async def test_stopping_lets_a_running_job_finish(database: Database) -> None:
    started, finished = asyncio.Event(), asyncio.Event()

    async def slow(payload: bytes) -> None:
        started.set()
        await asyncio.sleep(0.3)
        finished.set()

    async with database.transaction() as conn:
        await enqueue(conn, "slow", [b""])
    async with running(Worker(database, {"slow": slow}, [])):
        await started.wait()
    assert finished.is_set()
    async with database.connection() as conn:
        assert await conn.fetchval("select count(*) from pgqueuer") == 0
