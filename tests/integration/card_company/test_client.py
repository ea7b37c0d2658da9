"""The card company client against a company that answers by script: every fault has one outcome."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.factories.card_company import (
    REAL_NUMBER,
    Line,
    ScriptedCompany,
    details,
    leg,
    open_cards,
    silence,
)
from tests.factories.iso8583 import Fields
from tests.factories.waiting import eventually

from obverse.authorization.ports import LegOutcome
from obverse.kit.errors import Unavailable
from obverse.kit.ids import VaultCardId
from obverse.networks.card_company import CardCompanyClient, CardFace, ClientSettings, OpenCards
from obverse.wallet.ports import CheckResult

SETTINGS = ClientSettings(
    host="127.0.0.1",
    port=0,
    timeout_s=0.3,
    connect_timeout_s=0.3,
    echo_after_s=30,
    backoff_first_s=0.02,
    backoff_max_s=0.05,
)
NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def client_of(
    company: ScriptedCompany, opening: OpenCards = open_cards, **changes: float
) -> CardCompanyClient:
    settings = replace(SETTINGS, port=company.port, **changes)  # type: ignore[arg-type]
    return CardCompanyClient(settings, opening, now=lambda: NOW, random_bytes=lambda n: b"\x42" * n)


@pytest.fixture
async def company() -> AsyncIterator[ScriptedCompany]:
    company = ScriptedCompany()
    await company.open()
    yield company
    await company.close()


@pytest.fixture
async def client(company: ScriptedCompany) -> AsyncIterator[CardCompanyClient]:
    client = client_of(company)
    await client.start()
    await eventually(lambda: client.health.connected)
    yield client
    await client.stop()


async def test_it_signs_on_first(company: ScriptedCompany, client: CardCompanyClient) -> None:
    assert [(m["t"], m["70"]) for m in company.received] == [("0800", "001")]


async def test_an_approval_carries_its_codes(company: ScriptedCompany, client: CardCompanyClient) -> None:
    reference = client.new_reference()
    answer = await client.authorize(leg(reference))
    assert (answer.outcome, answer.response_code, answer.approval_code) == (
        LegOutcome.APPROVED,
        "00",
        "777777",
    )
    (sent,) = company.payments()
    assert "|".join((sent["7"], sent["11"], sent["37"])) == reference
    assert (sent["t"], sent["2"], sent["14"], sent["4"]) == ("0100", REAL_NUMBER, "2908", "000000034000")
    assert sent["43"] == "??? Corner shop".ljust(40)
    assert sent["18"] == "5411"


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("51", LegOutcome.DECLINED),
        ("05", LegOutcome.DECLINED),
        ("91", LegOutcome.UNREACHABLE),
        ("68", LegOutcome.NO_ANSWER),
        ("96", LegOutcome.NO_ANSWER),
        ("10", LegOutcome.NO_ANSWER),
    ],
    ids=["funds", "refused", "never passed on", "passed on and lost", "broke down", "approved in part"],
)
async def test_a_response_code_is_one_outcome(
    company: ScriptedCompany, client: CardCompanyClient, code: str, outcome: LegOutcome
) -> None:
    async def say(line: Line, request: Fields) -> None:
        line.say(request, code)

    company.script = say
    answer = await client.authorize(leg(client.new_reference()))
    assert (answer.outcome, answer.response_code) == (outcome, code)


async def test_many_are_in_flight_and_answered_in_any_order(
    company: ScriptedCompany, client: CardCompanyClient
) -> None:
    held: list[Fields] = []

    async def answer_backwards(line: Line, request: Fields) -> None:
        held.append(request)
        if len(held) == 50:
            for earlier in reversed(held):
                line.say(earlier, "00" if int(earlier["4"]) % 2 == 0 else "51")

    company.script = answer_backwards
    answers = await asyncio.gather(*[client.authorize(leg(client.new_reference(), n)) for n in range(50)])
    assert [a.outcome for a in answers] == [LegOutcome.APPROVED, LegOutcome.DECLINED] * 25
    assert client.health.in_flight == 0


async def test_silence_is_no_answer_within_the_deadline(
    company: ScriptedCompany, client: CardCompanyClient
) -> None:
    company.script = silence
    started = time.monotonic()
    answer = await client.authorize(leg(client.new_reference()))
    assert answer.outcome is LegOutcome.NO_ANSWER
    assert time.monotonic() - started < 2


async def test_a_late_answer_is_counted_and_matched_to_nothing(
    company: ScriptedCompany, client: CardCompanyClient
) -> None:
    late: list[tuple[Line, Fields]] = []

    async def keep(line: Line, request: Fields) -> None:
        late.append((line, request))

    company.script = keep
    assert (await client.authorize(leg(client.new_reference()))).outcome is LegOutcome.NO_ANSWER
    line, request = late[0]
    line.say(request)
    await eventually(lambda: client.health.late == 1)


async def test_a_duplicate_answer_is_counted_and_dropped(
    company: ScriptedCompany, client: CardCompanyClient
) -> None:
    async def twice(line: Line, request: Fields) -> None:
        line.say(request)
        line.say(request, "51")

    company.script = twice
    assert (await client.authorize(leg(client.new_reference()))).outcome is LegOutcome.APPROVED
    await eventually(lambda: client.health.duplicate == 1)


@pytest.mark.parametrize(
    "bent",
    [
        {"DE11": "999999"},
        {"DE7": "0101000000"},
        {"DE37": "000000000000"},
        {"DE41": "SOMEBODY"},
        {"DE32": "1"},
        {"DE4": "000000000001"},
        {"DEt": "0400"},
    ],
    ids=["trace number", "time", "reference", "terminal", "acquirer", "amount", "type"],
)
async def test_an_answer_to_another_request_is_never_taken(
    company: ScriptedCompany, client: CardCompanyClient, bent: dict[str, str]
) -> None:
    async def wrong(line: Line, request: Fields) -> None:
        line.say(request, **bent)

    company.script = wrong
    assert (await client.authorize(leg(client.new_reference()))).outcome is LegOutcome.NO_ANSWER
    assert client.health.unknown == 1


async def test_a_line_that_breaks_in_the_middle_is_no_answer_at_once_and_comes_back(
    company: ScriptedCompany, client: CardCompanyClient
) -> None:
    async def hang_up(line: Line, request: Fields) -> None:
        line.hang_up()

    company.script = hang_up
    assert (await client.authorize(leg(client.new_reference()))).outcome is LegOutcome.NO_ANSWER
    await eventually(lambda: client.health.connections == 2 and client.health.connected)


async def test_an_unreadable_answer_ends_the_line(
    company: ScriptedCompany, client: CardCompanyClient
) -> None:
    async def garbage(line: Line, request: Fields) -> None:
        line.writer.write(b"\x00\x05hello")

    company.script = garbage
    assert (await client.authorize(leg(client.new_reference()))).outcome is LegOutcome.NO_ANSWER
    await eventually(lambda: client.health.connections == 2)


async def test_nobody_there_is_unreachable_at_once(
    company: ScriptedCompany, client: CardCompanyClient
) -> None:
    await company.close()
    await eventually(lambda: not client.health.connected)
    started = time.monotonic()
    answer = await client.authorize(leg(client.new_reference()))
    assert answer.outcome is LegOutcome.UNREACHABLE
    assert time.monotonic() - started < SETTINGS.timeout_s
    await company.open()
    await eventually(lambda: client.health.connected)
    assert (await client.authorize(leg(client.new_reference()))).outcome is LegOutcome.APPROVED


async def test_a_company_that_does_not_sign_us_on_is_not_asked(company: ScriptedCompany) -> None:
    company.network_script = silence
    client = client_of(company)
    await client.start()
    await eventually(lambda: len(company.received) >= 2, seconds=5)
    assert (await client.authorize(leg(client.new_reference()))).outcome is LegOutcome.UNREACHABLE
    assert company.payments() == []
    await client.stop()


async def test_a_silent_line_is_tested_and_given_up_when_dead(company: ScriptedCompany) -> None:
    client = client_of(company, echo_after_s=0.05)
    await client.start()
    await eventually(lambda: [m["70"] for m in company.received].count("301") >= 2)
    assert client.health.connections == 1
    company.network_script = silence
    await eventually(lambda: not client.health.connected)
    await client.stop()


async def test_a_reversal_names_its_original_and_is_done_when_acknowledged(
    company: ScriptedCompany, client: CardCompanyClient
) -> None:
    request = leg(client.new_reference())
    await client.authorize(request)
    assert await client.reverse(request)
    original, sent = company.payments()
    assert sent["t"] == "0420"
    assert sent["90"] == f"0100{original['11']}{original['7']}{'941012':0>11}{'0' * 11}"
    assert (sent["37"], sent["2"], sent["4"]) == (original["37"], original["2"], original["4"])
    assert sent["11"] != original["11"]


async def test_a_reversal_without_an_answer_is_repeated_once_and_is_not_done(
    company: ScriptedCompany, client: CardCompanyClient
) -> None:
    company.script = silence
    assert not await client.reverse(leg(client.new_reference()))
    first, repeat = company.payments()
    assert repeat == {**first, "t": "0421"}


@pytest.mark.parametrize(
    ("code", "done"), [("00", True), ("25", True), ("21", True), ("96", False), ("30", False)]
)
async def test_a_reversal_is_done_when_there_is_nothing_left_to_undo(
    company: ScriptedCompany, client: CardCompanyClient, code: str, done: bool
) -> None:
    async def say(line: Line, request: Fields) -> None:
        line.say(request, code)

    company.script = say
    assert await client.reverse(leg(client.new_reference())) is done


async def test_a_reversal_with_nobody_there_is_not_done(
    company: ScriptedCompany, client: CardCompanyClient
) -> None:
    await company.close()
    await eventually(lambda: not client.health.connected)
    assert not await client.reverse(leg(client.new_reference()))


@pytest.mark.parametrize(
    ("code", "result"),
    [("00", CheckResult.VERIFIED), ("14", CheckResult.REFUSED), ("91", CheckResult.UNREACHABLE)],
)
async def test_a_card_check_asks_for_nothing_and_proves_the_owner(
    company: ScriptedCompany, client: CardCompanyClient, code: str, result: CheckResult
) -> None:
    async def say(line: Line, request: Fields) -> None:
        line.say(request, code)

    company.script = say
    assert await client.verify(details()) is result
    (sent,) = company.payments()
    assert (sent["4"], sent["25"], sent["48"]) == ("000000000000", "51", "92033216106900101")


async def test_a_vault_that_cannot_be_opened_means_nothing_was_sent(company: ScriptedCompany) -> None:
    async def gone(ids: Sequence[VaultCardId], /) -> Mapping[VaultCardId, CardFace]:
        raise Unavailable

    client = client_of(company, gone)
    await client.start()
    await eventually(lambda: client.health.connected)
    assert (await client.authorize(leg(client.new_reference()))).outcome is LegOutcome.UNREACHABLE
    assert not await client.reverse(leg(client.new_reference()))
    assert company.payments() == []
    await client.stop()


async def test_a_vault_that_takes_too_long_means_nothing_was_sent(company: ScriptedCompany) -> None:
    async def slow(ids: Sequence[VaultCardId], /) -> Mapping[VaultCardId, CardFace]:
        await asyncio.sleep(5)
        return await open_cards(ids)

    client = client_of(company, slow)
    await client.start()
    await eventually(lambda: client.health.connected)
    assert (await client.authorize(leg(client.new_reference()))).outcome is LegOutcome.UNREACHABLE
    assert company.payments() == []
    await client.stop()


async def test_cards_are_opened_together_while_the_vault_is_busy(company: ScriptedCompany) -> None:
    sizes: list[int] = []

    async def count(ids: Sequence[VaultCardId], /) -> Mapping[VaultCardId, CardFace]:
        sizes.append(len(ids))
        await asyncio.sleep(0.01)
        return await open_cards(ids)

    client = client_of(company, count)
    await client.start()
    await eventually(lambda: client.health.connected)
    answers = await asyncio.gather(*[client.authorize(leg(client.new_reference())) for _ in range(100)])
    assert {answer.outcome for answer in answers} == {LegOutcome.APPROVED}
    assert len(sizes) <= 3
    await client.stop()
