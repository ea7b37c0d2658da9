"""The sending client against real sockets: good receivers, bad ones, and addresses it must not reach."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from tests.factories.tls import a_certificate
from tests.factories.webhooks import Receiver

from obverse.kit.clock import Clock
from obverse.kit.errors import InvalidRequest
from obverse.kit.secret import Secret
from obverse.networks.webhooks import WebhookClient
from obverse.notifications.model import Message, Problem

VECTOR = json.loads((Path(__file__).parents[2] / "vectors" / "standard_webhooks.json").read_text())
SECRET, OLD_SECRET = "whsec_" + "A" * 43 + "=", "whsec_" + "B" * 43 + "="
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def a_message(url: str, *secrets: str, id_: str = "evt_1", body: bytes = b'{"a":1}') -> Message:
    return Message(id_, url, body, [Secret(secret) for secret in secrets or (SECRET,)])


@asynccontextmanager
async def a_client(
    *, private: bool = True, timeout_s: float = 5, now: Callable[[], datetime] | None = None, **more
) -> AsyncIterator[WebhookClient]:
    client = WebhookClient(now=now or Clock().now, private=private, timeout_s=timeout_s, **more)
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def a_raw_server(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Reads a request's head and lets `answer` do what it likes; gives its port."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()


def says(raw: bytes) -> Answer:
    """Answers with these bytes and hangs up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await writer.drain()

    return answer


async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def endlessly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n")
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


async def endless_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"x-more: " + b"y" * 8_192 + b"\r\n")
        await writer.drain()


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in b"HTTP/1.1 200 OK\r\n" + b"x-more: y\r\n" * 10_000:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


# What is sent


async def test_the_published_vector_of_standard_webhooks_is_what_goes_over_the_wire() -> None:
    at = datetime.fromtimestamp(VECTOR["timestamp"], UTC)
    async with Receiver() as shop, a_client(now=lambda: at) as client:
        message = a_message(shop.url, VECTOR["secret"], id_=VECTOR["id"], body=VECTOR["payload"].encode())
        assert (await client.send(message)).problem is None
        (received,) = shop.received
    assert received.headers["webhook-id"] == VECTOR["id"]
    assert received.headers["webhook-timestamp"] == str(VECTOR["timestamp"])
    assert received.headers["webhook-signature"] == VECTOR["signature"]
    assert received.body == VECTOR["payload"].encode()


