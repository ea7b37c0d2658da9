"""What a server must be like before money is put into it."""

from typing import Final

from obverse.kit.database.pool import Database
from obverse.kit.errors import CannotStart
from obverse.kit.settings import Settings

_VERSION_MIN: Final = 150000
_DURABLE: Final = ("fsync", "full_page_writes", "synchronous_commit")


async def check_server(database: Database) -> None:
    """Refuse a server that could forget an answer we gave, or that is too old.

    Raises `CannotStart` (one line) if the server is older than 15, or runs without fsync,
    full_page_writes or synchronous_commit. Source: promise P5.
    """
    async with database.connection() as conn:
        version: int = await conn.fetchval("select current_setting('server_version_num')::int")
        rows = await conn.fetch("select name, setting from pg_settings where name = any($1)", _DURABLE)
    if version < _VERSION_MIN:
        raise CannotStart(f"PostgreSQL {version // 10_000} is too old. Obverse needs version 15 or newer.")
    off = sorted(row["name"] for row in rows if row["setting"] == "off")
    if off:
        raise CannotStart(
            f"PostgreSQL runs with {', '.join(off)} off and could lose payments it has confirmed. "
            "Turn it on (postgresql.conf, or alter role/database ... reset) and start again."
        )


async def check_constants(database: Database, settings: Settings) -> None:
    """Refuse settings other than those this database was first used with: every card depends on them.

    Raises `CannotStart` (one line) naming the setting and the value it must have.
    """
    wanted = {"bin": settings.bin, "partitions": settings.partitions, "currency": settings.currency}
    async with database.transaction() as conn:
        await conn.execute(
            "insert into platform_constants (bin, partitions, currency) values ($1, $2, $3)"
            " on conflict do nothing",
            *wanted.values(),
        )
        stored = await conn.fetchrow("select bin, partitions, currency from platform_constants")
    assert stored is not None, "it was just inserted, or there"
    for name, value in wanted.items():
        if stored[name] != value:
            raise CannotStart(
                f"This database was set up with OBVERSE_{name.upper()}={stored[name]}, not {value}. "
                "Set it back, or use another database."
            )
