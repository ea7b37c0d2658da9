"""The connection pool and the unit of work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeAlias

import asyncpg

from obverse.kit.errors import ObverseError, Unavailable
from obverse.kit.secret import Secret

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = PoolConnectionProxy[asyncpg.Record] | asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

APPLICATION_ROLE: Final = "obverse_app"
"""Owns nothing and may not rewrite the journal (P3); sessions of the application run as this role."""

_GONE: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""What PostgreSQL says when it is stopping, starting, broken, full or a standby: not a defect of ours."""


class Database:
    """A pool of connections to one PostgreSQL database, which outlives outages of that server.

    Everything in it raises `Unavailable` when the server is gone, when the pool stays empty for
    `acquire_timeout_ms`, or when a statement takes longer than `statement_timeout_ms` (None: for ever): a
    server that hangs is as good as gone. Statements that may take longer bring a `timeout` of their own.
    The next call tries again, so nothing has to be restarted.

    Connections are handed back without a reset, which saves a round trip per transaction. So nobody
    may leave anything behind on them: no `set`, no session lock, no `listen`. Use `dedicated` for that.
    """

    def __init__(
        self,
        url: Secret,
        *,
        role: str | None = APPLICATION_ROLE,
        application_name: str = "obverse",
        connections: int = 10,
        acquire_timeout_ms: int = 2_000,
        statement_timeout_ms: int | None = None,
    ) -> None:
        self._url = url
        self._connections = connections
        self._acquire_timeout = acquire_timeout_ms / 1000
        self._statement_timeout = None if statement_timeout_ms is None else statement_timeout_ms / 1000
        self._session = {"application_name": application_name} | ({"role": role} if role else {})
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def open(self) -> None:
        """Make the pool; connects once, so that a wrong address shows at start. Raises `Unavailable`."""
        pool = asyncpg.create_pool(
            self._url.reveal(),
            min_size=1,
            max_size=self._connections,
            max_queries=2**53,
            max_inactive_connection_lifetime=0,
            timeout=self._acquire_timeout,
            command_timeout=self._statement_timeout,
            max_cached_statement_lifetime=0,
            statement_cache_size=500,
            server_settings=self._session,
            reset=_leave_as_it_is,
        )
        try:
            await pool
        except (*_GONE, OSError) as error:
            raise Unavailable("The database cannot be reached.") from error
        self._pool = pool

    async def close(self) -> None:
        """Wait for what is running, then close; whatever still runs after ten seconds is cut off."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            await asyncio.wait_for(pool.close(), 10)
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            pool.terminate()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for reading outside a transaction."""
        async with self._lease() as conn:
            yield conn

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection inside one transaction: committed at the end, rolled back on any exception.

        `Unavailable` raised while leaving means that the outcome is unknown: the commit may have happened.
        """
        async with self._lease() as conn:
            transaction = conn.transaction()
            await transaction.start()
            try:
                yield conn
            except TimeoutError:
                raise  # no rollback on a connection that hangs: `_lease` cuts it
            except Exception:
                await transaction.rollback()
                raise
            await transaction.commit()

    @asynccontextmanager
    async def dedicated(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """A connection of one's own, outside the pool: for `listen` and for session locks."""
        try:
            conn = await asyncpg.connect(
                self._url.reveal(), timeout=self._acquire_timeout, server_settings=self._session
            )
        except (*_GONE, OSError) as error:
            raise Unavailable from error
        try:
            yield conn
        except Exception as error:
            _raise_unavailable_if_gone(conn, error)
            raise
        finally:
            conn.terminate()

    @asynccontextmanager
    async def _lease(self) -> AsyncIterator[Connection]:
        pool = self._pool
        if pool is None:
            raise Unavailable("The database is not open.")
        try:
            conn = await pool.acquire(timeout=self._acquire_timeout)
        except (*_GONE, asyncpg.InterfaceError, OSError) as error:
            raise Unavailable from error
        try:
            yield conn
        except Exception as error:
            _raise_unavailable_if_gone(conn, error)
            raise
        except BaseException:
            # Cancelled in the middle: the server may still be working, or hold an open transaction with
            # all its locks. Such a connection must never reach the next user of the pool.
            _terminate(conn)
            raise
        finally:
            await pool.release(conn)


async def _leave_as_it_is(conn: object) -> None:
    """Replace asyncpg's reset between two users of a connection; see `Database`."""


def _raise_unavailable_if_gone(conn: Connection, error: Exception) -> None:
    if isinstance(error, ObverseError):
        return
    if isinstance(error, (*_GONE, TimeoutError)) or _is_closed(conn):
        _terminate(conn)
        raise Unavailable from error


def _is_closed(conn: Connection) -> bool:
    try:
        return conn.is_closed()
    except asyncpg.InterfaceError:  # the pool has noticed before us, and taken the connection back
        return True


def _terminate(conn: Connection) -> None:
    if not _is_closed(conn):
        conn.terminate()
