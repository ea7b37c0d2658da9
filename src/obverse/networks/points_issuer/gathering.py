"""Gathers what many payments ask of one issuer, so that requests grow with the load and not in number."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import structlog

from obverse.networks.points_issuer.failures import IssuerFailed

Item = TypeVar("Item")
Said = TypeVar("Said")

Send = Callable[[Sequence[Item], float], Awaitable[Sequence[Said | None]]]
"""Sends items until a moment of the loop's time: what came of each, None where nothing usable was said of it.
Raises `IssuerFailed` for all of them."""

SIZE_MAX: Final = 200
UNDER_WAY_MAX: Final = 4
_LINGER_S: Final = 0.005
"""How long items gather beside a request under way before they have one of their own."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Item, Said]):
    item: Item
    answer: asyncio.Future[Said]
    give_up_at: float
    is_sent: bool = False


class Gatherer(Generic[Item, Said]):
    """One kind of question to one issuer.

    While nothing is under way an item goes at once, together with what is asked in the same moment; beside
    requests under way the next items gather for some milliseconds. An answer that comes too late for an item
    meets nobody: each item has a future of its own.
    """

    def __init__(
        self, send: Send[Item, Said], *, size_max: int = SIZE_MAX, under_way_max: int = UNDER_WAY_MAX
    ) -> None:
        self._send = send
        self._size_max = size_max
        self._under_way_max = under_way_max
        self._queue: deque[_Waiting[Item, Said]] = deque()
        self._under_way: set[asyncio.Task[None]] = set()
        self._beginning: asyncio.Handle | None = None

    async def ask(self, item: Item, give_up_at: float) -> Said:
        """What the issuer says of it, by `give_up_at` of the loop's time. Raises `IssuerFailed`."""
        loop = asyncio.get_running_loop()
        waiting: _Waiting[Item, Said] = _Waiting(item, loop.create_future(), give_up_at)
        self._queue.append(waiting)
        if self._beginning is None:
            # Not at once: whoever else asks in this very moment comes along.
            self._beginning = loop.call_later(_LINGER_S if self._under_way else 0, self._begin)
        try:
            async with asyncio.timeout_at(give_up_at):
                return await waiting.answer
        except TimeoutError:
            raise IssuerFailed(is_sent=waiting.is_sent, is_late=True) from None

    async def close(self) -> None:
        """Give up what is under way, and begin nothing more."""
        if self._beginning is not None:
            self._beginning.cancel()
        under_way = list(self._under_way)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    def _begin(self) -> None:
        if self._beginning is not None:
            self._beginning.cancel()
            self._beginning = None
        while len(self._under_way) < self._under_way_max and (batch := self._next_batch()):
            task = asyncio.create_task(self._carry(batch))
            self._under_way.add(task)
            task.add_done_callback(self._ended)

    def _next_batch(self) -> Sequence[_Waiting[Item, Said]]:
        batch: list[_Waiting[Item, Said]] = []
        while self._queue and len(batch) < self._size_max:
            waiting = self._queue.popleft()
            if not waiting.answer.done():  # else whoever asked has given up
                batch.append(waiting)
        return batch

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if self._queue and not task.cancelled():
            self._begin()

    async def _carry(self, batch: Sequence[_Waiting[Item, Said]]) -> None:
        for waiting in batch:
            waiting.is_sent = True
        failure = IssuerFailed(is_sent=True)
        answers: Sequence[Said | None] = [None] * len(batch)
        try:
            answers = await self._send(
                [waiting.item for waiting in batch], max(waiting.give_up_at for waiting in batch)
            )
        except IssuerFailed as failed:
            failure = failed
        except Exception:  # noqa: BLE001 - a defect of ours must not leave payments hanging
            _log.exception("points_issuer_not_asked")
        finally:
            for waiting, answer in zip(batch, answers, strict=True):
                _answer(waiting, answer, failure)


def _answer(waiting: _Waiting[Item, Said], answer: Said | None, failure: IssuerFailed) -> None:
    if waiting.answer.done():
        return
    if answer is None:
        waiting.answer.set_exception(IssuerFailed(is_sent=failure.is_sent, is_late=failure.is_late))
    else:
        waiting.answer.set_result(answer)
