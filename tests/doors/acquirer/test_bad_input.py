"""Hostile and broken callers: answered where they can be, hung up on where not; everybody else is served."""

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.doors.acquirer.conftest import LIMITS, Caller
from tests.factories.acquirer import NOW, FakeClaims, FakeEngine, OneShop
from tests.factories.iso8583 import (
    NUMBER,
    PIN_KEY,
    PIN_KEY_AES,
    echo_test,
    purchase,
    reconciliation,
    reversal,
    upload,
    wire,
    with_pin,
)
from tests.factories.waiting import eventually

from obverse.authorization.model import AuthorizationRequest
from obverse.doors.acquirer import AcquirerDoor
from obverse.kit.errors import CannotStart
from obverse.kit.secret import Secret
from obverse.networks.iso8583 import encode, frame
from obverse.networks.iso8583.pin_blocks import PinFormat, PinKeys

if TYPE_CHECKING:
    from tests.doors.acquirer.conftest import Door

GOOD = encode(purchase())


async def _still_serves(door: "Door", code: str = "00") -> None:
    caller = await door.caller()
    assert (await caller.ask(purchase(DE11="000999")))["39"] == code
    await caller.close()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (encode(purchase(DE4=None)), "30"),
        (encode(purchase(DE49="000")), "30"),
        (encode(purchase(DE48="92991")), "30"),
        (encode(purchase() | {"63": "03061|50"}), "30"),
        (encode(purchase(DE3="990000")), "30"),
        (encode(purchase(DE7="1399000000")), "30"),
        (encode(reversal(purchase(), DE90=None)), "30"),
        (GOOD[:-3] + b"4\xff0", "30"),
        (GOOD + b"0", "30"),
        (GOOD[:-2], "30"),
        (GOOD.replace(b"0079203123", b"9989203123"), "30"),
        (encode(purchase("0300")), "40"),
        (encode(echo_test(DE70=None)), "30"),
    ],
    ids=[
        "a missing field",
        "an unknown currency",
        "a wrong length inside a field",
        "a wrong length inside a pick",
        "another transaction",
        "a time that does not exist",
        "a reversal of nothing",
        "a byte that is no text",
        "a byte too many",
        "two bytes too few",
        "a wrong field length",
        "another class of message",
        "a network message without its code",
    ],
)
async def test_a_malformed_message_is_answered_with_a_format_error(
    door: "Door", body: bytes, code: str
) -> None:
    caller = await door.caller()
    await caller.send(frame(body))
    answer = await caller.answer()
    assert answer["39"] == code
    assert answer["11"] in ("000001", "000900", "000777")
    assert door.engine.requests == []
    assert (await caller.ask(purchase(DE11="000002")))["39"] == "00", "the connection goes on"


@pytest.mark.parametrize(
    "stream",
    [
        frame(GOOD[:4] + b"Z" * 16 + GOOD[20:]),
        frame(GOOD[:4] + b"F" * 16 + GOOD[20:]),
        frame(encode(purchase(DE11=None))),
        frame(encode(purchase("0110"))),
        frame(b"0"),
        b"\xff\xff" + GOOD,
        b"\x00\x00" + GOOD,
        b"\x00\x03\x60\x00\x01",
        b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 600,
    ],
    ids=[
        "a bitmap that is none",
        "a bitmap of everything",
        "no trace number",
        "an answer",
        "one byte",
        "a length of 65535",
        "a length of nothing",
        "half a transport header",
        "HTTP",
        "TLS",
    ],
)
async def test_what_cannot_be_answered_is_hung_up_on(door: "Door", stream: bytes) -> None:
    caller = await door.caller()
    await caller.send(stream)
    assert await caller.is_hung_up_on()
    assert door.engine.requests == []
    await _still_serves(door)


async def test_half_a_message_and_then_silence_is_hung_up_on(door: "Door") -> None:
    caller = await door.caller()
    await caller.send(wire(purchase())[:50])
    assert await caller.is_hung_up_on()
    assert door.engine.requests == []
    await _still_serves(door)


async def test_a_message_fed_byte_by_byte_does_not_hold_the_door_open(door: "Door") -> None:
    caller = await door.caller()
    for byte in wire(purchase())[:100]:
        if caller.writer.is_closing():
            break
        caller.writer.write(bytes([byte]))
        await asyncio.sleep(0.02)
    assert await caller.is_hung_up_on()


async def test_an_idle_caller_is_hung_up_on_and_an_echo_test_keeps_it(door: "Door") -> None:
    idle, lively = await door.caller(), await door.caller()
    while not idle.reader.at_eof():
        assert (await lively.ask(echo_test()))["39"] == "00"
        await asyncio.sleep(0.05)
        if door.door.connection_count == 1:
            break
    assert await idle.is_hung_up_on()
    assert (await lively.ask(purchase()))["39"] == "00"


async def test_a_caller_too_many_is_turned_away(door: "Door") -> None:
    callers = [await door.caller() for _ in range(LIMITS.connections_max)]
    await eventually(lambda: door.door.connection_count == LIMITS.connections_max)
    assert await (await door.caller()).is_hung_up_on()
    assert (await callers[0].ask(purchase()))["39"] == "00"


