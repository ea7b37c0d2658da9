"""Stored value at the acquirer door: PINs, balances, cash, activations, parts, and what others decided."""

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace
from tests.factories.acquirer import NOW, authorization
from tests.factories.iso8583 import NUMBER, purchase, reversal, wire, with_pin

from obverse.authorization.model import AuthorizationRequest, Decline, Entry, Purpose, Status
from obverse.kit.errors import Unavailable
from obverse.kit.ids import CardId, MerchantId, uuid7_source
from obverse.kit.money import KRW, Money
from obverse.kit.secret import Secret
from obverse.networks.iso8583.pin_blocks import PinFormat

if TYPE_CHECKING:
    from tests.doors.acquirer.conftest import Door

ZERO = "000000000000"
CAN_TAKE_PART = {"60": "000000000001"}
REPORT = {"38": "VAN123", "39": "00"}


def decides(door: "Door", **changes: object) -> None:
    """Let the engine answer the next request like this."""

    async def answer(request: AuthorizationRequest) -> None:
        decided = authorization(request.request_key, request.amount)
        given = {"purpose": request.purpose, "reported": request.reported, "entry": request.entry} | changes
        door.engine.decided[request.request_key] = replace(decided, **given)

    door.engine.before_answer = answer


@pytest.mark.parametrize("format_", list(PinFormat))
async def test_the_engine_is_given_the_pin_that_was_typed(door: "Door", format_: PinFormat) -> None:
    answer = await (await door.caller()).ask(with_pin(purchase(), "482913", format_))
    assert answer["39"] == "00"
    assert door.engine.requests[0].pin == Secret("482913")
    assert not {"52", "53", "110"} & answer.keys()


async def test_a_block_of_another_zone_is_a_security_violation_and_no_attempt(door: "Door") -> None:
    fields = with_pin(purchase(), "482913") | {"52": "0123456789ABCDEF"}
    assert (await (await door.caller()).ask(fields))["39"] == "63"
    assert door.engine.requests == []


@pytest.mark.parametrize(
    ("decline", "entry", "code"),
    [
        (Decline.WRONG_PIN, "051", "55"),
        (Decline.PIN_LOCKED, "021", "75"),
        (Decline.WRONG_PIN, "010", "14"),
        (Decline.PIN_LOCKED, "810", "14"),
        (Decline.CARD_INACTIVE, "051", "78"),
    ],
    ids=["wrong, in the pad", "locked, in the pad", "wrong, typed", "locked, online", "not sold yet"],
)
async def test_p17_who_has_the_card_is_told_of_the_pin_and_who_typed_a_number_is_not(
    door: "Door", decline: Decline, entry: str, code: str
) -> None:
    decides(door, status=Status.DECLINED, decline=decline)
    answer = await (await door.caller()).ask(with_pin(purchase(DE22=entry), "0000"))
    assert answer["39"] == code


async def test_a_balance_is_told_with_its_account_currency_and_sign(door: "Door") -> None:
    decides(door, balance_minor=12_300, amount=Money(0, KRW))
    answer = await (await door.caller()).ask(purchase(DE3="313000", DE4=ZERO))
    assert (answer["t"], answer["39"], answer["54"]) == ("0110", "00", "3002410C000000012300")
    request = door.engine.requests[0]
    assert (request.purpose, request.capture) == (Purpose.INQUIRY, False)


async def test_a_card_on_which_nothing_is_stored_has_no_balance_to_tell(door: "Door") -> None:
    decides(door, amount=Money(0, KRW))
    answer = await (await door.caller()).ask(purchase(DE3="310000", DE4=ZERO))
    assert answer["39"] == "57"
    assert "54" not in answer


@pytest.mark.parametrize(("code", "purpose"), [("210030", Purpose.LOAD), ("280030", Purpose.ACTIVATION)])
async def test_cash_at_an_agents_till_tells_what_the_card_holds_then(
    door: "Door", code: str, purpose: Purpose
) -> None:
    decides(door, balance_minor=40_000)
    caller = await door.caller()
    asked = purchase("0200", DE3=code, DE4="000000010000", DE14=None, DE48=None)
    answer = await caller.ask(asked)
    assert (answer["t"], answer["39"], answer["54"]) == ("0210", "00", "3002410C000000040000")
    assert door.engine.requests[0].purpose is purpose
    assert (await caller.ask(reversal(asked)))["39"] == "00"


