"""The card company over a socket, and each line of its fault menu."""

import asyncio
import time

import pytest
from tests.factories.sandbox import CARD_NUMBER, HOST, a_check, a_payment, a_reversal
from tests.factories.waiting import eventually

from obverse.sandbox.card_company import CardCompany
from obverse.sandbox.errors import NoAnswer, Unreachable
from obverse.sandbox.faults import Fault, FaultRule, MessageKind
from obverse.sandbox.link import Link
from obverse.sandbox.wire import Frame, to_bytes

SHORT_S = 0.15


def held_minor(company: CardCompany) -> int:
    return company.book.statement(CARD_NUMBER).held_minor


async def test_it_approves_checks_reverses_and_echoes(company: CardCompany, link: Link) -> None:
    assert (await link.ask(a_check(**{"11": "000099"}), 1))["39"] == "00"
    approved = await link.ask(a_payment(), 1)
    assert (approved["t"], approved["39"], len(approved["38"])) == ("0110", "00", 6)
    assert held_minor(company) == 34_000
    assert (await link.ask(a_reversal(a_payment()), 1))["39"] == "00"
    assert (await link.ask(a_reversal(a_payment(), message_type="0421"), 1))["t"] == "0430"
    assert held_minor(company) == 0
    echo = {"t": "0800", "7": "0701120000", "11": "000009", "70": "301"}
    assert await link.ask(echo, 1) == echo | {"t": "0810", "39": "00"}


async def test_a_repeat_is_answered_the_same_over_the_wire(company: CardCompany, link: Link) -> None:
    first = await link.ask(a_payment(), 1)
    assert await link.ask(a_payment(t="0101"), 1) == first
    assert held_minor(company) == 34_000


async def test_a_message_without_what_it_needs_is_answered_30(link: Link) -> None:
    payment = a_payment()
    del payment["14"]
    assert (await link.ask(payment, 1))["39"] == "30"
    reversal = a_reversal(a_payment())
    del reversal["90"]
    assert (await link.ask(reversal, 1))["39"] == "30"


async def test_many_requests_are_in_flight_at_once(company: CardCompany, link: Link) -> None:
    await company.set_fault(MessageKind.AUTHORIZATION, FaultRule(Fault.SLOW, delay_ms=100))
    payments = [a_payment(**{"11": f"{n:06d}", "4": f"{n:012d}"}) for n in range(1, 101)]
    started = time.monotonic()
    answers = await asyncio.gather(*(link.ask(payment, 5) for payment in payments))
    assert time.monotonic() - started < 2
    assert [answer["4"] for answer in answers] == [payment["4"] for payment in payments]


async def test_wrong_bytes_close_that_connection_and_no_other(company: CardCompany, link: Link) -> None:
    await link.ask(a_payment(), 1)
    reader, writer = await asyncio.open_connection(HOST, company.port)
    writer.write(b"\x00\x10" + b"\xff" * 16)
    assert await asyncio.wait_for(reader.read(), 1) == b""
    writer.close()
    assert (await link.ask(a_payment(t="0101"), 1))["39"] == "00"


async def test_fault_slow_decides_late(company: CardCompany, link: Link) -> None:
    await company.set_fault(MessageKind.AUTHORIZATION, FaultRule(Fault.SLOW, delay_ms=100))
    asked = asyncio.create_task(link.ask(a_payment(), 5))
    await asyncio.sleep(0.03)
    assert held_minor(company) == 0
    assert (await asked)["39"] == "00"


async def test_fault_late_decides_at_once_and_answers_after_the_deadline(
    company: CardCompany, link: Link
) -> None:
    await company.set_fault(MessageKind.AUTHORIZATION, FaultRule(Fault.LATE, delay_ms=300, times=1))
    with pytest.raises(NoAnswer):
        await link.ask(a_payment(), SHORT_S)
    assert held_minor(company) == 34_000
    await asyncio.sleep(0.2)  # the late answer passes meanwhile, and must find nobody
    assert (await link.ask(a_payment(**{"11": "000077"}), 1))["11"] == "000077"