async def test_more_than_may_be_in_flight_waits_in_the_callers_own_buffers(door: "Door") -> None:
    most = 0
    running = 0

    async def count(_: AuthorizationRequest) -> None:
        nonlocal most, running
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1

    door.engine.before_answer = count
    caller = await door.caller()
    await caller.send(*[purchase(DE11=f"{n:06d}") for n in range(200)])
    answered = {(await caller.answer())["11"] for _ in range(200)}
    assert len(answered) == 200
    assert most == LIMITS.in_flight_max


async def test_requests_of_a_caller_who_left_still_count_against_the_limit(door: "Door") -> None:
    release = asyncio.Event()

    async def wait(_: AuthorizationRequest) -> None:
        await release.wait()

    door.engine.before_answer = wait
    caller = await door.caller()
    await caller.send(purchase())
    await eventually(lambda: len(door.engine.requests) == 1)
    await caller.close()
    await asyncio.sleep(0.05)
    assert door.door.connection_count == 1
    release.set()
    await eventually(lambda: door.door.connection_count == 0)


async def test_a_caller_that_does_not_read_is_cut_off(narrow_door: "Door") -> None:
    door = narrow_door
    await door.open(in_flight_max=512, answers_waiting_bytes=4096, idle_timeout_s=30)
    caller = await door.caller()
    transport = caller.writer.transport
    transport.pause_reading()
    many = wire(echo_test()) * 1000

    async def flood() -> None:
        while not transport.is_closing():
            caller.writer.write(many)
            await caller.writer.drain()
            await asyncio.sleep(0)

    flooding = asyncio.create_task(flood())
    await eventually(lambda: door.door.connection_count == 0)
    flooding.cancel()
    await asyncio.wait([flooding])
    await _still_serves(door)


async def test_a_flood_of_garbage_does_not_keep_others_waiting(narrow_door: "Door") -> None:
    door = narrow_door
    await door.open(connections_max=64)
    good = await door.caller()

    async def flood(seed: int) -> None:
        for n in range(20):
            caller = await door.caller()
            try:
                await caller.send(bytes((seed * 31 + n * 7 + i * i) % 256 for i in range(5000)))
                await caller.is_hung_up_on()
            except ConnectionError:
                pass
            await caller.close()

    floods = [asyncio.create_task(flood(seed)) for seed in range(4)]
    for n in range(100):
        assert (await good.ask(purchase(DE11=f"{n:06d}")))["39"] == "00"
    await asyncio.gather(*floods)


async def test_a_taken_port_is_one_clear_line(door: "Door") -> None:
    with pytest.raises(CannotStart, match="OBVERSE_ACQUIRER_PORT"):
        await AcquirerDoor(FakeEngine(), FakeClaims(), OneShop(), now=lambda: NOW).start(
            "127.0.0.1", door.door.port
        )


async def test_p11_no_answer_to_a_broken_message_repeats_the_number(door: "Door") -> None:
    caller = await door.caller()
    await caller.send(frame(encode(purchase(DE4=None))))
    assert NUMBER.encode() not in await caller.answer_bytes()


# -- P15: whatever comes, the door stays open ---------------------------------------------------------------


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """A valid message with bytes changed, cut, doubled, or its length bent."""
    ordinary = (
        *(purchase(), purchase("0200"), reversal(purchase()), upload(), reconciliation(), echo_test()),
        *(with_pin(purchase(), "4829", format_) for format_ in PinFormat),
        *(purchase("0220", DE22="010") | {"38": "VAN123"}, purchase("0200", DE3="210000")),
        purchase("0200") | {"63": "01127Q2KMX4TZ9AB03061|500003052|all"},
    )
    message = draw(st.sampled_from(ordinary))
    raw = bytearray(wire(message))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(raw) - 1))
        match draw(st.sampled_from(["change", "cut", "insert"])):
            case "change":
                raw[at] = draw(st.integers(0, 255))
            case "cut":
                del raw[at : at + draw(st.integers(1, 8))]
            case _:
                raw[at:at] = draw(st.binary(max_size=8))
        if not raw:
            break
    return bytes(raw)


@given(
    st.lists(
        st.one_of(mutations(), st.binary(min_size=1, max_size=600), st.just(wire(purchase()))), max_size=5
    )
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_p15_hostile_bytes_never_stop_the_door(streams: list[bytes]) -> None:
    """Hostile bytes on one connection; a well-behaved caller on another is served throughout."""

    async def scenario() -> None:
        defects: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: defects.append(context))
        keys = PinKeys(Secret(PIN_KEY), Secret(PIN_KEY_AES))
        door = AcquirerDoor(
            FakeEngine(), FakeClaims(), OneShop(), now=lambda: NOW, limits=LIMITS, pin_keys=keys
        )
        await door.start("127.0.0.1", 0)
        good, bad = await Caller.connect(door.port), await Caller.connect(door.port)
        for n, stream in enumerate(streams):
            try:
                await bad.send(stream)
            except ConnectionError:
                bad = await Caller.connect(door.port)
            # From another terminal: a bent reversal may well be a good one of its own terminal.
            assert (await good.ask(purchase(DE11=f"{n:06d}", DE41="TERM0002")))["39"] == "00"
        await good.close()
        await bad.close()
        await door.stop(grace_s=2)
        assert door.connection_count == 0
        assert defects == []

    asyncio.run(scenario())