async def test_less_is_approved_where_the_terminal_can_take_less(door: "Door") -> None:
    decides(door, amount=Money(10_000, KRW), requested_minor=34_000, balance_minor=0)
    answer = await (await door.caller()).ask(purchase() | CAN_TAKE_PART)
    assert (answer["39"], answer["4"], answer["38"]) == ("10", "000000010000", "A1B2C3")
    assert answer["54"] == "0002410C000000000000" + "0057410C000000034000"
    assert door.engine.requests[0].partial


async def test_a_purchase_approved_in_whole_tells_no_balance(door: "Door") -> None:
    decides(door, balance_minor=12_300)
    answer = await (await door.caller()).ask(purchase())
    assert (answer["39"], answer["4"]) == ("00", purchase()["4"])
    assert "54" not in answer
    assert not door.engine.requests[0].partial


# -- what others have decided -------------------------------------------------------------------------------


async def test_what_somebody_decided_for_us_is_taken_in_under_their_code(door: "Door") -> None:
    answer = await (await door.caller()).ask(purchase("0220", DE48=None) | REPORT)
    assert (answer["t"], answer["39"]) == ("0230", "00")
    (request,) = door.engine.requests
    assert (request.reported, request.capture, request.partial) == (True, True, True)
    assert (request.approval_code, request.cvv, request.pin) == ("VAN123", None, None)
    assert request.entry is Entry.ONLINE
    assert door.claims.uncovered == []


@pytest.mark.parametrize(
    ("decided", "missing"),
    [
        ({"amount": Money(10_000, KRW), "requested_minor": 34_000}, 24_000),
        ({"status": Status.DECLINED, "decline": Decline.INSUFFICIENT_FUNDS}, 34_000),
        ({"status": Status.DECLINED, "decline": Decline.UNKNOWN_MERCHANT}, 34_000),
    ],
    ids=["a part is there", "nothing is there", "the merchant is suspended"],
)
async def test_what_cannot_be_taken_is_acknowledged_and_left_to_an_operator(
    door: "Door", decided: dict[str, object], missing: int
) -> None:
    new_id = uuid7_source(lambda: int(NOW.timestamp() * 1000), lambda n: b"7" * n)
    decides(door, card_id=CardId(new_id()), merchant_id=MerchantId(new_id()), **decided)
    answer = await (await door.caller()).ask(purchase("0220") | REPORT)
    assert (answer["t"], answer["39"]) == ("0230", "00")
    assert door.claims.uncovered == [(missing, "VAN123", NUMBER[-4:])]


@pytest.mark.parametrize(
    ("decline", "code"),
    [(Decline.UNKNOWN_CARD, "14"), (Decline.UNKNOWN_MERCHANT, "03"), (Decline.KEY_REUSED, "94")],
)
async def test_what_is_about_nobody_of_ours_is_turned_away(door: "Door", decline: Decline, code: str) -> None:
    decides(door, status=Status.DECLINED, decline=decline)
    assert (await (await door.caller()).ask(purchase("0220") | REPORT))["39"] == code
    assert door.claims.uncovered == []


async def test_a_report_that_could_not_be_taken_in_is_never_undone(door: "Door") -> None:
    async def fail(_: AuthorizationRequest) -> None:
        raise Unavailable

    door.engine.before_answer = fail
    assert (await (await door.caller()).ask(purchase("0220") | REPORT))["39"] == "96"
    assert door.engine.undone_later == []


async def test_p11_no_answer_to_a_broken_pin_repeats_it(door: "Door") -> None:
    caller = await door.caller()
    block = with_pin(purchase(), "482913")
    await caller.send(wire(block | {"53": "9900000000000000"}))
    answer = await caller.answer_bytes()
    assert block["52"].encode() not in answer
    assert b"482913" not in answer
