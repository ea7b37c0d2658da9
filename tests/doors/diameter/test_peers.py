"""Who may speak Diameter with us, and what becomes of those who cannot."""

from random import Random

import pytest
from diameter.message.commands import (
    AccountingRequest,
    DeviceWatchdogAnswer,
    DeviceWatchdogRequest,
    DisconnectPeerRequest,
)
from tests.doors.diameter.conftest import DiameterWorld
from tests.factories.diameter import (
    CALLS_HOST,
    RELAY_HOST,
    PlainCaller,
    a_hello,
    an_initial,
    an_update,
)
from tests.factories.metering import OPERATOR, a_calling_service, prices


async def test_a_peer_is_known_by_its_name(strict: DiameterWorld) -> None:
    for hello, result in ((a_hello("stranger.example.com"), 3010), (a_hello(CALLS_HOST, 1), 5010)):
        caller = await PlainCaller.connect(strict.door.port, introduced=False)
        assert (await caller.ask(hello)).result_code == result
        assert await caller.is_hung_up_on()
        await caller.close()
    for host, application in ((RELAY_HOST, 0xFFFFFFFF), (CALLS_HOST.upper(), 4)):
        caller = await PlainCaller.connect(strict.door.port, introduced=False)
        answer = await caller.ask(a_hello(host, application))
        assert (answer.result_code, answer.auth_application_id) == (2001, [4])
        await caller.close()


async def test_p12_a_calling_server_speaks_for_itself_and_a_relay_for_all(diameter: DiameterWorld) -> None:
    meter = diameter.meter
    other = await a_calling_service(meter.house)
    await meter.tariffs.add(other, prices(), OPERATOR)
    await meter.tariffs.set_server(other, "calls.other.example", OPERATOR)
    _, face = await meter.card()
    async with diameter.line() as own:
        session = own.session()
        assert (await own.ask(an_initial(session, face))).result_code == 2001
    stranger = await PlainCaller.connect(diameter.door.port, "calls.other.example")
    assert (await stranger.ask(an_update(session, 1, 60))).result_code == 5003, "in another's name"
    theirs = an_update(session, 1, 60)
    theirs.origin_host = b"calls.other.example"
    assert (await stranger.ask(theirs)).result_code == 5002, "another's session"
    relay = await PlainCaller.connect(diameter.door.port, RELAY_HOST)
    assert (await relay.ask(an_update(session, 1, 60))).result_code == 2001
    for caller in (stranger, relay):
        await caller.close()


@pytest.mark.parametrize(
    "bytes_",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="HTTP"),
        pytest.param(b"\x01\xff\xff\xfc" + bytes(64), id="16 MB"),
        pytest.param(b"\x01\x00\x00\x08" + bytes(4), id="shorter than a header"),
        pytest.param(b"\x02\x00\x00\x14" + bytes(16), id="another version"),
        pytest.param(b"\x01\x00\x00\x15" + bytes(17), id="not a multiple of four"),
        pytest.param(
            b"\x01\x00\x00\x20\xc0\x00\x01\x10\x00\x00\x00\x04"
            + bytes(8)
            + b"\x00\x00\x01\x07\x40\x00\xff\xff\x00\x00\x00\x00",
            id="an AVP beyond the end",
        ),
        pytest.param(b"\x01\x00\x00", id="half a message"),
    ],
)  # fmt: skip
async def test_p15_wrong_bytes_end_their_connection_and_nothing_else(
    strict: DiameterWorld, bytes_: bytes
) -> None:
    _, face = await strict.meter.card()
    for introduced in (False, True):
        bad = await PlainCaller.connect(strict.door.port, introduced=introduced)
        bad.writer.write(bytes_)
        assert await bad.is_hung_up_on()
        await bad.close()
        async with strict.line() as good:
            assert (await good.ask(a_watchdog())).result_code == 2001
            session = f"{CALLS_HOST};{introduced};1"
            assert (await good.ask(an_initial(session, face))).result_code == 2001


async def test_p15_flipped_bits_are_answered_or_hung_up_on(diameter: DiameterWorld) -> None:
    chance = Random(7)
    _, face = await diameter.meter.card(10_000_000)
    good = an_initial("calls.example.com;flip;0", face).as_bytes()
    caller = await PlainCaller.connect(diameter.door.port)
    for at in range(20, len(good), 3):
        flipped = bytearray(good)
        flipped[at] ^= chance.randrange(256) | 1
        caller.writer.write(flipped)
        try:
            assert not (await caller.receive()).header.is_request
        except (EOFError, ConnectionResetError):
            await caller.close()
            caller = await PlainCaller.connect(diameter.door.port)
    await caller.close()


def a_watchdog() -> DeviceWatchdogRequest:
    request = DeviceWatchdogRequest()
    request.origin_host = CALLS_HOST.encode()
    request.origin_realm = b"example.com"
    return request


async def test_a_silent_peer_is_asked_and_then_given_up(strict: DiameterWorld) -> None:
    caller = await PlainCaller.connect(strict.door.port)
    asked = await caller.receive()
    assert isinstance(asked, DeviceWatchdogRequest)
    answer = asked.to_answer()
    assert isinstance(answer, DeviceWatchdogAnswer)
    answer.result_code = 2001
    answer.origin_host, answer.origin_realm = CALLS_HOST.encode(), b"example.com"
    caller.writer.write(answer.as_bytes())
    assert isinstance(await caller.receive(), DeviceWatchdogRequest), "it is asked again"
    assert await caller.is_hung_up_on()
    await caller.close()


async def test_what_is_not_credit_control_is_not_supported(diameter: DiameterWorld) -> None:
    async with diameter.line() as caller:
        request = AccountingRequest()
        request.session_id = "calls.example.com;1;1"
        request.origin_host, request.origin_realm = CALLS_HOST.encode(), b"example.com"
        answer = await caller.ask(request)
        assert (answer.result_code, answer.header.is_error) == (3001, True)


async def test_a_peer_that_leaves_is_let_go_and_a_door_that_closes_says_so(diameter: DiameterWorld) -> None:
    leaving, staying = [await PlainCaller.connect(diameter.door.port) for _ in range(2)]
    goodbye = DisconnectPeerRequest()
    goodbye.origin_host, goodbye.origin_realm, goodbye.disconnect_cause = (
        CALLS_HOST.encode(),
        b"example.com",
        2,
    )
    assert (await leaving.ask(goodbye)).result_code == 2001
    assert await leaving.is_hung_up_on()
    await diameter.door.stop()
    assert isinstance(await staying.receive(), DisconnectPeerRequest)
    assert await staying.is_hung_up_on()
    assert diameter.door.connection_count == 0
    for caller in (leaving, staying):
        await caller.close()


async def test_no_more_peers_than_there_is_room_for(strict: DiameterWorld) -> None:
    peers = [await PlainCaller.connect(strict.door.port) for _ in range(4)]
    fifth = await PlainCaller.connect(strict.door.port, introduced=False)
    assert await fifth.is_hung_up_on()
    for caller in (*peers, fifth):
        await caller.close()
