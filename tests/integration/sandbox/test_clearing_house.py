"""The clearing house between tills, a provider and the card company."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from random import Random

import pytest
from tests.factories.sandbox import CARD_NUMBER, HOST, a_payment, a_shop, a_till
from tests.factories.waiting import eventually

from obverse.kit.secret import Secret
from obverse.sandbox.card_company import CardCompany
from obverse.sandbox.clearing_house import ClearingHouse
from obverse.sandbox.errors import NoAnswer
from obverse.sandbox.faults import Fault, FaultRule, MessageKind
from obverse.sandbox.link import Link
from obverse.sandbox.listener import Caller, Listener
from obverse.sandbox.trace import Trace
from obverse.sandbox.wire import Frame, Message, answer_to, to_bytes

Start = Callable[..., Awaitable[tuple[ClearingHouse, Listener]]]

ONE_TIME = Secret("9410121234567893")


async def approve(caller: Caller, frame: Frame) -> None:
    await caller.send(answer_to(frame, "00", {"38": frame.message["4"][-6:]}))


async def silent(caller: Caller, frame: Frame) -> None:
    """Never answers."""


async def slow_and_shuffled(caller: Caller, frame: Frame) -> None:
    await asyncio.sleep(Random(frame.message["4"]).random() / 20)
    await approve(caller, frame)


async def test_numbers_go_where_their_first_digits_say(
    clearing_house: Start, company: CardCompany, trace: Trace
) -> None:
    house, _ = await clearing_house(approve)
    async with a_till(house.port) as till:
        assert (await till.purchase(ONE_TIME, "2906", Secret("123"), 34_000)).approval_code == "034000"
        assert (await till.purchase(Secret(CARD_NUMBER), "3006", None, 500)).approved
        assert (await till.purchase(Secret("4111111111111111"), "2906", None, 500)).response_code == "15"
        assert await till.echo()
    assert company.book.statement(CARD_NUMBER).held_minor == 500
    heard = [(entry.sender, entry.receiver, entry.kind[:4]) for entry in trace.since(0)][:4]
    assert heard == [
        ("Corner shop", "Clearing house", "0100"),
        ("Clearing house", "Obverse", "0100"),
        ("Obverse", "Clearing house", "0110"),
        ("Clearing house", "Corner shop", "0110"),
    ]


async def test_a_till_repeats_and_takes_back(clearing_house: Start, company: CardCompany) -> None:
    house, _ = await clearing_house(approve)
    async with a_till(house.port) as till:
        first = await till.purchase(Secret(CARD_NUMBER), "3006", None, 700)
        again = await till.repeat()
        assert (again.approval_code, again.response_code) == (first.approval_code, "00")
        assert (await till.reverse()).approved
        assert (await till.reverse(first, advice=True)).approved
        assert (await till.repeat()).response_code == "21"
    statement = company.book.statement(CARD_NUMBER)
    assert (statement.held_minor, statement.released_minor) == (0, 700)


async def test_p12_two_tills_with_the_same_trace_numbers_get_their_own_answers(clearing_house: Start) -> None:
    house, _ = await clearing_house(slow_and_shuffled)
    tills = [a_till(house.port, a_shop(f"T{n:07d}"), seed=1) for n in range(2)]  # one seed: the same STANs

    async def shop(till_no: int) -> None:
        for n in range(100):
            amount = 1000 * n + till_no + 1
            receipt = await tills[till_no].purchase(ONE_TIME, "2906", None, amount)
            assert receipt.approval_code == f"{amount:06d}"
            assert receipt.answer["41"] == f"T{till_no:07d}"

    await asyncio.gather(shop(0), shop(1))
    for till in tills:
        await till.close()


async def test_p12_of_two_different_requests_with_one_key_the_second_is_refused(
    clearing_house: Start,
) -> None:
    house, _ = await clearing_house(slow_and_shuffled)
    one, other = Link(HOST, house.port), Link(HOST, house.port)
    payments = [a_payment(**{"2": ONE_TIME.reveal(), "4": f"{amount:012d}"}) for amount in (1, 2)]
    answers: list[Message] = list(await asyncio.gather(one.ask(payments[0], 2), other.ask(payments[1], 2)))
    assert sorted(answer["39"] for answer in answers) == ["00", "94"]
    assert [answer["4"] for answer in answers] == [payment["4"] for payment in payments]
    await one.close()
    await other.close()


async def test_p12_a_late_answer_does_not_meet_another_members_request(clearing_house: Start) -> None:
    """A's answer comes after A was given up; B meanwhile asks with the very same trace fields."""
    waiting: list[tuple[Caller, Frame]] = []

    async def keep(caller: Caller, frame: Frame) -> None:
        waiting.append((caller, frame))

    house, _ = await clearing_house(keep, timeout_s=0.15)
    one, other = Link(HOST, house.port), Link(HOST, house.port)
    payments = [a_payment(**{"2": ONE_TIME.reveal(), "4": f"{amount:012d}"}) for amount in (1, 2)]
    assert (await one.ask(payments[0], 1))["39"] == "68"
    asked = asyncio.create_task(other.ask(payments[1], 1))
    await eventually(lambda: len(waiting) == 2)
    await approve(*waiting[0])
    assert (await asked)["39"] == "68"
    await one.close()
    await other.close()


