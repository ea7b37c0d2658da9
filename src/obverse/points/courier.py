"""Tells issuers what became of their legs, again and again until they acknowledge it (P9).

What is to be told was written in the commit that decided it. It is sent at least once: a courier that dies
between sending and noting it leaves it to another one, and issuers bear repeats.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from obverse.kit import events
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import Unavailable
from obverse.kit.events import Event
from obverse.kit.ids import (
    AuthorizationId,
    EventId,
    NewId,
    PartitionId,
    PointsIssuerId,
    PointsMessageId,
    first_id_of,
    to_text,
)
from obverse.kit.telemetry import POINTS_MESSAGES_WAITING
from obverse.points.model import MessageKind, PointsMessage
from obverse.points.ports import LegsCancelled, TellIssuers
from obverse.points.repository import messages
from obverse.points.repository.messages import Due, Waiting

BATCH: Final = 800
"""Messages taken in hand by one commit; one more notes what came of those of each issuer."""
LEASE: Final = timedelta(seconds=10)
"""How long a courier has for them before another may send them: an issuer is usually given up much sooner,
and being told twice does no harm."""
PAUSE_MAX: Final = timedelta(seconds=30)
"""Payments are whole within a minute of an issuer's return (P7)."""
SILENT_AFTER: Final = timedelta(minutes=5)
_TOLD_EVERY: Final = timedelta(hours=1)
_KEPT_FOR: Final = timedelta(days=30)
_FORGET_BATCH: Final = 5_000
_POLL_S: Final = 0.5
_LINGER_S: Final = 0.02
"""Between two looks: nobody waits for this, and what comes in the meantime is sent along."""
_REST_S: Final = 1.0
"""After trouble of our own; and how long an issuer that acknowledges nothing is left alone."""
_STOP_S_MAX: Final = 5.0

_log = structlog.get_logger(__name__)


