"""Units of work, cancellation, outages, unsafe servers, migrations."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from tests.conftest import on_database

from obverse.kit.database import Database
from obverse.kit.database.checks import check_constants, check_server
from obverse.kit.database.migrating import migrate
from obverse.kit.errors import CannotStart, Unavailable
from obverse.kit.secret import Secret
from obverse.kit.settings import Settings

OPEN_TRANSACTIONS = """
select count(*) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null
"""


async def offset(database: Database) -> int:
    async with database.connection() as conn:
        value: int = await conn.fetchval("select offset_us from platform_clock")
        return value


async def set_offset(database: Database, value: int) -> None:
    async with database.transaction() as conn:
        await conn.execute("update platform_clock set offset_us = $1", value)


async def test_a_transaction_commits_at_its_end(database: Database) -> None:
    await set_offset(database, 7)
    assert await offset(database) == 7


async def test_an_exception_rolls_the_transaction_back_and_comes_out_unchanged(database: Database) -> None:
    async def stumble() -> None:
        async with database.transaction() as conn:
            await conn.execute("update platform_clock set offset_us = 7")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await stumble()
    assert await offset(database) == 0


async def test_the_application_is_not_the_owner_of_its_tables(database: Database) -> None:
    async with database.connection() as conn:
        assert await conn.fetchval("select current_user") == "obverse_app"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute("drop table events")


@pytest.mark.parametrize("busy", [True, False], ids=["while a statement runs", "between two statements"])
async def test_cancelling_a_transaction_never_leaves_it_open(database_url: str, busy: bool) -> None:
    async with Database(Secret(database_url), connections=1) as database:
        inside = asyncio.Event()

        async def linger() -> None:
            async with database.transaction() as conn:
                await conn.execute("update platform_clock set offset_us = 7")
                inside.set()
                await (conn.execute("select pg_sleep(0.5)") if busy else asyncio.sleep(60))

        task = asyncio.create_task(linger())
        await inside.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # The only connection is usable at once, outside any transaction, and the row's lock is released.
        await asyncio.wait_for(set_offset(database, 3), 5)
        async with database.connection() as conn:
            assert not conn.is_in_transaction()
            assert await conn.fetchval(OPEN_TRANSACTIONS) == 0


async def test_cancelling_many_transactions_at_random_moments_leaves_none_open(
    database: Database, random_bytes: Callable[[int], bytes]
) -> None:
    async def work() -> None:
        async with database.transaction() as conn:
            await conn.fetchval("select 1")
            await conn.fetchval("select pg_sleep(0.002)")

    for _ in range(20):
        tasks = [asyncio.create_task(work()) for _ in range(10)]
        await asyncio.sleep(random_bytes(1)[0] / 20_000)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.wait_for(set_offset(database, 1), 5)
    async with database.connection() as conn:
        for _ in range(100):
            if await conn.fetchval(OPEN_TRANSACTIONS) == 0:
                return
            await asyncio.sleep(0.02)
        raise AssertionError("a transaction stayed open")


async def test_lost_connections_are_unavailable_and_then_the_pool_recovers(
    database: Database, cut_connections: Callable[[], Awaitable[None]]
) -> None:
    async def lose_the_connection() -> None:
        async with database.transaction() as conn:
            await conn.fetchval("select 1")
            await cut_connections()
            await conn.fetchval("select 1")

    with pytest.raises(Unavailable):
        await lose_the_connection()
    await set_offset(database, 5)
    assert await offset(database) == 5


async def test_a_server_that_has_become_a_standby_is_left_for_the_one_that_writes(
    database: Database, database_url: str, cut_connections: Callable[[], Awaitable[None]]
) -> None:
    """A standby answers every question and refuses every write, so nothing but that tells of it."""
    name = urlsplit(database_url).path[1:]
    owner = await asyncpg.connect(database_url)
    await owner.execute(f"alter database {name} set default_transaction_read_only = on")
    await cut_connections()
    for _ in range(3):
        with pytest.raises(Unavailable):
            await set_offset(database, 5)
    owner = await asyncpg.connect(database_url)
    await owner.execute("set default_transaction_read_only = off")
    await owner.execute(f"alter database {name} reset default_transaction_read_only")
    await owner.close()
    for _ in range(10):  # as many as the pool may hold
        with contextlib.suppress(Unavailable):
            await set_offset(database, 5)
    await set_offset(database, 6)
    assert await offset(database) == 6


async def test_an_empty_pool_is_unavailable_after_its_timeout(database_url: str) -> None:
    async with Database(Secret(database_url), connections=1, acquire_timeout_ms=100) as database:
        async with database.connection():
            with pytest.raises(Unavailable):
                await offset(database)
        assert await offset(database) == 0


@pytest.mark.parametrize(
    "url",
    ["postgresql://x:y@127.0.0.1:1/none", "postgresql://x:y@/none?host=/nowhere&port=5432"],
    ids=["refused port", "missing socket"],
)
async def test_no_server_is_unavailable(url: str) -> None:
    with pytest.raises(Unavailable):
        await Database(Secret(url)).open()
    with pytest.raises(Unavailable):
        await migrate(Secret(url))


async def test_a_safe_server_is_accepted(database: Database) -> None:
    await check_server(database)


async def test_a_server_that_may_forget_answers_is_refused(database_url: str) -> None:
    name = urlsplit(database_url).path[1:]
    admin = await asyncpg.connect(database_url)
    await admin.execute(f"alter database {name} set synchronous_commit = off")
    await admin.close()
    async with Database(Secret(database_url)) as database:
        with pytest.raises(CannotStart, match=r"^PostgreSQL runs with synchronous_commit off"):
            await check_server(database)


async def test_migrations_from_zero_give_the_schema_whoever_runs_them_at_once(postgres_url: str) -> None:
    name = f"obverse_test_{uuid4().hex}"
    admin = await asyncpg.connect(postgres_url)
    await admin.execute(f"create database {name}")
    url = on_database(postgres_url, name)
    try:
        await asyncio.gather(*(migrate(Secret(url)) for _ in range(3)))
        await migrate(Secret(url))
        conn = await asyncpg.connect(url)
        tables = {
            row[0] for row in await conn.fetch("select tablename from pg_tables where schemaname = 'public'")
        }
        revision = await conn.fetchval("select version_num from alembic_version")
        await conn.close()
    finally:
        await admin.execute(f"drop database {name} with (force)")
        await admin.close()
    assert revision == "0029"
    assert tables >= {"transfers", "accounts", "cards", "events", "pgqueuer", "platform_clock"}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(lambda url: on_database(url, "no_such"), "does not exist", id="missing database"),
        pytest.param(lambda url: url.replace("://", "://x", 1), "refuses us", id="unknown user"),
        pytest.param(lambda url: "nonsense", "OBVERSE_DATABASE_URL is wrong", id="no address"),
    ],
)
async def test_an_address_that_leads_nowhere_is_refused_in_one_line(
    database_url: str, spoil: Callable[[str], str], said: str
) -> None:
    with pytest.raises(CannotStart, match=rf"^[^\n]*{said}[^\n]*$") as caught:
        await migrate(Secret(spoil(database_url)))
    assert (urlsplit(database_url).password or "-none-") not in str(caught.value)


@pytest.mark.parametrize(
    "other",
    [{"bin": "941013"}, {"partitions": 2}, {"currency": "USD"}],
    ids=["bin", "partitions", "currency"],
)
async def test_settings_that_every_card_depends_on_cannot_change(
    database: Database, other: dict[str, object]
) -> None:
    await check_constants(database, Settings.load())
    await check_constants(database, Settings.load())
    (name,) = other
    with pytest.raises(CannotStart, match=f"OBVERSE_{name.upper()}="):
        await check_constants(database, Settings.load(**other))


@pytest.mark.parametrize("unit", ["connection", "transaction"])
async def test_a_statement_without_an_answer_in_time_means_unavailable_and_the_next_one_works(
    database_url: str, unit: str
) -> None:
    async with Database(Secret(database_url), connections=2, statement_timeout_ms=100) as database:
        for _ in range(2):
            with pytest.raises(Unavailable):
                async with getattr(database, unit)() as conn:
                    await conn.execute("select pg_sleep(60)")
        async with getattr(database, unit)() as conn:
            assert await conn.fetchval("select 1") == 1
            await conn.execute("select pg_sleep(0.2)", timeout=5)