async def test_receivers_verify_with_the_standard_library_by_the_new_secret_and_by_the_old() -> None:
    async with Receiver() as shop, a_client() as client:
        attempt = await client.send(a_message(shop.url, SECRET, OLD_SECRET))
        (received,) = shop.received
    assert (attempt.problem, attempt.response_status) == (None, 200)
    headers = dict(received.headers)
    assert Webhook(SECRET).verify(received.body, headers) == {"a": 1}
    assert Webhook(OLD_SECRET).verify(received.body, headers) == {"a": 1}
    assert received.headers["content-type"] == "application/json"
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "C" * 43 + "=").verify(received.body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(received.body.replace(b"1", b"2"), headers)


# What comes back


@pytest.mark.parametrize(
    ("answer", "problem", "status"),
    [
        pytest.param(says(b"HTTP/1.1 204 No Content\r\n\r\n"), None, 204, id="any 2xx"),
        pytest.param(says(b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n"), Problem.STATUS, 500, id="500"),
        pytest.param(says(b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n"), Problem.STATUS, 404, id="404"),
        pytest.param(says(b""), Problem.NOT_HTTP, None, id="hangs up"),
        pytest.param(says(b"SSH-2.0-OpenSSH_9.6\r\n"), Problem.NOT_HTTP, None, id="garbage"),
        pytest.param(says(b"\x00\xff" * 300), Problem.NOT_HTTP, None, id="binary garbage"),
        pytest.param(says(b"HTTP/1.1 999999 Z\r\n\r\n"), Problem.NOT_HTTP, None, id="a status that is none"),
        pytest.param(
            says(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"), None, 200, id="bad body"
        ),
        pytest.param(says(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf"), None, 200, id="half a body"),
        pytest.param(endlessly, None, 200, id="an answer without end"),
        pytest.param(endless_headers, Problem.NOT_HTTP, None, id="headers without end"),
    ],
)
async def test_whatever_a_receiver_does_is_an_attempt(
    answer: Answer, problem: Problem | None, status: int | None
) -> None:
    async with a_raw_server(answer) as port, a_client() as client:
        attempt = await asyncio.wait_for(client.send(a_message(f"http://127.0.0.1:{port}/")), 5)
    assert (attempt.problem, attempt.response_status) == (problem, status)


@pytest.mark.parametrize("answer", [never, dripping], ids=["never answers", "drips"])
async def test_an_attempt_ends_in_time(answer: Answer) -> None:
    async with a_raw_server(answer) as port, a_client(timeout_s=0.3) as client:
        attempt = await asyncio.wait_for(client.send(a_message(f"http://127.0.0.1:{port}/")), 3)
    assert attempt.problem is Problem.TIMEOUT
    assert 250 <= attempt.duration_ms < 2_000


async def test_nobody_there_is_an_attempt() -> None:
    async with a_raw_server(never) as port:
        pass
    async with a_client() as client:
        attempt = await client.send(a_message(f"http://127.0.0.1:{port}/"))
    assert attempt.problem is Problem.UNREACHABLE


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    async with Receiver() as elsewhere:
        head = f"HTTP/1.1 {status} Moved\r\nlocation: {elsewhere.url}\r\ncontent-length: 0\r\n\r\n"
        async with a_raw_server(says(head.encode())) as port, a_client() as client:
            attempt = await client.send(a_message(f"http://127.0.0.1:{port}/"))
        assert (attempt.problem, attempt.response_status) == (Problem.STATUS, status)
        assert elsewhere.received == []


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with Receiver() as shop, a_client() as client:
        assert (await client.send(a_message(shop.url))).problem is None


# Where it does not go


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0177.0.0.1", "127.1"],
)
async def test_no_spelling_of_an_address_inside_gets_through(host: str) -> None:
    async with Receiver() as inside, a_client(private=False) as client:
        url = inside.url.replace("127.0.0.1", host)
        attempt = await client.send(a_message(url))
        with pytest.raises(InvalidRequest):
            await client.check(url)
        assert inside.received == []
    assert attempt.problem in (Problem.ADDRESS, Problem.UNREACHABLE)


async def test_a_name_that_leads_elsewhere_after_registration_is_looked_at_again() -> None:
    """DNS rebinding: public when it was registered, inside when it is sent to."""
    leads_to = ["93.184.215.14"]

    async def resolve(host: str, port: int) -> Sequence[str]:
        return list(leads_to)

    async with Receiver() as inside, a_client(private=False, resolve=resolve) as client:
        url = inside.url.replace("127.0.0.1", "rebind.example")
        await client.check(url)
        leads_to[:] = ["127.0.0.1"]
        assert (await client.send(a_message(url))).problem is Problem.ADDRESS
        leads_to[:] = ["93.184.215.14", "127.0.0.1"]
        assert (await client.send(a_message(url))).problem is Problem.ADDRESS
        assert inside.received == []


async def test_the_name_is_resolved_once_and_the_connection_goes_to_that_address() -> None:
    asked = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append((host, port))
        return ["127.0.0.1"]

    async with Receiver() as shop, a_client(resolve=resolve) as client:
        url = shop.url.replace("127.0.0.1", "hooks.shop.example")
        assert (await client.send(a_message(url))).problem is None
        (received,) = shop.received
    assert len(asked) == 1
    assert received.headers["host"] == f"hooks.shop.example:{asked[0][1]}"


async def test_the_next_address_is_tried_where_the_first_does_not_answer() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.3", "127.0.0.1"]

    async with Receiver() as shop, a_client(resolve=resolve) as client:
        assert (await client.send(a_message(shop.url.replace("127.0.0.1", "two.example")))).problem is None
        assert len(shop.received) == 1


@pytest.mark.parametrize(
    "url", ["https://no.such.host.invalid/", "https://" + "a" * 80 + ".example/", "https://a..b.example/"]
)
async def test_a_host_that_is_not_found_is_refused_and_not_sent_to(url: str) -> None:
    async with a_client(private=False) as client:
        with pytest.raises(InvalidRequest):
            await client.check(url)
        assert (await client.send(a_message(url))).problem in (Problem.UNREACHABLE, Problem.TIMEOUT)


# TLS


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context for hooks.shop.example, and a client's that believes it."""
    return a_certificate("hooks.shop.example", tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize(
    ("host", "believed", "problem"),
    [
        ("hooks.shop.example", True, None),
        ("other.shop.example", True, Problem.TLS),
        ("hooks.shop.example", False, Problem.TLS),
    ],
    ids=["the right name", "another's certificate", "nobody's certificate"],
)
async def test_tls_goes_by_the_name_though_the_connection_goes_by_the_address(
    tls: tuple[ssl.SSLContext, ssl.SSLContext], host: str, believed: bool, problem: Problem | None
) -> None:
    server, trust = tls

    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    ok = says(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    async with (
        a_raw_server(ok, server) as port,
        a_client(resolve=resolve, trust=trust if believed else None) as client,
    ):
        assert (await client.send(a_message(f"https://{host}:{port}/"))).problem is problem