class Courier:
    """Sends what is due, in one process, until it is stopped. Several may do so at once.

    One set is under way to each issuer, so that one that is slow or down holds up no other.
    """

    def __init__(
        self,
        database: Database,
        issuers: TellIssuers,
        cancelled: LegsCancelled,
        *,
        clock: Clock,
        new_id: NewId,
        news: asyncio.Event,
    ) -> None:
        """`news` is set by whoever has left something to be told, which is then looked for at once."""
        self._database = database
        self._issuers = issuers
        self._cancelled = cancelled
        self._clock = clock
        self._new_id = new_id
        self._telling: dict[PointsIssuerId, asyncio.Task[None]] = {}
        self._news = news
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin in the background; needs no database yet."""
        self._task = asyncio.create_task(self._work(), name="points courier")

    async def stop(self) -> None:
        """Take no more in hand, and wait some seconds for what is under way; the rest is sent later."""
        if self._task is None:
            return
        self._stopping = True
        self._news.set()
        await asyncio.wait([self._task])
        if self._telling:
            _, late = await asyncio.wait(self._telling.values(), timeout=_STOP_S_MAX)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    # sending -----------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        while not self._stopping:
            self._news.clear()
            try:
                taken = await self._go_round()
            except Unavailable:
                _log.warning("points_messages_postponed", reason="database unavailable")
                await asyncio.sleep(_REST_S)
            except Exception:  # noqa: BLE001 - a defect must not end it: issuers wait to be told
                _log.exception("points_messages_postponed")
                await asyncio.sleep(_REST_S)
            else:
                if not taken:
                    await self._until_news()
                await asyncio.sleep(_LINGER_S)

    async def _until_news(self) -> None:
        try:
            await asyncio.wait_for(self._news.wait(), _POLL_S)
        except TimeoutError:
            return  # time for the poll: what was postponed may have become due

    async def _go_round(self) -> bool:
        """Take in hand what is due of issuers to whom nothing is under way; whether there was anything."""
        now = self._clock.now()
        async with self._database.transaction() as conn:
            due = await messages.take_due(conn, now, now + LEASE, self._telling, BATCH)
        sets: defaultdict[PointsIssuerId, list[Due]] = defaultdict(list)
        for each in due:
            sets[each.issuer_id].append(each)
        for issuer_id, of_issuer in sets.items():
            task = asyncio.create_task(self._tell(issuer_id, of_issuer))
            self._telling[issuer_id] = task
            task.add_done_callback(partial(self._told, issuer_id))
        return bool(due)

    def _told(self, issuer_id: PointsIssuerId, _task: asyncio.Task[None]) -> None:
        del self._telling[issuer_id]
        self._news.set()

    async def _tell(self, issuer_id: PointsIssuerId, due: Sequence[Due]) -> None:
        try:
            acknowledged = await self._issuers.tell(issuer_id, [each.message for each in due])
            heard = [each.message for each, is_heard in zip(due, acknowledged, strict=True) if is_heard]
            done = await self._follow_up(heard)
            await self._note(due, done)
        except Unavailable:
            _log.warning("points_messages_not_noted", reason="database unavailable")
            done = set()  # they are told once more when their lease is over
        except Exception:  # noqa: BLE001 - the same, and somebody has to look at it
            _log.exception("points_messages_not_noted", issuer=str(issuer_id))
            done = set()
        if not done and not self._stopping:
            await asyncio.sleep(_REST_S)

    async def _follow_up(self, heard: Sequence[PointsMessage]) -> set[PointsMessageId]:
        """Have the engine note which legs are undone; returns what of all this is done with."""
        undone: defaultdict[PartitionId, list[tuple[AuthorizationId, int]]] = defaultdict(list)
        for message in heard:
            if message.kind is MessageKind.CANCEL:
                undone[message.partition_id].append((message.authorization_id, message.position))
        for partition_id, legs in sorted(undone.items()):
            await self._cancelled(partition_id, legs)
        return {message.id for message in heard}

    async def _note(self, due: Sequence[Due], done: set[PointsMessageId]) -> None:
        now = self._clock.now()
        later = [(each.message.id, now + _pause(each.tries)) for each in due if each.message.id not in done]
        async with self._database.transaction() as conn:
            if done:
                await messages.finish(conn, sorted(done), now)
            if later:
                await messages.postpone(conn, later)

    # what happens now and then -----------------------------------------------------------------------------

    async def watch(self) -> None:
        """Count what is not acknowledged yet, and say aloud who has been silent for minutes."""
        now = self._clock.now()
        async with self._database.transaction() as conn:
            waiting = await messages.waiting(conn)
            silent = {each.issuer_id: each for each in waiting if each.since <= now - SILENT_AFTER}
            if silent:
                await self._announce(conn, silent, now)
        POINTS_MESSAGES_WAITING.set(sum(each.count for each in waiting))
        for each in silent.values():
            seconds = int((now - each.since).total_seconds())
            _log.error(
                "points_issuer_silent", issuer=str(each.issuer_id), messages=each.count, seconds=seconds
            )

    async def _announce(self, conn: Connection, silent: dict[PointsIssuerId, Waiting], now: datetime) -> None:
        told = await messages.note_silence(conn, sorted(silent), now, now - _TOLD_EVERY)
        await events.append(
            conn,
            [
                Event(
                    EventId(self._new_id()),
                    "points.issuer_silent",
                    id_,
                    {
                        "issuer": to_text("pis", id_),
                        "messages": silent[id_].count,
                        "since": silent[id_].since.isoformat(),
                    },
                    now,
                )
                for id_ in told
            ],
        )

    async def forget(self) -> None:
        """Delete what was acknowledged long ago."""
        before = PointsMessageId(first_id_of(self._clock.now() - _KEPT_FOR))
        forgotten = _FORGET_BATCH
        while forgotten == _FORGET_BATCH:
            async with self._database.transaction() as conn:
                forgotten = await messages.forget(conn, before, _FORGET_BATCH)


def _pause(tries: int) -> timedelta:
    """How long until a message is sent again: ever longer, but never for good."""
    return min(timedelta(seconds=2 ** min(tries - 1, 10)), PAUSE_MAX)