async def test_a_till_that_hangs_up_in_mid_request_finds_its_answer_when_it_repeats(
    clearing_house: Start, company: CardCompany
) -> None:
    await company.set_fault(MessageKind.AUTHORIZATION, FaultRule(Fault.LATE, delay_ms=150, times=1))
    house, _ = await clearing_house(approve)
    _, writer = await asyncio.open_connection(HOST, house.port)
    writer.write(to_bytes(Frame(a_payment())))
    await writer.drain()
    await eventually(lambda: company.book.statement(CARD_NUMBER).held_minor == 34_000)
    writer.close()
    back = Link(HOST, house.port)
    answer = await back.ask(a_payment(t="0101"), 2)  # while the first is still in flight
    assert answer["39"] == "00"
    assert await back.ask(a_payment(t="0101"), 2) == answer  # and long after
    await back.close()
    assert company.book.statement(CARD_NUMBER).held_minor == 34_000


async def test_p12_tills_that_hang_up_at_random_never_get_anothers_answer(clearing_house: Start) -> None:
    house, _ = await clearing_house(slow_and_shuffled)
    rng = Random(11)

    async def come_and_go(till_no: int) -> None:
        for n in range(30):
            till = a_till(house.port, a_shop(f"T{till_no:07d}"), seed=n, timeout_s=rng.choice([0.01, 5]))
            amount = 1000 * n + till_no + 1
            try:
                receipt = await till.purchase(ONE_TIME, "2906", None, amount)
                assert receipt.approval_code == f"{amount:06d}"
            except NoAnswer:
                assert till is not None
            await till.close()

    await asyncio.gather(*(come_and_go(till_no) for till_no in range(8)))


async def test_a_target_that_is_down_is_answered_91_and_found_again_when_it_is_back(
    clearing_house: Start,
) -> None:
    house, door = await clearing_house(approve)
    async with a_till(house.port) as till:
        assert (await till.purchase(ONE_TIME, "2906", None, 1)).approved
        door.hang_up()
        await eventually(lambda: house.link_to("Obverse").connected is False)
        assert (await till.purchase(ONE_TIME, "2906", None, 2)).response_code == "91"
        await door.listen_again()
        assert (await till.purchase(ONE_TIME, "2906", None, 3)).approved


async def test_a_target_that_does_not_answer_is_answered_68(clearing_house: Start) -> None:
    house, _ = await clearing_house(silent, timeout_s=0.1)
    async with a_till(house.port) as till:
        assert (await till.purchase(ONE_TIME, "2906", None, 1)).response_code == "68"


async def test_p11_no_number_and_no_cvv_is_in_trace_or_log(
    clearing_house: Start, trace: Trace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    asked: list[Message] = []

    async def listen(caller: Caller, frame: Frame) -> None:
        asked.append(frame.message)
        await approve(caller, frame)

    house, _ = await clearing_house(listen)
    async with a_till(house.port) as till:
        receipt = await till.purchase(ONE_TIME, "2906", Secret("987"), 1)
        await till.reverse()
    seen = repr(trace.since(0)) + caplog.text + repr(receipt)
    assert ONE_TIME.reveal() not in seen
    assert asked[0]["48"].endswith("987")
    assert asked[0]["48"] not in seen
    # As a number of its own: times and trace numbers are digits too.
    assert "987" not in re.split(r"\D+", seen)


async def test_a_request_without_a_number_or_trace_fields_is_a_format_error(clearing_house: Start) -> None:
    house, _ = await clearing_house(approve)
    link = Link(HOST, house.port)
    without_number = a_payment()
    del without_number["2"]
    assert (await link.ask(without_number, 1))["39"] == "30"
    await link.close()
