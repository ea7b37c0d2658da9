"""P7: a request without an answer can be asked for, and ends final within a minute of recovery."""

import asyncio

import pytest
from tests.factories.books import nothing_is_held_for_what_was_undone
from tests.factories.callers import AcquirerLine, HungUp, RestLine
from tests.factories.estate import AMOUNT_MINOR, Estate
from tests.factories.platform import PlatformProcess
from tests.factories.shoppers import (
    FINAL_SECONDS_MAX,
    IN_PROGRESS,
    drained,
)

from obverse.networks.iso8583.codec import Fields
from obverse.sandbox.faults import Fault, FaultRule, MessageKind


@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.LOST], ids=["it approved", "it heard nothing"])
async def test_p07_killed_while_the_card_company_is_asked_a_payment_ends_declined_and_reversed(
    estate: Estate, platform: PlatformProcess, fault: Fault
) -> None:
    faces, real = await estate.off_us_cards(2)
    company = estate.card_company
    await company.set_fault(MessageKind.AUTHORIZATION, FaultRule(fault))
    # The first acknowledgements are lost: the reversal has to be repeated.
    await company.set_fault(MessageKind.REVERSAL, FaultRule(Fault.SILENT, times=3))
    till, website = await AcquirerLine.open(platform.acquirer_port), await RestLine.open(platform.rest_port)
    at_till, online = estate.purchase(faces[0]), estate.rest_payment(faces[1], "order 1")
    asked = [till.ask(at_till), website.ask_raw(online)]
    await estate.until_traced("0100 authorization", 2)
    platform.kill()
    for answer in asked:
        with pytest.raises(HungUp):
            await answer
    rows = await estate.fetch(
        "select a.status, l.status as leg from authorizations a join legs l on l.authorization_id = a.id"
    )
    assert [(row["status"], row["leg"]) for row in rows] == [("processing", "sent")] * 2

    await platform.start()
    async with asyncio.timeout(FINAL_SECONDS_MAX):
        assert await final_at_till(platform, at_till) == "68"
        assert await final_online(platform, online) == ("declined", "try_again_later")
        await drained(estate)
    assert company.book.statement(real.number.reveal()).held_minor == 0
    assert estate.traced("0421 reversal, repeated") > 0
    await nothing_is_held_for_what_was_undone(estate.house.database)

    # Neither number was ever approved, so both may still be spent.
    await company.set_fault(MessageKind.AUTHORIZATION, None)
    line = await AcquirerLine.open(platform.acquirer_port)
    assert [(await line.ask(estate.purchase(face)))["39"] for face in faces] == ["00", "00"]
    assert company.book.statement(real.number.reveal()).held_minor == 2 * AMOUNT_MINOR
    line.close()
    await estate.books_are_right()


async def test_p06_an_answer_is_the_same_after_a_restart(estate: Estate, platform: PlatformProcess) -> None:
    faces = await estate.on_us_cards(2)
    line, website = await AcquirerLine.open(platform.acquirer_port), await RestLine.open(platform.rest_port)
    at_till, online = estate.purchase(faces[0]), estate.rest_payment(faces[1], "order 1")
    first = await line.ask(at_till), await website.ask_raw(online)
    await platform.stop()
    await platform.start()
    line, website = await AcquirerLine.open(platform.acquirer_port), await RestLine.open(platform.rest_port)
    again = await line.ask({**at_till, "t": "0101"}), await website.ask_raw(online)
    line.close()
    website.close()
    assert again[0] == first[0]
    assert (again[1].status, again[1].body) == (first[1].status, first[1].body)
    assert b"idempotency-hit: true" in again[1].raw.lower()


async def final_at_till(platform: PlatformProcess, payment: Fields) -> str:
    """DE 39 once it is final, asking again and again."""
    line = await AcquirerLine.open(platform.acquirer_port)
    while True:
        code = (await line.ask({**payment, "t": "0101"}))["39"]
        if code != IN_PROGRESS:
            line.close()
            return code
        await asyncio.sleep(0.05)


async def final_online(platform: PlatformProcess, payment: bytes) -> tuple[str, str]:
    """Status and reason once they are final."""
    line = await RestLine.open(platform.rest_port)
    while True:
        answer = await line.ask_raw(payment)
        if answer.status != 409 and answer.body["status"] != "processing":
            line.close()
            return answer.body["status"], answer.body["decline"]["code"]
        await asyncio.sleep(0.05)
