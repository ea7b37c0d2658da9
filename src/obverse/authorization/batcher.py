"""Gathers commands while the one before is being committed, so that the batch size follows the load."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import asyncpg

from obverse.kit.errors import Unavailable

C = TypeVar("C")
R = TypeVar("R")

CarryOut = Callable[[Sequence[C]], Awaitable[Sequence[R | Exception]]]
"""Carries out a batch in one commit: a result or a refusal for each command. Raises if nothing was committed
for sure, or if that is unknown; then the commands are given again, which they must bear."""

_LANES: Final = 4
"""Batches under way at once: while the database works on one, Python prepares or finishes the other."""
_WORTH_A_SECOND_BATCH: Final = 24
_TRIES_ALONE_MAX: Final = 5
_OUTAGE_PAUSE_S: Final = 0.1
_EXPIRE_EVERY_S: Final = 0.1


@dataclass(slots=True)
class _Waiting(Generic[C, R]):
    command: C
    answer: asyncio.Future[R]
    give_up_at: float


class Batcher(Generic[C, R]):
    """One queue: while a batch is being committed, the next one gathers.

    One request alone is carried out at once; a thousand waiting share a commit or two. A batch in which a
    command goes wrong is split and carried out one by one, so that it never takes its neighbours down. While
    the database is gone, commands wait until their patience is over and are refused with `Unavailable`.
    """

    def __init__(
        self, carry_out: CarryOut[C, R], *, size_max: int, patience_s: float, observe: Callable[[int], None]
    ) -> None:
        self._carry_out = carry_out
        self._size_max = size_max
        self._patience_s = patience_s
        self._observe = observe
        self._queue: deque[_Waiting[C, R]] = deque()
        self._under_way: list[Sequence[_Waiting[C, R]]] = []
        self._wake = asyncio.Event()
        self._closed = False

    def submit(self, command: C) -> asyncio.Future[R]:
        """Queue a command. The future gives its result after the commit, or raises its refusal."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()
        if self._closed:
            answer.set_exception(Unavailable("The platform is shutting down."))
            return answer
        self._queue.append(_Waiting(command, answer, loop.time() + self._patience_s))
        self._wake.set()
        return answer

    async def run(self) -> None:
        """Work until `close`, then finish what is queued."""
        expiry = asyncio.create_task(self._expire())
        try:
            await asyncio.gather(*[self._work() for _ in range(_LANES)])
        finally:
            expiry.cancel()

    async def _work(self) -> None:
        while self._queue or not self._closed:
            if not self._has_work():
                if self._closed:
                    return  # whoever is under way finishes what is left
                self._wake.clear()
                await self._wake.wait()
                continue
            count = min(len(self._queue), self._size_max)
            batch = [self._queue.popleft() for _ in range(count)]
            self._observe(count)
            self._under_way.append(batch)
            await self._settle(batch)
            self._under_way.remove(batch)

    def _has_work(self) -> bool:
        """Whether a batch should begin now; beside another one only where enough is waiting for it."""
        return len(self._queue) >= (_WORTH_A_SECOND_BATCH if self._under_way else 1)

    def close(self) -> None:
        """Take no more commands."""
        self._closed = True
        self._wake.set()

    async def _settle(self, batch: Sequence[_Waiting[C, R]]) -> None:
        try:
            async with asyncio.timeout(self._patience_s):
                results = await self._carry_out([w.command for w in batch])
        except (Unavailable, TimeoutError):
            await self._try_again_later(batch)
        except Exception as error:  # noqa: BLE001 - handed to whoever asked
            await self._settle_one_by_one(batch, error)
        else:
            for waiting, result in zip(batch, results, strict=True):
                _answer(waiting, result)

    async def _settle_one_by_one(self, batch: Sequence[_Waiting[C, R]], error: Exception) -> None:
        if len(batch) > 1:
            for waiting in batch:
                await self._settle([waiting])
        elif not isinstance(error, _WORTH_RETRYING):
            _answer(batch[0], error)
        else:
            await self._settle_alone(batch[0])

    async def _settle_alone(self, waiting: _Waiting[C, R]) -> None:
        """A twin got in between, or a deadlock was broken: look again, the world has moved on."""
        for attempt in range(_TRIES_ALONE_MAX):
            try:
                async with asyncio.timeout(self._patience_s):
                    (result,) = await self._carry_out([waiting.command])
            except (Unavailable, TimeoutError):
                return await self._try_again_later([waiting])
            except Exception as error:  # noqa: BLE001 - handed to whoever asked
                if attempt == _TRIES_ALONE_MAX - 1 or not isinstance(error, _WORTH_RETRYING):
                    return _answer(waiting, error)
            else:
                return _answer(waiting, result)
        return None

    async def _try_again_later(self, batch: Sequence[_Waiting[C, R]]) -> None:
        """Put the batch back in front: whether it was committed is unknown, and its commands find out."""
        self._queue.extendleft(w for w in reversed(batch) if not w.answer.done())
        await asyncio.sleep(_OUTAGE_PAUSE_S)

    async def _expire(self) -> None:
        """Refuse what has waited too long, also while the batch before it hangs."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_EXPIRE_EVERY_S)
            now = loop.time()
            for batch in self._under_way:
                for waiting in batch:
                    if waiting.give_up_at <= now:
                        _answer(waiting, Unavailable())
            while self._queue and (self._queue[0].answer.done() or self._queue[0].give_up_at <= now):
                _answer(self._queue.popleft(), Unavailable())


_WORTH_RETRYING: Final = (
    asyncpg.UniqueViolationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
)


def _answer(waiting: _Waiting[C, R], result: R | Exception) -> None:
    if waiting.answer.done():
        return  # whoever asked has gone, or was refused already
    if isinstance(result, Exception):
        waiting.answer.set_exception(result)
    else:
        waiting.answer.set_result(result)
