"""P15: hostile bytes and hostile JSON at both doors, while good traffic goes on as if nothing were."""

import asyncio
import json
from collections.abc import Sequence
from random import Random
from typing import Any

from tests.factories.callers import HOST, AcquirerLine, RestLine, http_request
from tests.factories.estate import Estate, rest_body
from tests.factories.iso8583 import echo_test, wire
from tests.factories.platform import PlatformProcess

from obverse.cards import CardFace
from obverse.networks.iso8583 import FrameReader, decode

ROUNDS = 400
GOOD_PAYMENTS = 600
LATENCY_SECONDS_MAX = 5.0

HOSTILE_VALUES: Sequence[Any] = (
    None, True, -1, 0, 1.5, 1e308, 2**63, 2**200, "", " ", "x" * 70_000, "\x00", "\u202e", "\ud83d\ude00",
    [], {}, [[[[]]]], {"amount": {}}, "' or 1=1 --", "9" * 400, "NaN", "../../etc/passwd",
)  # fmt: skip

PATHS = (
    "/v1/payments", "/v1/payments/dry_run", "/v1/payments/%00", "/v1/payments/auth_0", "/v1/cards",
    "/v1/members", "/v1/sessions", "/v1/claims", "/v1/linked_cards", "/v1/api_keys", "/v1/merchants",
    "/v1/payments?limit=-1", "/v1/payments?after=%ff%fe", "/v1/nothing", "//", "/v1/payments/../..",
)  # fmt: skip


async def test_p15_garbage_at_both_doors_harms_neither_the_doors_nor_good_traffic(
    estate: Estate, platform: PlatformProcess
) -> None:
    faces = await estate.on_us_cards(GOOD_PAYMENTS)
    (victim,) = await estate.on_us_cards(1)
    pid = platform.pid
    statuses, _, _ = await asyncio.gather(
        throw_at_rest(estate, platform, victim),
        throw_at_acquirer(estate, platform, victim),
        good_traffic(estate, platform, faces),
    )
    assert sorted({status for status in statuses if status >= 500}) == []
    assert len(statuses) > ROUNDS, "the REST door did not even answer"
    assert platform.pid == pid
    written = platform.written()
    for sign in (b"request_failed", b"acquirer.defect", b"Traceback", b"unhandled_exception"):
        assert sign not in written
    await estate.books_are_right()


async def good_traffic(estate: Estate, platform: PlatformProcess, faces: Sequence[CardFace]) -> None:
    """Payments at both doors, one after the other on each: all approved, all in time."""
    till, website = await AcquirerLine.open(platform.acquirer_port), await RestLine.open(platform.rest_port)
    half = len(faces) // 2

    async def at_till() -> None:
        for face in faces[:half]:
            async with asyncio.timeout(LATENCY_SECONDS_MAX):
                assert (await till.ask(estate.purchase(face)))["39"] == "00"

    async def online() -> None:
        for i, face in enumerate(faces[half:]):
            async with asyncio.timeout(LATENCY_SECONDS_MAX):
                answer = await website.ask_raw(estate.rest_payment(face, f"good {i}"))
            assert (answer.status, answer.body["status"]) == (201, "approved")

    await asyncio.gather(at_till(), online())
    till.close()
    website.close()


async def throw_at_acquirer(estate: Estate, platform: PlatformProcess, victim: CardFace) -> None:
    """Bytes of every bad kind; each is answered with a readable message or the line is closed."""
    rng = Random(15)
    for _ in range(ROUNDS):
        good = wire(estate.purchase(victim))
        answered = await talk(platform.acquirer_port, bad_iso8583(rng, good))
        frames = FrameReader()
        frames.feed(answered)
        while (received := frames.next_frame()) is not None:
            assert decode(received.body)["t"][2] in "135"


def bad_iso8583(rng: Random, good: bytes) -> bytes:
    """A good message with something wrong with it, or nothing good at all."""
    body = bytearray(good[2:])
    match rng.randrange(8):
        case 0:
            return rng.randbytes(rng.randrange(1, 3_000))
        case 1:
            return b"\xff\xff" + rng.randbytes(100)
        case 2:
            return b"\x00\x00" + good
        case 3:
            return good[: rng.randrange(1, len(good))]
        case 4:
            for _ in range(rng.randrange(1, 6)):
                body[rng.randrange(len(body))] = rng.randrange(256)
        case 5:
            body[4:20] = rng.randbytes(8).hex().upper().encode()
        case 6:
            del body[rng.randrange(len(body)) :]
        case 7:
            body[:4] = rng.choice([b"0110", b"0999", b"abcd", b"0800", b"0420", b"9100"])
    return len(body).to_bytes(2, "big") + bytes(body) + wire(echo_test())


async def throw_at_rest(estate: Estate, platform: PlatformProcess, victim: CardFace) -> list[int]:
    """Requests of every bad kind; the statuses of those that were answered."""
    rng = Random(16)
    statuses = []
    for turn in range(ROUNDS):
        raw = await talk(platform.rest_port, bad_http(rng, estate, victim, turn))
        statuses += [int(line[9:12]) for line in raw.split(b"\r\n") if line[:9] == b"HTTP/1.1 "]
    for name in rest_body(victim):
        for value in HOSTILE_VALUES:
            body = rest_body(victim) | {name: value}
            raw = await talk(platform.rest_port, closing(estate, "/v1/payments", body), half_close=False)
            statuses.append(int(raw[9:12]))
    return statuses


def bad_http(rng: Random, estate: Estate, victim: CardFace, turn: int) -> bytes:
    good = json.dumps(rest_body(victim)).encode()
    path = rng.choice(PATHS)
    match rng.randrange(7):
        case 0:
            return rng.randbytes(rng.randrange(1, 3_000)) + b"\r\n\r\n"
        case 1:
            return closing(estate, path, good[: rng.randrange(1, len(good))])
        case 2:
            spoilt = bytearray(good)
            for _ in range(rng.randrange(1, 6)):
                spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
            return closing(estate, path, bytes(spoilt))
        case 3:
            return closing(estate, path, b"[" * 30_000)
        case 4:
            return closing(estate, path, {"card_number": rng.choice(HOSTILE_VALUES), "amount": turn})
        case 5:
            method = rng.choice(["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
            return http_request(method, path, rng.choice(["", "x" * 9_000, estate.token]))
        case _:
            return http_request("POST", path, estate.token, good, "k" * rng.randrange(200, 20_000))


def closing(estate: Estate, path: str, body: Any) -> bytes:
    raw = http_request("POST", path, estate.token, body)
    return raw.replace(b"Host:", b"Connection: close\r\nHost:", 1)


async def talk(port: int, raw: bytes, *, half_close: bool = True) -> bytes:
    """Send it, say no more, and read until the door hangs up or has said all it will.

    The REST door hangs up on a client that half-closes while its answer still waits for the database, as it
    does once a second for the key: who wants to be sure of an answer has to keep the line open.
    """
    reader, writer = await asyncio.open_connection(HOST, port)
    answered = b""
    try:
        writer.write(raw)
        if half_close:
            writer.write_eof()
        async with asyncio.timeout(LATENCY_SECONDS_MAX * 2):
            answered = await reader.read(-1)
    except ConnectionError:
        return answered  # it hung up before it had read everything
    finally:
        writer.close()
    return answered
