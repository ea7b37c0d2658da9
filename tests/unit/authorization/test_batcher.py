"""Gathering, splitting, waiting out outages: without a database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pytest

from obverse.authorization.batcher import Batcher
from obverse.kit.errors import NotFound, Unavailable

CarryOut = Callable[[Sequence[int]], Awaitable[Sequence[int | Exception]]]


@asynccontextmanager
async def a_batcher(
    carry_out: CarryOut, *, size_max: int = 1000, patience_s: float = 5
) -> AsyncIterator[Batcher[int, int]]:
    batcher: Batcher[int, int] = Batcher(
        carry_out, size_max=size_max, patience_s=patience_s, observe=lambda _: None
    )
    running = asyncio.create_task(batcher.run())
    yield batcher
    batcher.close()
    await asyncio.wait_for(running, 5)


async def doubled(commands: Sequence[int]) -> Sequence[int | Exception]:
    return [command * 2 for command in commands]


async def test_while_one_batch_is_under_way_the_next_one_gathers() -> None:
    sizes: list[int] = []
    begun, gate = asyncio.Event(), asyncio.Event()

    async def carry_out(commands: Sequence[int]) -> Sequence[int | Exception]:
        sizes.append(len(commands))
        begun.set()
        await gate.wait()
        return await doubled(commands)

    async with a_batcher(carry_out) as batcher:
        first = batcher.submit(1)
        await begun.wait()
        # Ten are not worth a second batch beside the first, so they wait for the gate.
        rest = [batcher.submit(n) for n in range(2, 12)]
        gate.set()
        assert [await answer for answer in [first, *rest]] == [n * 2 for n in range(1, 12)]
    assert sizes == [1, 10]


async def test_enough_of_them_make_a_second_batch_beside_the_first() -> None:
    both = asyncio.Barrier(2)

    async def carry_out(commands: Sequence[int]) -> Sequence[int | Exception]:
        await both.wait()  # opens only for two at once
        return await doubled(commands)

    async with a_batcher(carry_out, size_max=50) as batcher:
        answers = [batcher.submit(n) for n in range(100)]
        assert [await answer for answer in answers] == [n * 2 for n in range(100)]


async def test_a_refusal_is_its_commands_own() -> None:
    async def carry_out(commands: Sequence[int]) -> Sequence[int | Exception]:
        return [NotFound("payment") if command == 3 else command for command in commands]

    async with a_batcher(carry_out) as batcher:
        answers = await asyncio.gather(*[batcher.submit(n) for n in range(6)], return_exceptions=True)
    assert [n for n, answer in enumerate(answers) if isinstance(answer, NotFound)] == [3]


async def test_a_command_that_breaks_its_batch_is_carried_out_alone() -> None:
    async def carry_out(commands: Sequence[int]) -> Sequence[int | Exception]:
        if 3 in commands:
            raise ValueError("poison")
        return await doubled(commands)

    async with a_batcher(carry_out) as batcher:
        answers = await asyncio.gather(*[batcher.submit(n) for n in range(6)], return_exceptions=True)
    assert [answer for n, answer in enumerate(answers) if n != 3] == [0, 2, 4, 8, 10]
    assert isinstance(answers[3], ValueError)


async def test_a_twin_that_got_in_between_is_looked_at_again() -> None:
    tries = 0

    async def carry_out(commands: Sequence[int]) -> Sequence[int | Exception]:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise asyncpg.UniqueViolationError("twin")
        return await doubled(commands)

    async with a_batcher(carry_out) as batcher:
        assert await batcher.submit(4) == 8


async def test_an_outage_is_waited_out() -> None:
    tries = 0

    async def carry_out(commands: Sequence[int]) -> Sequence[int | Exception]:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise Unavailable
        return await doubled(commands)

    async with a_batcher(carry_out) as batcher:
        assert await asyncio.gather(*[batcher.submit(n) for n in range(3)]) == [0, 2, 4]


async def test_after_its_patience_a_command_is_refused_though_its_batch_hangs() -> None:
    async def carry_out(commands: Sequence[int]) -> Sequence[int | Exception]:
        await asyncio.sleep(60)
        return await doubled(commands)

    started = asyncio.get_running_loop().time()
    async with a_batcher(carry_out, patience_s=0.2) as batcher:
        first, behind = batcher.submit(1), batcher.submit(2)
        for answer in (first, behind):
            with pytest.raises(Unavailable):
                await answer
        assert asyncio.get_running_loop().time() - started < 2


async def test_closing_finishes_what_is_queued_and_takes_no_more() -> None:
    async with a_batcher(doubled) as batcher:
        queued = [batcher.submit(n) for n in range(5)]
        batcher.close()
        assert [await answer for answer in queued] == [0, 2, 4, 6, 8]
        with pytest.raises(Unavailable):
            await batcher.submit(9)


async def test_a_caller_that_has_gone_does_not_disturb_the_others() -> None:
    async with a_batcher(doubled) as batcher:
        gone, stays = batcher.submit(1), batcher.submit(2)
        gone.cancel()
        assert await stays == 4
