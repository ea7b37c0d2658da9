"""Callers at both doors over raw sockets: many requests in flight, and nothing repeated by itself."""

import asyncio
import json
from collections import deque
from dataclasses import dataclass
from typing import Any, Self

from tests.factories.iso8583 import wire

from obverse.networks.iso8583.codec import Fields, decode
from obverse.networks.iso8583.framing import FrameReader

HOST = "127.0.0.1"
_MATCHING = ("7", "11", "37")


class HungUp(ConnectionError):
    """The connection broke before the answer came."""


class _Line(asyncio.Protocol):
    """One connection to a door."""

    _transport: asyncio.Transport
    is_open = True

    @classmethod
    async def open(cls, port: int) -> Self:
        _, line = await asyncio.get_running_loop().create_connection(cls, HOST, port)
        return line

    def cut(self) -> None:
        """Hang up at once, whatever is under way."""
        self._transport.abort()

    def close(self) -> None:
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport


class AcquirerLine(_Line):
    """One connection to the ISO 8583 door. What arrives and was not asked for here is kept in `strays`."""

    def __init__(self) -> None:
        self._frames = FrameReader()
        self._waiting: dict[tuple[str, ...], asyncio.Future[Fields]] = {}
        self.strays: list[Fields] = []

    def ask(self, fields: Fields) -> asyncio.Future[Fields]:
        """Send a request; the future gives its answer, or raises `HungUp`."""
        return self.ask_raw(wire(fields), _key(fields))

    def ask_raw(self, raw: bytes, key: tuple[str, ...]) -> asyncio.Future[Fields]:
        """The same for a message that is already encoded."""
        future: asyncio.Future[Fields] = asyncio.get_running_loop().create_future()
        if not self.is_open:
            future.set_exception(HungUp())
            return future
        assert key not in self._waiting, "two requests under one key cannot be told apart"
        self._waiting[key] = future
        self._transport.write(raw)
        return future

    def data_received(self, data: bytes) -> None:
        self._frames.feed(data)
        while (received := self._frames.next_frame()) is not None:
            answer = decode(received.body)
            future = self._waiting.pop(_key(answer), None)
            if future is None:
                self.strays.append(answer)
            elif not future.done():
                future.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(HungUp())
        self._waiting.clear()


def _key(fields: Fields) -> tuple[str, ...]:
    return tuple([fields.get(number, "") for number in _MATCHING])


@dataclass(frozen=True, slots=True)
class RestAnswer:
    status: int
    body: Any
    raw: bytes


class RestLine(_Line):
    """One connection to the REST door; requests are pipelined, so answers come in the order of asking."""

    def __init__(self) -> None:
        self._data = b""
        self._waiting: deque[asyncio.Future[RestAnswer]] = deque()

    def ask(
        self, method: str, path: str, token: str, body: Any = None, key: str | None = None
    ) -> asyncio.Future[RestAnswer]:
        """Send a request; the future gives its answer, or raises `HungUp`."""
        return self.ask_raw(http_request(method, path, token, body, key))

    def ask_raw(self, raw: bytes) -> asyncio.Future[RestAnswer]:
        """The same for a request that is already written out."""
        future: asyncio.Future[RestAnswer] = asyncio.get_running_loop().create_future()
        if not self.is_open:
            future.set_exception(HungUp())
            return future
        self._waiting.append(future)
        self._transport.write(raw)
        return future

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (head_end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:head_end].lower()
            length_at = head.find(b"\r\ncontent-length:")
            length = int(head[length_at + 17 :].split(b"\r\n", 1)[0]) if length_at >= 0 else 0
            end = head_end + 4 + length
            if len(self._data) < end:
                return
            raw, self._data = self._data[:end], self._data[end:]
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(_rest_answer(raw, head_end + 4))

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        for future in self._waiting:
            if not future.done():
                future.set_exception(HungUp())
        self._waiting.clear()


def _rest_answer(raw: bytes, body_at: int) -> RestAnswer:
    body = raw[body_at:]
    return RestAnswer(int(raw[9:12]), json.loads(body) if body[:1] in (b"{", b"[") else None, raw)


def http_request(method: str, path: str, token: str, body: Any = None, key: str | None = None) -> bytes:
    """A request as bytes. `body` is sent as it is when it is bytes, else as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
    lines = [f"{method} {path} HTTP/1.1", "Host: obverse.test", f"Authorization: Bearer {token}"]
    if content:
        lines += ["Content-Type: application/json"]
    if key is not None:
        lines += [f"Idempotency-Key: {key}"]
    lines += [f"Content-Length: {len(content)}", "", ""]
    return "\r\n".join(lines).encode() + content
