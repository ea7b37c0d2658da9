"""The platform's clock, and how it is moved in the sandbox for all processes at once.

Every process keeps the same offset, stored in the database and announced with NOTIFY; expiry,
recovery and schedules read `Clock.now`, never the system's clock. Source: PF-10.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from obverse.kit.database import Connection, Database
from obverse.kit.errors import InvalidRequest, Unavailable

_CHANNEL: Final = "obverse_clock"
_POLL_SECONDS: Final = 1.0
_STEP_MAX: Final = timedelta(days=3660)
_OFFSET_MAX: Final = timedelta(days=36_500)
_US: Final = timedelta(microseconds=1)

_log = structlog.get_logger(__name__)


class Clock:
    """System time plus an offset that only the sandbox may change."""

    __slots__ = ("_offset_us",)

    def __init__(self, offset: timedelta = timedelta()) -> None:
        self._offset_us = offset // _US

    def now(self) -> datetime:
        """The platform's time, in UTC."""
        return datetime.fromtimestamp((time.time_ns() // 1000 + self._offset_us) / 1_000_000, UTC)

    def now_ms(self) -> int:
        """The platform's time as Unix milliseconds, for ids."""
        return (time.time_ns() // 1000 + self._offset_us) // 1000

    @property
    def offset(self) -> timedelta:
        return timedelta(microseconds=self._offset_us)

    def move_to(self, offset: timedelta) -> None:
        """Take over the offset that the database announced."""
        self._offset_us = offset // _US


class ClockFollower:
    """Keeps one process's clock where the database says it is, through outages too, and moves it for all."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take over the offset, then follow it in the background. Raises `Unavailable` without a database."""
        async with self._database.connection() as conn:
            await self._read(conn)
        self._task = asyncio.create_task(self._follow(), name="clock follower")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def advance(self, by: timedelta) -> datetime:
        """Move the platform's time forward for every process, and return the new time.

        Other processes follow at once by NOTIFY, at the latest with their next poll. Raises `InvalidRequest`
        for a step backwards: what has expired cannot come back to life.
        """
        if by <= timedelta():
            raise InvalidRequest("The clock only moves forward.", "by")
        if by > _STEP_MAX:
            raise InvalidRequest(f"The clock moves {_STEP_MAX.days} days at a time at most.", "by")
        async with self._database.transaction() as conn:
            offset_us = await conn.fetchval(
                "update platform_clock set offset_us = offset_us + $1 returning offset_us", by // _US
            )
            if offset_us * _US > _OFFSET_MAX:
                raise InvalidRequest(f"The clock stands {_OFFSET_MAX.days} days ahead at most.", "by")
            await conn.execute("select pg_notify($1, '')", _CHANNEL)
        self._take_over(offset_us)
        return self._clock.now()

    async def _follow(self) -> None:
        while True:
            try:
                await self._listen()
            except Unavailable:
                _log.warning("clock_not_followed", reason="database unavailable")
                await asyncio.sleep(_POLL_SECONDS)
            except Exception:  # noqa: BLE001 - a process that stopped following would have a time of its own
                _log.exception("clock_not_followed")
                await asyncio.sleep(_POLL_SECONDS)

    async def _listen(self) -> None:
        async with self._database.dedicated() as conn:
            await conn.add_listener(_CHANNEL, lambda *_: self._moved.set())
            while True:
                self._moved.clear()
                await self._read(conn)
                try:
                    await asyncio.wait_for(self._moved.wait(), _POLL_SECONDS)
                except TimeoutError:
                    continue  # the poll: a notification may have been lost with a connection

    async def _read(self, conn: Connection) -> None:
        self._take_over(await conn.fetchval("select offset_us from platform_clock"))

    def _take_over(self, offset_us: int) -> None:
        # A read that was under way while the clock was moved may arrive late; time never goes back for it.
        self._clock.move_to(max(self._clock.offset, offset_us * _US))
