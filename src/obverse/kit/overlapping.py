"""Several pieces of work under way at once, so that what waits for the database and what computes overlap."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

Work = Callable[[T], Coroutine[Any, Any, R]]


@asynccontextmanager
async def overlapping(
    source: AsyncIterator[T], work: Work[T, R], at_once: int
) -> AsyncIterator[AsyncIterator[tuple[T, R]]]:
    """Everything that `source` gives, each with what `work` makes of it, in the order of the source.

    Work on up to `at_once` of them is begun in that order and goes on while an earlier one is being used.
    Leaving the block, by whatever way, stops what is under way.
    """
    under_way: deque[tuple[T, asyncio.Task[R]]] = deque()

    async def first() -> tuple[T, R]:
        item, task = under_way[0]
        result = await task
        under_way.popleft()
        return item, result

    async def results() -> AsyncGenerator[tuple[T, R], None]:
        async for item in source:
            under_way.append((item, asyncio.create_task(work(item))))
            if len(under_way) == at_once:
                yield await first()
        while under_way:
            yield await first()

    try:
        async with aclosing(results()) as in_order:
            yield in_order
    finally:
        tasks = [task for _, task in under_way]
        for task in tasks:
            task.cancel()
        # What went wrong with those is of no interest to whoever has left already.
        await asyncio.gather(*tasks, return_exceptions=True)
