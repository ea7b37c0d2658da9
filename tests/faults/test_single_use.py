"""P1 from outside: a number is approved once, whoever asks, through whatever door, at whatever process."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

import pytest
from tests.factories.callers import AcquirerLine, RestLine
from tests.factories.estate import Estate
from tests.factories.platform import running

from obverse.cards import CardFace

REQUESTS_PER_NUMBER = 64
NUMBERS_AT_ONCE = 16


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("processes", "numbers"), [(1, 200), (2, 1_000)], ids=["one process", "two processes over one database"]
)
async def test_p01_of_64_parallel_requests_for_a_number_exactly_one_is_approved(
    estate: Estate, tmp_path: Path, processes: int, numbers: int
) -> None:
    faces = await estate.on_us_cards(numbers)
    async with AsyncExitStack() as stack:
        platforms = [
            await stack.enter_async_context(
                running(tmp_path / f"platform {i}", estate.settings(tmp_path / f"data {i}"))
            )
            for i in range(processes)
        ]
        half = REQUESTS_PER_NUMBER // 2
        at = [platforms[i % processes] for i in range(half)]
        lines: list[AcquirerLine | RestLine] = [await AcquirerLine.open(p.acquirer_port) for p in at]
        lines += [await RestLine.open(p.rest_port) for p in at]
        approvals = await everybody_pays_with_everything(estate, faces, lines)

    assert [len(codes) for codes in approvals] == [1] * numbers
    rows = await estate.fetch("select approval_code from authorizations where status = 'approved'")
    assert sorted(row["approval_code"] for row in rows) == sorted(code for (code,) in approvals)
    (asked,) = await estate.fetch("select count(*) from authorizations")
    assert asked["count"] == numbers * REQUESTS_PER_NUMBER
    await estate.books_are_right()


async def everybody_pays_with_everything(
    estate: Estate, faces: Sequence[CardFace], lines: Sequence[AcquirerLine | RestLine]
) -> list[list[str]]:
    """Every line sends a payment of its own with every number; the approval codes told, by number."""
    approvals: list[list[str]] = [[] for _ in faces]
    rng = Random(1)

    async def pay(index: int, line: AcquirerLine | RestLine, name: int) -> None:
        if isinstance(line, AcquirerLine):
            answer = await line.ask(estate.purchase(faces[index]))
            assert answer["39"] in ("00", "57"), answer
            if answer["39"] == "00":
                approvals[index].append(answer["38"])
            return
        told = await line.ask_raw(estate.rest_payment(faces[index], f"line {name} number {index}"))
        assert told.status == 201, told.body
        if told.body["status"] == "approved":
            approvals[index].append(told.body["approval_code"])
        else:
            assert told.body["decline"]["code"] == "card_not_accepted"

    for start in range(0, len(faces), NUMBERS_AT_ONCE):
        asks = [
            (index, line, name)
            for index in range(start, min(start + NUMBERS_AT_ONCE, len(faces)))
            for name, line in enumerate(lines)
        ]
        rng.shuffle(asks)
        await asyncio.gather(*[pay(*ask) for ask in asks])
    for line in lines:
        line.close()
    return approvals