async def test_fault_silent_holds_and_says_nothing(company: CardCompany, link: Link) -> None:
    await company.set_fault(MessageKind.AUTHORIZATION, FaultRule(Fault.SILENT))
    with pytest.raises(NoAnswer):
        await link.ask(a_payment(), SHORT_S)
    assert held_minor(company) == 34_000


async def test_fault_lost_does_nothing_at_all(company: CardCompany, link: Link) -> None:
    await company.set_fault(MessageKind.AUTHORIZATION, FaultRule(Fault.LOST))
    with pytest.raises(NoAnswer):
        await link.ask(a_payment(), SHORT_S)
    assert held_minor(company) == 0


async def test_fault_close_hangs_up_and_the_next_request_connects_again(
    company: CardCompany, link: Link
) -> None:
    await company.set_fault(MessageKind.AUTHORIZATION, FaultRule(Fault.CLOSE, times=1))
    with pytest.raises(NoAnswer):
        await link.ask(a_payment(), 5)
    assert (await link.ask(a_payment(t="0101"), 1))["39"] == "00"
    assert held_minor(company) == 34_000


async def test_fault_duplicate_answers_twice(company: CardCompany) -> None:
    await company.set_fault(MessageKind.AUTHORIZATION, FaultRule(Fault.DUPLICATE))
    reader, writer = await asyncio.open_connection(HOST, company.port)
    writer.write(to_bytes(Frame(a_payment())))
    answers = []
    for _ in range(2):
        length = int.from_bytes(await asyncio.wait_for(reader.readexactly(2), 1), "big")
        answers.append(await reader.readexactly(length))
    writer.close()
    assert answers[0] == answers[1]


async def test_a_second_answer_does_not_become_the_next_requests_answer(
    company: CardCompany, link: Link
) -> None:
    await company.set_fault(MessageKind.AUTHORIZATION, FaultRule(Fault.DUPLICATE))
    for n in range(1, 20):
        assert (await link.ask(a_payment(**{"11": f"{n:06d}", "4": f"{n:012d}"}), 1))["4"] == f"{n:012d}"


async def test_fault_garbage_is_no_answer(company: CardCompany, link: Link) -> None:
    await company.set_fault(MessageKind.AUTHORIZATION, FaultRule(Fault.GARBAGE, times=1))
    with pytest.raises(NoAnswer):
        await link.ask(a_payment(), 5)
    assert held_minor(company) == 34_000


async def test_fault_refuse_declines_connections_until_taken_off(company: CardCompany, link: Link) -> None:
    await link.ask(a_payment(), 1)
    await company.set_fault(MessageKind.CONNECTION, FaultRule(Fault.REFUSE))
    await eventually(lambda: link.connected is False)
    with pytest.raises(Unreachable):
        await link.ask(a_payment(t="0101"), 1)
    await company.set_fault(MessageKind.CONNECTION, None)
    assert (await link.ask(a_payment(t="0101"), 1))["39"] == "00"


async def test_a_reversals_acknowledgement_lost_twice_releases_once(company: CardCompany, link: Link) -> None:
    await link.ask(a_payment(), 1)
    await company.set_fault(MessageKind.REVERSAL, FaultRule(Fault.SILENT, times=2))
    for _ in range(2):
        with pytest.raises(NoAnswer):
            await link.ask(a_reversal(a_payment()), SHORT_S)
    assert (await link.ask(a_reversal(a_payment()), 1))["39"] == "00"
    statement = company.book.statement(CARD_NUMBER)
    assert (statement.held_minor, statement.released_minor) == (0, 34_000)


async def test_the_card_company_reports_what_it_hears_and_says(company: CardCompany, link: Link) -> None:
    await link.ask(a_payment(), 1)
    kinds = [(entry.sender, entry.receiver, entry.kind) for entry in company.trace.since(0)]
    assert kinds == [
        ("Acquirer 123456", "Card company", "0100 authorization"),
        ("Card company", "Acquirer 123456", "0110 authorization answer"),
    ]
