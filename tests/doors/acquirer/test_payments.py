"""What the acquirer door answers, over real sockets, with a fake engine behind it."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.factories.acquirer import MERCHANT, NOW
from tests.factories.iso8583 import NUMBER, capture, echo_test, purchase, reversal, wire
from tests.factories.waiting import eventually

from obverse.authorization.model import AuthorizationRequest, Entry
from obverse.kit.errors import Unavailable
from obverse.kit.secret import Secret
from obverse.networks.iso8583 import decode

if TYPE_CHECKING:
    from tests.doors.acquirer.conftest import Door

KEY = "iso:20261120093000:000001:941000:TERM0001:000000000001"


async def test_a_purchase_is_approved(door: "Door") -> None:
    answer = await (await door.caller()).ask(purchase())
    assert (answer["t"], answer["39"], answer["38"]) == ("0110", "00", "A1B2C3")
    (request,) = door.engine.requests
    assert request.request_key == KEY
    assert request.number == Secret(NUMBER)
    assert request.merchant == MERCHANT
    assert request.entry is Entry.ONLINE


async def test_a_decline_has_a_response_code_and_no_approval_code(door: "Door") -> None:
    answer = await (await door.caller()).ask(purchase(DE4="000001000000"))
    assert answer["39"] == "61"
    assert "38" not in answer


@pytest.mark.parametrize(
    "changes",
    [{"DE42": "M00000000000002"}, {"DE32": "941001"}, {"DE41": "TERM0009"}],
    ids=["merchant", "acquirer", "terminal"],
)
async def test_a_stranger_is_no_merchant_of_ours(door: "Door", changes: dict[str, str]) -> None:
    answer = await (await door.caller()).ask(purchase(**changes))
    assert answer["39"] == "03"
    assert door.engine.requests[0].merchant is None


@pytest.mark.parametrize("mti", ["0101", "0100"])
async def test_p06_a_repeat_has_the_request_key_of_its_first(door: "Door", mti: str) -> None:
    caller = await door.caller()
    first = await caller.ask(purchase())
    assert await caller.ask(purchase(mti)) == first
    assert {request.request_key for request in door.engine.requests} == {KEY}


@pytest.mark.parametrize("mti", ["0200", "0201"])
async def test_a_financial_request_captures_at_once(door: "Door", mti: str) -> None:
    answer = await (await door.caller()).ask(purchase(mti))
    assert (answer["t"], answer["39"]) == ("0210", "00")
    assert door.engine.requests[0].capture


async def test_a_capture_finds_its_authorization(door: "Door") -> None:
    caller = await door.caller()
    await caller.ask(purchase())
    answer = await caller.ask(capture(purchase(), DE4="000000030000"))
    assert (answer["t"], answer["39"]) == ("0230", "00")
    assert door.engine.decided[KEY].captured_minor == 30_000


async def test_a_capture_of_nothing_is_not_located(door: "Door") -> None:
    assert (await (await door.caller()).ask(capture(purchase())))["39"] == "25"


async def test_a_capture_of_too_much_is_an_invalid_amount(door: "Door") -> None:
    caller = await door.caller()
    await caller.ask(purchase())
    assert (await caller.ask(capture(purchase(), DE4="000000034001")))["39"] == "13"


@pytest.mark.parametrize(
    ("mti", "answered"), [("0400", "0410"), ("0401", "0410"), ("0420", "0430"), ("0421", "0430")]
)
async def test_a_reversal_is_acknowledged_and_wins(door: "Door", mti: str, answered: str) -> None:
    caller = await door.caller()
    await caller.ask(purchase())
    answer = await caller.ask(reversal(purchase(), mti))
    assert (answer["t"], answer["39"]) == (answered, "00")
    assert (await caller.ask(purchase("0101")))["39"] == "21"


async def test_a_reversal_before_its_original_is_acknowledged(door: "Door") -> None:
    caller = await door.caller()
    assert (await caller.ask(reversal(purchase())))["39"] == "00"
    assert (await caller.ask(purchase()))["39"] == "21"


@pytest.mark.parametrize(
    ("network_code", "code"), [("001", "00"), ("002", "00"), ("301", "00"), ("999", "40")]
)
async def test_network_messages_are_answered(door: "Door", network_code: str, code: str) -> None:
    answer = await (await door.caller()).ask(echo_test(network_code=network_code))
    assert (answer["t"], answer["39"], answer["70"], answer["11"]) == ("0810", code, network_code, "000777")


async def test_a_card_check_is_asked_for_nothing(door: "Door") -> None:
    answer = await (await door.caller()).ask(purchase(DE4="000000000000", DE25="51"))
    assert answer["39"] == "00"
    assert door.engine.requests[0].amount.amount_minor == 0


async def test_a_transport_header_comes_back_with_addresses_swapped(door: "Door") -> None:
    caller = await door.caller()
    await caller.send(wire(purchase(), tpdu=bytes.fromhex("6000030001")))
    answer = await caller.answer_bytes()
    assert answer[:5] == bytes.fromhex("6000010003")
    assert decode(answer[5:])["39"] == "00"


async def test_answers_come_in_the_order_in_which_they_are_ready(door: "Door") -> None:
    slow = asyncio.Event()

    async def hold_the_first(request: AuthorizationRequest) -> None:
        if len(door.engine.requests) == 1:
            await slow.wait()

    door.engine.before_answer = hold_the_first
    caller = await door.caller()
    await caller.send(purchase(), purchase(DE11="000002"))
    assert (await caller.answer())["11"] == "000002"
    slow.set()
    assert (await caller.answer())["11"] == "000001"


async def test_p12_an_answer_goes_to_nobody_but_the_connection_that_asked(door: "Door") -> None:
    release = asyncio.Event()

    async def wait(_: AuthorizationRequest) -> None:
        await release.wait()

    door.engine.before_answer = wait
    gone, other = await door.caller(), await door.caller()
    await gone.send(purchase())
    await eventually(lambda: len(door.engine.requests) == 1)
    await gone.close()
    release.set()
    await eventually(lambda: KEY in door.engine.decided)
    door.engine.before_answer = None
    assert (await other.ask(purchase(DE11="000002")))["11"] == "000002"
    assert (await other.ask(purchase("0101")))["39"] == "00"


async def test_a_caller_that_only_stopped_talking_still_gets_its_answer(door: "Door") -> None:
    caller = await door.caller()
    await caller.send(purchase())
    caller.writer.write_eof()
    assert (await caller.answer())["39"] == "00"
    assert await caller.is_hung_up_on()


async def test_a_payment_that_the_engine_cannot_decide_is_undone_later(door: "Door") -> None:
    async def fail(_: AuthorizationRequest) -> None:
        raise Unavailable

    door.engine.before_answer = fail
    assert (await (await door.caller()).ask(purchase()))["39"] == "96"
    assert door.engine.undone_later == [(KEY, NOW)]


async def test_a_repeat_that_cannot_be_decided_is_in_doubt_from_its_own_arrival_on(door: "Door") -> None:
    caller = await door.caller()
    assert (await caller.ask(purchase()))["39"] == "00"
    door.shop.fails_with = Unavailable()
    door.time = NOW + timedelta(seconds=3)
    assert (await caller.ask(purchase("0101")))["39"] == "96"
    assert door.engine.undone_later == [(KEY, NOW + timedelta(seconds=3))]


async def test_a_defect_becomes_an_answer_and_the_door_stays_open(door: "Door") -> None:
    async def fail(_: AuthorizationRequest) -> None:
        raise ZeroDivisionError

    door.engine.before_answer = fail
    caller = await door.caller()
    assert (await caller.ask(purchase()))["39"] == "96"
    assert door.engine.undone_later == [(KEY, NOW)]
    door.engine.before_answer = None
    assert (await caller.ask(purchase(DE11="000002")))["39"] == "00"


async def test_an_engine_that_says_nothing_is_answered_for_within_the_deadline(door: "Door") -> None:
    async def hang(_: AuthorizationRequest) -> None:
        await asyncio.Event().wait()

    door.engine.before_answer = hang
    caller = await door.caller()
    assert (await caller.ask(purchase()))["39"] == "96"
    assert door.engine.undone_later == [(KEY, NOW)]


async def test_stopping_answers_what_is_under_way(narrow_door: "Door") -> None:
    door = narrow_door
    await door.open(request_timeout_s=30)
    release = asyncio.Event()

    async def wait(_: AuthorizationRequest) -> None:
        await release.wait()

    door.engine.before_answer = wait
    caller = await door.caller()
    await caller.send(purchase())
    await eventually(lambda: len(door.engine.requests) == 1)
    stopping = asyncio.create_task(door.door.stop(grace_s=5))
    await asyncio.sleep(0)
    release.set()
    assert (await caller.answer())["39"] == "00"
    await stopping
    assert door.door.connection_count == 0
