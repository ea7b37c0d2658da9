"""Promise P15 over a real socket: no request, made from our document or against it, gets a 5xx."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from tests.factories.rest import RestHouse

from obverse.doors.rest.server import RestDoor

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXAMPLES: Final = 8
"""Per operation and mode; there are hundreds of operations."""
KINDS: Final = frozenset({"application/json", "application/problem+json", "text/csv", "text/plain"})


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def door(rest: RestHouse) -> AsyncIterator[str]:
    """The address of the door on a real socket."""
    door = RestDoor(rest.app)
    await door.start("127.0.0.1", 0)
    yield f"http://127.0.0.1:{door.port}"
    await door.stop()


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_p15_no_request_made_from_the_document_or_against_it_gets_a_5xx(
    rest: RestHouse, door: str
) -> None:
    member = await rest.member()
    headers = [rest.operator, rest.merchant, member.headers, {}]
    document = (await rest.client.get("/v1/openapi")).json()

    await asyncio.to_thread(fuzz, document, door, headers)


def fuzz(document: dict[str, Any], address: str, callers: list[dict[str, str]]) -> None:
    operations = schemathesis.openapi.from_dict(document).get_all_operations()
    with httpx.Client(base_url=address, timeout=30) as client:
        for result in operations:
            operation = result.ok()
            # A clock that runs away by centuries is a test of its own.
            if operation.path == "/v1/simulate/advance_clock":
                continue
            for mode in GenerationMode:
                fuzz_one(operation, mode, client, callers)


def fuzz_one(
    operation: Any, mode: GenerationMode, client: httpx.Client, callers: list[dict[str, str]]
) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    @given(case=operation.as_strategy(generation_mode=mode), caller=st.sampled_from(callers))
    def sends(case: Any, caller: dict[str, str]) -> None:
        try:
            sent = case.as_transport_kwargs(base_url=str(client.base_url))
            request = client.build_request(
                sent["method"],
                sent["url"],
                params=sent.get("params"),
                headers={**without_token(sent.get("headers") or {}), **caller},
                json=sent.get("json"),
                content=sent.get("data") if isinstance(sent.get("data"), bytes) else None,
            )
            answer = client.send(request)
        except (httpx.InvalidURL, httpx.LocalProtocolError, UnicodeError, ValueError, TypeError):
            return  # what no client can put on the wire
        where = f"{request.method} {request.url} {request.content!r} -> {answer.text}"
        assert answer.status_code < 500, where
        kind = answer.headers.get("content-type", "text/plain").split(";")[0]
        assert kind in KINDS or answer.status_code == 204, where
        if kind == "application/json":
            operation.validate_response(answer)

    sends()


def without_token(headers: Any) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() != "authorization"}


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00\x01\x02\x03" * 100,
        b"POST /v1/payments HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n{",
        b"POST /v1/payments HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{",
        b"POST /v1/payments HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        b"POST /v1/payments HTTP/9.9\r\nHost: \xff\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
    ],
    ids=[
        "no host", "bytes", "length beyond belief", "negative length", "endless chunk", "odd version",
        "long path", "many headers",
    ],
)  # fmt: skip
async def test_p15_hostile_bytes_never_stop_the_door(rest: RestHouse, door: str, raw: bytes) -> None:
    host, port = door.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(raw)
    await writer.drain()
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(100_000), 10)
    writer.close()

    assert b" 500 " not in answer.split(b"\r\n")[0]
    async with httpx.AsyncClient(base_url=door) as client:
        assert (await client.get("/health")).status_code == 200
