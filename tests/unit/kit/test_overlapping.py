"""Work that overlaps: order, how much at once, and nothing left running."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from obverse.kit.overlapping import overlapping


async def numbers(total: int, *, breaks_at: int | None = None) -> AsyncIterator[int]:
    for number in range(total):
        if number == breaks_at:
            raise ZeroDivisionError
        yield number


class Workshop:
    """Doubles numbers, the later ones faster, and remembers what it has begun and finished."""

    def __init__(self, *, breaks_at: int | None = None) -> None:
        self.begun: list[int] = []
        self.finished: list[int] = []
        self._breaks_at = breaks_at

    async def double(self, number: int) -> int:
        self.begun.append(number)
        await asyncio.sleep(0.01 / (1 + number))
        if number == self._breaks_at:
            raise KeyError(number)
        self.finished.append(number)
        return 2 * number


def nothing_else_runs() -> bool:
    return asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("at_once", [1, 2, 3, 10])
async def test_results_come_in_the_order_of_the_source_whoever_is_finished_first(at_once: int) -> None:
    workshop = Workshop()
    async with overlapping(numbers(7), workshop.double, at_once) as results:
        assert [pair async for pair in results] == [(number, 2 * number) for number in range(7)]
    assert workshop.begun == list(range(7))
    if at_once > 2:
        assert workshop.finished != sorted(workshop.finished), "they were under way together"
    assert nothing_else_runs()


async def test_no_more_are_under_way_than_may_be() -> None:
    workshop = Workshop()
    async with overlapping(numbers(7), workshop.double, 3) as results:
        async for number, _ in results:
            await asyncio.sleep(0.02)
            assert len(workshop.begun) == min(number + 3, 7)


@pytest.mark.parametrize("source_breaks", [True, False], ids=["the source", "the work"])
async def test_what_goes_wrong_is_raised_in_its_place(source_breaks: bool) -> None:
    broken = {"breaks_at": 4}
    workshop = Workshop(**{} if source_breaks else broken)
    source = numbers(7, **broken if source_breaks else {})
    seen: list[int] = []

    async def use() -> None:
        async with overlapping(source, workshop.double, 2) as results:
            async for number, _ in results:
                seen.append(number)

    with pytest.raises(ZeroDivisionError if source_breaks else KeyError):
        await use()
    assert seen == ([0, 1, 2] if source_breaks else [0, 1, 2, 3])
    assert nothing_else_runs()


@pytest.mark.parametrize("breaks_at", [None, 1], ids=["while others work", "after another went wrong"])
async def test_whoever_leaves_early_leaves_nothing_running(breaks_at: int | None) -> None:
    workshop = Workshop(breaks_at=breaks_at)
    async with overlapping(numbers(7), workshop.double, 3) as results:
        async for _ in results:
            await asyncio.sleep(0 if breaks_at is None else 0.02)
            break
    assert nothing_else_runs()
