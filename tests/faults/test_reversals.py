"""P8 at the real door: a reversal wins, repeated, early or late; money is neither kept nor given twice."""

import asyncio
from itertools import product

import pytest
from tests.factories.books import nothing_is_held_for_what_was_undone
from tests.factories.callers import AcquirerLine
from tests.factories.estate import AMOUNT_MINOR, Estate
from tests.factories.iso8583 import reversal
from tests.factories.platform import PlatformProcess
from tests.factories.shoppers import card_company_agrees, drained

from obverse.cards import CardFace
from obverse.networks.iso8583.codec import Fields
from obverse.sandbox.faults import Fault, FaultRule, MessageKind

MESSAGES = ("0100", "0101", "0400", "0420", "0421")
"""0101 is what a till sends when it did not see the 0110; 0421 when it did not see the 0430."""

Sequence = tuple[str, ...]


def sequences(length_max: int) -> list[Sequence]:
    return [s for length in range(1, length_max + 1) for s in product(MESSAGES, repeat=length)]


def expected(sequence: Sequence) -> list[str]:
    """What DE 39 has to be, message by message."""
    codes, reversed_already = [], False
    for mti in sequence:
        reversed_already |= mti.startswith("04")
        codes.append("00" if mti.startswith("04") or not reversed_already else "21")
    return codes


def is_reversed(sequence: Sequence) -> bool:
    return any(mti.startswith("04") for mti in sequence)


def message(payment: Fields, mti: str) -> Fields:
    return {**payment, "t": mti} if mti.startswith("01") else reversal(payment, mti)


async def play(line: AcquirerLine, payment: Fields, sequence: Sequence) -> list[Fields]:
    return [await line.ask(message(payment, mti)) for mti in sequence]


@pytest.mark.parametrize(("off_us", "length_max"), [(False, 4), (True, 3)], ids=["on-us", "off-us"])
async def test_p08_every_order_of_a_payment_its_repeats_and_its_reversals_ends_as_it_must(
    estate: Estate, platform: PlatformProcess, off_us: bool, length_max: int
) -> None:
    orders = sequences(length_max)
    faces = (await estate.off_us_cards(len(orders)))[0] if off_us else await estate.on_us_cards(len(orders))
    lines = [await AcquirerLine.open(platform.acquirer_port) for _ in range(16)]
    wrong: dict[Sequence, list[str]] = {}

    async def play_every_16th(start: int) -> None:
        for order, face in list(zip(orders, faces, strict=True))[start::16]:
            answers = await play(lines[start], estate.purchase(face), order)
            codes = [answer["39"] for answer in answers]
            approvals = {answer.get("38") for answer in answers if answer["t"] == "0110"} - {None}
            if codes != expected(order) or len(approvals) > 1:
                wrong[order] = codes

    await asyncio.gather(*[play_every_16th(start) for start in range(16)])
    for line in lines:
        line.close()
    assert wrong == {}
    (approved,) = await estate.fetch("select count(*) from authorizations where status = 'approved'")
    assert approved["count"] == sum(not is_reversed(order) for order in orders)
    await the_books_agree(estate)


async def test_p08_a_payment_its_repeat_and_its_reversals_at_the_same_moment_leave_nothing_held(
    estate: Estate, platform: PlatformProcess
) -> None:
    on_us = await estate.on_us_cards(100)
    off_us, _ = await estate.off_us_cards(100)
    lines = [await AcquirerLine.open(platform.acquirer_port) for _ in MESSAGES]

    async def all_at_once(face: CardFace, first: int) -> None:
        payment = estate.purchase(face)
        turn = [(first + i) % len(MESSAGES) for i in range(len(MESSAGES))]
        answers = await asyncio.gather(*[lines[i].ask(message(payment, MESSAGES[i])) for i in turn])
        acknowledged = [a["39"] for a in answers if a["t"] in ("0410", "0430")]
        assert acknowledged == ["00"] * 3

    await asyncio.gather(*[all_at_once(face, i) for i, face in enumerate(on_us + off_us)])
    for line in lines:
        line.close()
    assert await estate.fetch("select 1 from authorizations where status = 'approved'") == []
    await the_books_agree(estate)


async def test_p08_a_reversal_that_comes_while_the_card_company_is_asked_wins(
    estate: Estate, platform: PlatformProcess
) -> None:
    (face,), real = await estate.off_us_cards(1)
    await estate.card_company.set_fault(MessageKind.AUTHORIZATION, FaultRule(Fault.SLOW, delay_ms=500))
    line = await AcquirerLine.open(platform.acquirer_port)
    payment = estate.purchase(face)
    asked = line.ask(payment)
    await estate.until_found("select 1 from legs where status = 'sent'")
    assert (await line.ask(message(payment, "0400")))["39"] == "00"
    assert not asked.done()
    assert (await asked)["39"] == "21"
    line.close()
    await the_books_agree(estate)
    assert estate.card_company.book.statement(real.number.reveal()).held_minor == 0


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (FaultRule(Fault.LATE, delay_ms=1_500), "68"),
        (FaultRule(Fault.SLOW, delay_ms=1_500), "68"),
        (FaultRule(Fault.SILENT), "68"),
        (FaultRule(Fault.LOST), "68"),
        (FaultRule(Fault.CLOSE), "68"),
        (FaultRule(Fault.GARBAGE), "68"),
        (FaultRule(Fault.DUPLICATE), "00"),
    ],
    ids=lambda value: value.fault.value if isinstance(value, FaultRule) else None,
)
async def test_p08_a_late_approval_never_revives_a_payment_and_a_second_one_counts_once(
    estate: Estate, platform: PlatformProcess, fault: FaultRule, code: str
) -> None:
    (face,), real = await estate.off_us_cards(1)
    await estate.card_company.set_fault(MessageKind.AUTHORIZATION, fault)
    line = await AcquirerLine.open(platform.acquirer_port)
    payment = estate.purchase(face)
    began = asyncio.get_running_loop().time()
    assert (await line.ask(payment))["39"] == code
    assert asyncio.get_running_loop().time() - began < 3, "the deadline is one second, and the commits"
    await drained(estate)
    if fault.fault in (Fault.LATE, Fault.SLOW):
        await estate.until_traced("0110 authorization answer")
    assert (await line.ask({**payment, "t": "0101"}))["39"] == code
    line.close()
    held = estate.card_company.book.statement(real.number.reveal()).held_minor
    assert held == (AMOUNT_MINOR if code == "00" else 0)
    await the_books_agree(estate)


async def the_books_agree(estate: Estate) -> None:
    await drained(estate)
    await nothing_is_held_for_what_was_undone(estate.house.database)
    await card_company_agrees(estate)
    await estate.books_are_right()
