"""What runs in the background: durable jobs, and chores that repeat.

A *job* is work that must happen because of a commit, such as reversing a payment whose answer never came:
it is enqueued in that very transaction, and tried until it succeeds. pgqueuer keeps the queue.
A *chore* looks every few seconds for what is due, such as recovery. It keeps no state of its own, so a
plain loop in every process does: what must not be done twice is locked in the database.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import structlog

from obverse.kit.database import Connection, Database
from obverse.kit.errors import Unavailable
from obverse.kit.telemetry import JOBS_POSTPONED, JOBS_WAITING

if TYPE_CHECKING:
    import asyncpg
    from pgqueuer import PgQueuer
    from pgqueuer.queries import Queries

Handler: TypeAlias = Callable[[bytes], Awaitable[None]]
"""Does one job, given its payload. May run more than once, so it must be safe to repeat."""

_RETRY_DELAY_MAX: Final = timedelta(minutes=1)
_ALERT_AFTER_ATTEMPTS: Final = 5
_HEARTBEAT_TIMEOUT: Final = timedelta(seconds=10)
"""A job of a process that was killed is taken up by another one after this."""
_RECONNECT_SECONDS: Final = 0.5
_MEASURE_EVERY: Final = timedelta(seconds=5)
_STOP_SECONDS_MAX: Final = 10

_COUNT_WAITING: Final = (
    "select entrypoint, count(*) from pgqueuer where entrypoint = any($1) group by entrypoint"
)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Chore:
    """`run` is called, then left alone for `every`, and so on; a failure is logged and tried again."""

    name: str
    every: timedelta
    run: Callable[[], Awaitable[object]]


async def enqueue(conn: Connection, entrypoint: str, payloads: Sequence[bytes]) -> None:
    """Add jobs in the caller's transaction: they exist if and only if it commits."""
    if payloads:
        from pgqueuer.queries import Queries

        count = len(payloads)
        queries = Queries.from_asyncpg_connection(cast("asyncpg.Connection[asyncpg.Record]", conn))
        await queries.enqueue([entrypoint] * count, list(payloads), [0] * count)


class Worker:
    """Runs the jobs and chores of one process, through database outages, until stopped."""

    def __init__(self, database: Database, handlers: Mapping[str, Handler], chores: Sequence[Chore]) -> None:
        self._database = database
        self._handlers = handlers
        self._chores = chores
        self._stopping = asyncio.Event()
        self._queue: PgQueuer | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin in the background; needs no database yet."""
        chores = [*self._chores, Chore("measure jobs", _MEASURE_EVERY, self._measure)]
        loops = [self._repeat(chore) for chore in chores]
        if self._handlers:
            loops.append(self._work())
        self._tasks = [asyncio.create_task(loop) for loop in loops]

    async def stop(self) -> None:
        """Let what is running finish, for ten seconds at most; the rest is done after the next start."""
        self._stopping.set()
        if self._queue is not None:
            self._queue.shutdown.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_STOP_SECONDS_MAX)
            for task in late:
                task.cancel()
            await asyncio.wait(self._tasks)
        self._tasks = []

    async def _repeat(self, chore: Chore) -> None:
        while not self._stopping.is_set():
            try:
                await chore.run()
            except Unavailable:
                _log.warning("chore_postponed", chore=chore.name, reason="unavailable")
            except Exception:  # noqa: BLE001
                # A defect in one chore must not end it, nor the others: money may be waiting for them.
                _log.exception("chore_failed", chore=chore.name)
            await self._rest(chore.every.total_seconds())

    async def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                async with self._database.dedicated() as conn:
                    await self._run_queue(conn)
            except Unavailable:
                _log.warning("jobs_postponed", reason="database unavailable")
            except Exception:  # noqa: BLE001 - the queue has to come back, whatever ended it
                _log.exception("job_queue_failed")
            await self._rest(_RECONNECT_SECONDS)

    async def _run_queue(self, conn: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Run the queue on a connection of its own.

        When that is lost everything pgqueuer had in hand ends with it, and is taken up again from what the
        database says. On a pool it would go on, and report jobs as failed for lack of a database.
        """
        from pgqueuer import PgQueuer
        from pgqueuer.queries import Queries

        queue = PgQueuer.from_asyncpg_connection(conn)
        for entrypoint, handler in self._handlers.items():
            queue.entrypoint(entrypoint, on_failure="hold", accepts_context=False)(_persistent(handler))
        self._queue = queue
        conn.add_termination_listener(lambda _: queue.shutdown.set())
        if self._stopping.is_set():
            return
        await _take_up_held_jobs(Queries.from_asyncpg_connection(conn))
        await queue.qm.run(
            dequeue_timeout=timedelta(seconds=5),
            batch_size=25,
            max_concurrent_tasks=100,
            heartbeat_timeout=_HEARTBEAT_TIMEOUT,
            shutdown_on_listener_failure=True,
        )

    async def _measure(self) -> None:
        async with self._database.connection() as conn:
            rows = await conn.fetch(_COUNT_WAITING, list(self._handlers))
        waiting = {row["entrypoint"]: row["count"] for row in rows}
        for entrypoint in self._handlers:
            JOBS_WAITING.labels(entrypoint).set(waiting.get(entrypoint, 0))

    async def _rest(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return


async def _take_up_held_jobs(queries: "Queries") -> None:
    """Queue again what pgqueuer put aside because it could not even write down the retry."""
    held = await queries.list_failed_jobs(limit=1000)
    if held:
        await queries.requeue_jobs([job.id for job in held])


def _persistent(handler: Handler) -> Callable[[Any], Awaitable[None]]:
    """Try again after every failure, waiting longer each time; never give up, but say so aloud."""
    from pgqueuer.errors import RetryRequested

    async def attempt(job: Any) -> None:
        try:
            await handler(job.payload or b"")
        except Exception as error:  # noqa: BLE001 - a job is owed, whatever went wrong
            JOBS_POSTPONED.labels(job.entrypoint).inc()
            loud = job.attempts >= _ALERT_AFTER_ATTEMPTS and not isinstance(error, Unavailable)
            (_log.error if loud else _log.warning)(
                "job_postponed", entrypoint=job.entrypoint, job=job.id, attempts=job.attempts, exc_info=loud
            )
            delay = min(timedelta(seconds=2 ** min(job.attempts, 10)), _RETRY_DELAY_MAX)
            # Not chained: pgqueuer stores the traceback, and only the log knows how to redact one.
            raise RetryRequested(delay=delay) from None

    return attempt
