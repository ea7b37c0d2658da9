"""The platform's rooms over a database of their own, on the same server, for loads that fill tables.

So neither the platform under the other loads nor their tables see them.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import asyncpg

from obverse.bootstrap import Rooms, join_rooms, open_database, open_vault
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.database.embedded import EmbeddedPostgres
from obverse.kit.money import CurrencyCode
from obverse.kit.secret import Secret
from obverse.kit.settings import Settings

_SAMPLE_EVERY_S: Final = 0.05


class Aside(NamedTuple):
    """Rooms, their database, and a connection of its owner's."""

    rooms: Rooms
    database: Database
    conn: "asyncpg.Connection[asyncpg.Record]"


@asynccontextmanager
async def rooms_aside(scratch: Path, name: str, clock: Clock, **overrides: Any) -> AsyncIterator[Aside]:
    """The rooms over the database of this name, which is made where it is not."""
    server = EmbeddedPostgres(scratch)
    url = (await asyncio.to_thread(server.start)).reveal()
    owner = await asyncpg.connect(url)
    with suppress(asyncpg.DuplicateDatabaseError):
        await owner.execute(f"create database {name}")
    await owner.close()
    parts = urlsplit(url)
    own_url = Secret(f"{parts.scheme}://{parts.netloc}/{name}?{parts.query}")
    settings = Settings.load(data_dir=scratch, database_url=own_url, **overrides)
    try:
        async with open_database(settings) as (database, _):
            rooms = join_rooms(settings, database, await open_vault(settings, database), clock)
            await rooms.ledger.open_house(rooms.partitions, CurrencyCode(settings.currency))
            conn = await asyncpg.connect(own_url.reveal())
            yield Aside(rooms, database, conn)
            await conn.close()
            await rooms.bureau.close()
    finally:
        await asyncio.to_thread(server.stop)


async def peak_bytes() -> int:
    """The most memory that this process holds until the task is cancelled."""
    peak = resident_bytes()
    with suppress(asyncio.CancelledError):
        while True:
            await asyncio.sleep(_SAMPLE_EVERY_S)
            peak = max(peak, resident_bytes())
    return peak


def resident_bytes() -> int:
    """How much memory this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
