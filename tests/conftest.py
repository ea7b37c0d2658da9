"""What all tests share: one PostgreSQL per run, a fresh database per test, time, ids and randomness.

With OBVERSE_DATABASE_URL (a login that may create databases and roles) that server is used instead.
"""

import asyncio
import os
import random
import shutil
import tempfile
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.database.embedded import EmbeddedPostgres
from obverse.kit.database.migrating import migrate
from obverse.kit.ids import NewId, uuid7_source
from obverse.kit.secret import Secret


def on_database(server_url: str, name: str) -> str:
    """The address of another database on the same server."""
    parts = urlsplit(server_url)
    # Written out, because `urlunsplit` drops an empty host, and a socket's address has none.
    return f"{parts.scheme}://{parts.netloc}/{name}" + (f"?{parts.query}" if parts.query else "")


_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
_ROOM_BYTES: Final = 3 * 2**30


def _roomiest() -> Path | None:
    """Memory, where there is enough: tests make and drop a thousand databases of hundreds of files each.

    What has to survive a kill is tested on servers of those tests' own, on the disk.
    """
    if not _MEMORY.is_dir() or shutil.disk_usage(_MEMORY).free < _ROOM_BYTES:
        return None
    return _MEMORY


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A login that may create databases, on a server that lives as long as the test run."""
    given = os.environ.pop("OBVERSE_DATABASE_URL", None)
    if given is not None:
        yield given
        return
    folder = Path(tempfile.mkdtemp(prefix="obverse-test-", dir=_roomiest()))
    folder.chmod(0o755)  # root's tests run PostgreSQL as another user
    server = EmbeddedPostgres(folder, settings={"shared_buffers": "128MB", "min_wal_size": "80MB"})
    url = server.start().reveal()
    yield url
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def template_database(postgres_url: str) -> Iterator[str]:
    """A migrated database that tests copy: a copy takes a tenth of the time of a migration."""
    name = f"obverse_template_{uuid4().hex}"
    asyncio.run(_on_server(postgres_url, f"create database {name}"))
    asyncio.run(migrate(Secret(on_database(postgres_url, name))))
    yield name
    asyncio.run(_on_server(postgres_url, f"drop database {name} with (force)"))


@pytest.fixture
async def database_url(postgres_url: str, template_database: str) -> AsyncIterator[str]:
    """The address of a migrated database of this test's own, for processes that it starts."""
    name = f"obverse_test_{uuid4().hex}"
    # Copied file by file: by way of the journal, which is the default, takes three times as long.
    await _on_server(postgres_url, f"create database {name} template {template_database}")
    yield on_database(postgres_url, name)
    await _on_server(postgres_url, f"drop database {name} with (force)")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated database of this test's own, as the application sees it."""
    async with Database(Secret(database_url)) as database:
        yield database


@pytest.fixture
def cut_connections(postgres_url: str, database_url: str) -> Callable[[], Awaitable[None]]:
    """Cuts every connection to this test's database, as a server that goes down does."""
    name = urlsplit(database_url).path[1:]

    async def cut() -> None:
        conn = await asyncpg.connect(postgres_url)
        await conn.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)
        await conn.close()

    return cut


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def random_bytes(request: pytest.FixtureRequest) -> Callable[[int], bytes]:
    """Randomness that is the same in every run of this test."""
    return random.Random(zlib.crc32(request.node.nodeid.encode())).randbytes


@pytest.fixture
def new_id(clock: Clock, random_bytes: Callable[[int], bytes]) -> NewId:
    return uuid7_source(clock.now_ms, random_bytes)


async def _on_server(url: str, statement: str) -> None:
    conn = await asyncpg.connect(url)
    try:
        await conn.execute(statement)
    finally:
        await conn.close()
