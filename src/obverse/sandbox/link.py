"""The calling end of an ISO 8583 line: one connection, many requests in flight, answers in any order."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NoReturn

from obverse.sandbox.errors import BrokenFrame, KeyInUse, NoAnswer, Unreachable
from obverse.sandbox.wire import (
    Frame,
    Message,
    belongs,
    is_answer,
    key_of,
    read_frame,
    same_request,
    to_bytes,
)

logger: Final = logging.getLogger(__name__)

CONNECT_TIMEOUT_S: Final = 1.0


@dataclass(slots=True)
class _Waiting:
    """A request whose answer is awaited, by one asker or by several who sent the same request."""

    request: Message
    answer: asyncio.Future[Message]
    writer: asyncio.StreamWriter
    """The connection it was last sent on: when that breaks, no answer will come."""
    askers: int = 0


class Link:
    """Asks one far end. Connects when there is something to ask, and again after the connection was lost."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()
        self._waiting: dict[tuple[str, ...], _Waiting] = {}

    @property
    def connected(self) -> bool:
        return self._writer is not None and not self._writer.is_closing()

    async def ask(self, message: Message, timeout_s: float) -> Message:
        """Send a request and wait for its answer.

        A repeat of a request in flight is sent again and shares its answer. Raises `Unreachable` when nothing
        was sent, `NoAnswer` when it was sent and no answer came, `KeyInUse` for another request with this
        key.
        """
        raw = to_bytes(Frame(message))
        writer = await self._connect()
        waiting = self._wait_for(message, writer)
        try:
            writer.write(raw)
            await writer.drain()
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(waiting.answer)
        except (TimeoutError, ConnectionError):
            raise NoAnswer from None
        finally:
            self._leave(message)

    async def ask_and_hang_up(self, message: Message) -> NoReturn:
        """Send a request, and lose the line before its answer comes: raises `NoAnswer`, or `Unreachable`."""
        writer = await self._connect()
        writer.write(to_bytes(Frame(message)))
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()
        raise NoAnswer

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
            self._reading = None

    def _wait_for(self, message: Message, writer: asyncio.StreamWriter) -> _Waiting:
        waiting = self._waiting.get(key_of(message))
        if waiting is None:
            waiting = _Waiting(dict(message), asyncio.get_running_loop().create_future(), writer)
            self._waiting[key_of(message)] = waiting
        elif not same_request(waiting.request, message):
            raise KeyInUse
        waiting.writer = writer
        waiting.askers += 1
        return waiting

    def _leave(self, message: Message) -> None:
        waiting = self._waiting[key_of(message)]
        waiting.askers -= 1
        if not waiting.askers:
            del self._waiting[key_of(message)]
            waiting.answer.cancel()

    async def _connect(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._writer is None or self._writer.is_closing():
                try:
                    async with asyncio.timeout(CONNECT_TIMEOUT_S):
                        reader, self._writer = await asyncio.open_connection(self._host, self._port)
                except (OSError, TimeoutError):
                    raise Unreachable(self._host, self._port) from None
                self._reading = asyncio.create_task(self._read(reader, self._writer))
            return self._writer

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (frame := await read_frame(reader)) is not None:
                self._deliver(frame.message)
        except (BrokenFrame, ConnectionError) as error:
            logger.info("Connection to %s:%s lost: %s", self._host, self._port, error)
        finally:
            writer.close()
            self._give_up(writer)

    def _deliver(self, message: Message) -> None:
        waiting = self._waiting.get(key_of(message))
        if waiting is None or not is_answer(message) or not belongs(message, waiting.request):
            logger.info("An answer nobody waits for was dropped (late or sent twice).")
        elif not waiting.answer.done():
            waiting.answer.set_result(message)

    def _give_up(self, writer: asyncio.StreamWriter) -> None:
        for waiting in self._waiting.values():
            if waiting.writer is writer and not waiting.answer.done():
                waiting.answer.set_exception(ConnectionResetError())
