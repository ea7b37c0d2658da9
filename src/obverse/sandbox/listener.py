"""The listening end of an ISO 8583 line: many callers, many requests in flight on each."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, cast

from obverse.sandbox.errors import BrokenFrame
from obverse.sandbox.wire import Frame, read_frame, to_bytes

logger: Final = logging.getLogger(__name__)


class Caller:
    """One connection that somebody opened to us."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def send(self, frame: Frame) -> bool:
        """Answer; False when the caller has hung up meanwhile, which is nobody's fault."""
        return await self.send_raw(to_bytes(frame))

    async def send_raw(self, raw: bytes) -> bool:
        if self._writer.is_closing():
            return False
        try:
            self._writer.write(raw)
            await self._writer.drain()
        except ConnectionError:
            return False
        return True

    def close(self) -> None:
        self._writer.close()

    def drop(self) -> None:
        """Close without waiting for what is still to be sent."""
        self._writer.transport.abort()


Handle = Callable[[Caller, Frame], Awaitable[None]]


class Listener:
    """Accepts callers and hands each frame to `handle`, in its own task: a slow one holds up nobody."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._host = ""
        self._server: asyncio.Server | None = None
        self._callers: set[Caller] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._handling: set[asyncio.Task[None]] = set()  # the loop itself keeps only weak references
        self.port = 0

    async def start(self, host: str, port: int = 0) -> None:
        """Listen; port 0 takes a free one, told by `port`. Raises `OSError` when the port is taken."""
        self._server = await asyncio.start_server(self._serve, host, port)
        self._host, self.port = host, self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self.hang_up()
        for task in self._handling:
            task.cancel()
        await asyncio.gather(*self._handling, *self._serving, return_exceptions=True)

    def hang_up(self) -> None:
        """Stop listening and drop every caller; `listen_again` takes it back."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for caller in self._callers:
            caller.drop()

    async def listen_again(self) -> None:
        if self._server is None:
            await self.start(self._host, self.port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = Caller(writer)
        serving = cast(asyncio.Task[None], asyncio.current_task())
        self._callers.add(caller)
        self._serving.add(serving)
        try:
            while (frame := await read_frame(reader)) is not None:
                self._spawn(caller, frame)
        except (BrokenFrame, ConnectionError) as error:
            logger.info("Connection closed: %s", error)
        finally:
            self._serving.discard(serving)
            self._callers.discard(caller)
            caller.close()

    def _spawn(self, caller: Caller, frame: Frame) -> None:
        task = asyncio.ensure_future(self._handle(caller, frame))
        self._handling.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._handling.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("A request could not be handled: %s", type(error).__name__)
