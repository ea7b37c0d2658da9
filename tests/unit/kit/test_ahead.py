"""Working one step ahead: order, overlap, and nothing left running."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from obverse.kit.ahead import ahead


class Source:
    """Gives numbers, and remembers how far it has come and whether it was closed."""

    def __init__(self, total: int, *, breaks_at: int | None = None) -> None:
        self.made = 0
        self.closed = False
        self._total = total
        self._breaks_at = breaks_at

    async def numbers(self) -> AsyncGenerator[int, None]:
        try:
            for number in range(self._total):
                await asyncio.sleep(0)
                if number == self._breaks_at:
                    raise ZeroDivisionError
                self.made = number + 1
                yield number
        finally:
            self.closed = True


async def test_everything_comes_once_and_in_order() -> None:
    source = Source(5)
    async with ahead(source.numbers()) as numbers:
        assert [number async for number in numbers] == [0, 1, 2, 3, 4]
    assert source.closed


async def test_the_next_one_is_made_while_the_last_one_is_used_and_no_more_than_that() -> None:
    source = Source(5)
    async with ahead(source.numbers()) as numbers:
        async for number in numbers:
            for _ in range(10):
                await asyncio.sleep(0)
            assert source.made == min(number + 2, 5)


async def test_what_goes_wrong_in_advance_is_raised_in_its_place() -> None:
    seen: list[int] = []

    async def use() -> None:
        async with ahead(Source(5, breaks_at=2).numbers()) as numbers:
            async for number in numbers:
                seen.append(number)
                await asyncio.sleep(0.01)

    with pytest.raises(ZeroDivisionError):
        await use()
    assert seen == [0, 1]


@pytest.mark.parametrize("breaks_at", [None, 1], ids=["in the middle of work", "after it went wrong"])
async def test_whoever_leaves_early_leaves_nothing_running(breaks_at: int | None) -> None:
    source = Source(5, breaks_at=breaks_at)

    async def use() -> None:
        async with ahead(source.numbers()) as numbers:
            async for _ in numbers:
                await asyncio.sleep(0 if breaks_at is None else 0.01)
                raise KeyError

    with pytest.raises(KeyError):
        await use()
    assert source.closed
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_steps_one_behind_the_other_are_all_closed() -> None:
    source = Source(5)

    async def doubled() -> AsyncGenerator[int, None]:
        async with ahead(source.numbers()) as numbers:
            async for number in numbers:
                yield 2 * number

    async with ahead(doubled()) as numbers:
        async for number in numbers:
            if number == 2:
                break
    assert source.closed
    assert asyncio.all_tasks() == {asyncio.current_task()}
