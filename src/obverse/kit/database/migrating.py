"""Bring a database to the schema of this version: our tables by Alembic, the job queue's by pgqueuer.

Alembic keeps the order and the version; the migrations themselves are plain SQL, run by `run_sql`.
"""

import re
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from obverse.kit.database.pool import APPLICATION_ROLE
from obverse.kit.errors import CannotStart, Unavailable
from obverse.kit.secret import Secret

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as SyncConnection

_LOCK: Final = 0x6F62_7665_7273_65
"""One migrator at a time in a database: `obverse` in ASCII, as an advisory lock."""

_CREATE_ROLE: Final = f"""
do $$ begin
    create role {APPLICATION_ROLE} nologin;
exception when duplicate_object or unique_violation then null;  -- made meanwhile, from another database
end $$
"""

_MAY_BECOME_ROLE: Final = """
select pg_has_role(
    $1, case when current_setting('server_version_num')::int < 160000 then 'member' else 'set' end
)
"""

_GRANT_QUEUE: Final = f"""
do $$ declare thing regclass; begin
    for thing in select oid from pg_class where relnamespace = 'public'::regnamespace
                  and relname like 'pgqueuer%' and relkind in ('r', 'S') loop
        if (select relkind from pg_class where oid = thing) = 'r' then
            execute format('grant select, insert, update, delete on %s to {APPLICATION_ROLE}', thing);
        else
            execute format('grant usage, select on sequence %s to {APPLICATION_ROLE}', thing);
        end if;
    end loop;
end $$
"""


def run_sql(sql: str) -> None:
    """Run a script of SQL statements inside a migration, in the migration's transaction.

    It goes to the driver as it is: it may hold many statements, and nothing in it is taken for a parameter.
    """
    from alembic import op

    dbapi_connection: Any = op.get_bind().connection.dbapi_connection
    dbapi_connection.run_async(lambda conn: conn.execute(sql))


async def migrate(url: Secret) -> None:
    """Create the application's role, and bring the schema to this version; does nothing when it is there.

    Any number of processes may do this at once. `url` must name a login that may create tables (and the
    role, if it is missing). Raises `Unavailable` without a server, `CannotStart` where a right is missing.
    """
    try:
        conn = await asyncpg.connect(url.reveal())
    except (OSError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError) as error:
        raise Unavailable("The database cannot be reached. Start it, or set OBVERSE_DATABASE_URL.") from error
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise CannotStart(f"The database refuses us: {error}. Set OBVERSE_DATABASE_URL.") from error
    except (asyncpg.ClientConfigurationError, ValueError):
        # Not chained: the address holds a password.
        raise CannotStart(
            "OBVERSE_DATABASE_URL is wrong: it should look like postgresql://user:password@host/database."
        ) from None
    try:
        if await _is_current(conn):
            return
        await conn.execute("select pg_advisory_lock($1)", _LOCK)
        await _ensure_role(conn)
        await _upgrade_tables(url)
        await _upgrade_queue(conn)
    except asyncpg.InsufficientPrivilegeError as error:
        raise CannotStart(f"The database login may not set up the schema: {error.args[0]}.") from error
    finally:
        await conn.close()


def migrations_folder() -> Path:
    """Where the Alembic scripts are: inside the package when installed, else in the checkout."""
    package = Path(__file__).resolve().parents[2]
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parents[1] / "migrations"


@cache
def newest_revision() -> str:
    """The revision no other one builds on, read from the scripts' text because Alembic is slow to load."""
    scripts = [path.read_text() for path in (migrations_folder() / "versions").glob("*.py")]
    pattern = r'^(?:down_)?revision = "(\w+)"$'
    named: list[str] = [name for text in scripts for name in re.findall(pattern, text, re.MULTILINE)]
    heads = [name for name in named if named.count(name) == 1]
    if len(heads) != 1:
        raise CannotStart(f"Migrations must end in one revision, not {len(heads)}: {', '.join(heads)}.")
    return heads[0]


def _queue_version() -> str:
    return f"pgqueuer {metadata.version('pgqueuer')}"


async def _is_current(conn: "asyncpg.Connection[asyncpg.Record]") -> bool:
    if not await conn.fetchval(
        "select to_regclass('public.alembic_version') is not null"
        " and to_regclass('public.pgqueuer') is not null"
        " and exists (select from pg_roles where rolname = $1)",
        APPLICATION_ROLE,
    ):
        return False
    row = await conn.fetchrow(
        "select (select version_num from alembic_version) as revision,"
        " obj_description('pgqueuer'::regclass, 'pg_class') as queue"
    )
    current = row is not None and (row["revision"], row["queue"]) == (newest_revision(), _queue_version())
    return current and bool(await conn.fetchval(_MAY_BECOME_ROLE, APPLICATION_ROLE))


async def _ensure_role(conn: "asyncpg.Connection[asyncpg.Record]") -> None:
    if not await conn.fetchval("select exists (select from pg_roles where rolname = $1)", APPLICATION_ROLE):
        await conn.execute(_CREATE_ROLE)
    if not await conn.fetchval(_MAY_BECOME_ROLE, APPLICATION_ROLE):
        await conn.execute(f"grant {APPLICATION_ROLE} to current_user")


async def _upgrade_tables(url: Secret) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    # The creator lets asyncpg read the address, so that one spelling of it works everywhere.
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url.reveal()), poolclass=NullPool
    )
    async with engine.connect() as conn:
        await conn.run_sync(_run_alembic)
    await engine.dispose()


def _run_alembic(connection: "SyncConnection") -> None:
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    command.upgrade(config, "head")


async def _upgrade_queue(conn: "asyncpg.Connection[asyncpg.Record]") -> None:
    from pgqueuer.queries import Queries

    queries = Queries.from_asyncpg_connection(conn)
    if await queries.schema_is_installed():
        await queries.upgrade()
    else:
        await queries.install()
    await conn.execute(_GRANT_QUEUE)
    # Last, because it is what `_is_current` looks for.
    await conn.execute(f"comment on table pgqueuer is '{_queue_version()}'")
