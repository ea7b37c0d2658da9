"""P12: whoever hangs up, no answer reaches somebody else."""

import asyncio
from random import Random

from tests.factories.callers import AcquirerLine, HungUp, RestLine
from tests.factories.estate import Estate
from tests.factories.platform import PlatformProcess

from obverse.networks.iso8583.codec import Fields

CALLERS = 24
LINES_PER_CALLER = 6
IN_FLIGHT = 12


async def test_p12_with_callers_hanging_up_at_random_every_answer_reaches_who_asked(
    estate: Estate, platform: PlatformProcess
) -> None:
    on_us = await estate.on_us_cards(CALLERS * LINES_PER_CALLER * IN_FLIGHT)
    faces = iter(on_us)
    rng = Random(12)
    till_lines: list[AcquirerLine] = []
    told: list[tuple[Fields, Fields]] = []
    lost: list[Fields] = []

    async def at_till(caller: int) -> None:
        for _ in range(LINES_PER_CALLER):
            line = await AcquirerLine.open(platform.acquirer_port)
            till_lines.append(line)
            # The same STAN and retrieval reference may be used by two acquirers; the amount tells them apart.
            asked = [estate.purchase(next(faces), DE4=amount(rng)) for _ in range(IN_FLIGHT)]
            awaited = rng.randrange(1, IN_FLIGHT)
            answers = [line.ask(fields) for fields in asked[:awaited]]
            await asyncio.wait(answers)
            answers += [line.ask(fields) for fields in asked[awaited:]]
            await asyncio.sleep(0)
            line.cut()
            for fields, answer in zip(asked, await gathered(answers), strict=True):
                if isinstance(answer, HungUp):
                    lost.append(fields)
                else:
                    told.append((fields, answer))

    async def online(caller: int) -> None:
        for turn in range(LINES_PER_CALLER):
            line = await RestLine.open(platform.rest_port)
            wanted = [rng.randrange(1, 10**6) for _ in range(IN_FLIGHT)]
            answers = [
                line.ask_raw(estate.rest_payment(next(faces), f"caller {caller} {turn} {i}", amount=minor))
                for i, minor in enumerate(wanted)
            ]
            await asyncio.wait(answers[: rng.randrange(1, IN_FLIGHT)], return_when=asyncio.ALL_COMPLETED)
            line.cut()
            for minor, answer in zip(wanted, await gathered(answers), strict=True):
                assert isinstance(answer, HungUp) or answer.body["amount"] == minor

    await asyncio.gather(*[at_till(c) if c % 2 else online(c) for c in range(CALLERS)])
    assert [line.strays for line in till_lines if line.strays] == []
    assert [fields for fields, answer in told if not belongs(answer, fields)] == []
    assert lost, "nobody hung up on a request under way"

    # Who hung up asks again, all on one line, and gets the answer to its own request.
    line = await AcquirerLine.open(platform.acquirer_port)
    for fields in lost:
        answer = await line.ask({**fields, "t": "0101"})
        assert belongs(answer, fields)
        assert answer["39"] == "00"
    line.close()
    assert line.strays == []
    await estate.books_are_right()


def amount(rng: Random) -> str:
    return f"{rng.randrange(1, 10**6):012d}"


def belongs(answer: Fields, request: Fields) -> bool:
    return all(answer[number] == request[number] for number in ("2", "4", "7", "11", "32", "37", "41", "42"))


async def gathered(answers: list[asyncio.Future]) -> list:
    """All answers, a broken line among them as the `HungUp` it raises."""
    return await asyncio.gather(*answers, return_exceptions=True)
