"""One peer's connection: who it is, whether it is still there, and what it asks."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from obverse.doors.diameter import wire
from obverse.doors.diameter.limits import Limits

log = structlog.get_logger(__name__)

CREDIT_CONTROL: Final = 4
"""The application's number (RFC 8506, 1.2)."""
_RELAY: Final = 0xFFFFFFFF
"""Advertised by agents that forward whatever comes (RFC 6733, 2.4)."""
_PRODUCT: Final = "Obverse"
_REBOOTING: Final = 0


@dataclass(frozen=True, slots=True)
class Identity:
    """How the platform names itself; the realm is what follows the first dot."""

    origin_host: str
    address: str = "127.0.0.1"

    @property
    def realm(self) -> str:
        return self.origin_host.partition(".")[2]


Answer = Callable[[Any, str], Awaitable[Any]]
"""Answers a credit control request of the peer with that name."""
Knows = Callable[[str], Awaitable[bool]]
"""Whether a peer of that name may connect."""


@dataclass(slots=True, eq=False)
class Connection:
    """Reads message after message; requests are decided beside one another and answered as they are done.

    Requests go on being decided when the peer hangs up: it will ask again, and be answered the same. Their
    answers are then dropped, and never go to anybody else (P12).
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    identity: Identity
    limits: Limits
    answer: Answer
    knows: Knows
    peer: str = ""
    _in_flight: set[asyncio.Task[None]] = field(default_factory=set)
    _room: asyncio.Event = field(default_factory=asyncio.Event)
    _ids: int = 0
    _finishing: bool = False

    async def run(self) -> None:
        """Serve this peer until it leaves, falls silent, or sends what cannot be read."""
        self._room.set()
        try:
            await self._introduce()
            while not self._finishing:
                await self._room.wait()
                await self._take(await self._next())
        except (wire.Unreadable, asyncio.IncompleteReadError, OSError, TimeoutError) as error:
            log.info("diameter.closed", peer=self.peer, reason=type(error).__name__)
        finally:
            self.writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(self.writer.wait_closed(), self.limits.message_s)

    async def finish(self, grace_s: float) -> None:
        """Take nothing more in, answer what is under way, tell the peer, and hang up."""
        self._finishing = True
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=grace_s)
        if self.peer:
            goodbye = self._request(wire.DisconnectPeerRequest())
            goodbye.disconnect_cause = _REBOOTING
            with contextlib.suppress(OSError, TimeoutError):
                await self._send(goodbye)
        self.writer.close()

    # messages ----------------------------------------------------------------------------------------------

    async def _introduce(self) -> None:
        """The first message says who it is (RFC 6733, 5.3)."""
        async with asyncio.timeout(self.limits.introduction_s):
            message = wire.decode(await self._frame(await self.reader.readexactly(4)))
        if not isinstance(message, wire.CapabilitiesExchangeRequest) or message.origin_host is None:
            raise wire.Unreadable
        name = _name(message.origin_host)
        offered = {*message.auth_application_id, *message.acct_application_id}
        if not await self.knows(name):
            log.warning("diameter.unknown_peer")
            await self._introduced(message, wire.UNKNOWN_PEER)
            raise wire.Unreadable
        if not offered & {CREDIT_CONTROL, _RELAY}:
            await self._introduced(message, wire.NO_COMMON_APPLICATION)
            raise wire.Unreadable
        await self._introduced(message, wire.SUCCESS)
        self.peer = name

    async def _introduced(self, message: Any, result_code: int) -> None:
        reply = self._answer_to(message, result_code)
        reply.host_ip_address = [self.identity.address]
        reply.vendor_id = 0
        reply.product_name = _PRODUCT
        reply.auth_application_id = [CREDIT_CONTROL]
        await self._send(reply)

    async def _next(self) -> Any:
        """The next message; a peer that says nothing is asked, and given up (RFC 3539)."""
        beginning = asyncio.ensure_future(self.reader.readexactly(4))
        try:
            done, _ = await asyncio.wait([beginning], timeout=self.limits.watchdog_s)
            if not done:
                await self._send(self._request(wire.DeviceWatchdogRequest()))
                await asyncio.wait([beginning], timeout=self.limits.watchdog_s)
            if not beginning.done():
                raise TimeoutError
            return wire.decode(await self._frame(beginning.result()))
        finally:
            beginning.cancel()

    async def _frame(self, beginning: bytes) -> bytes:
        async with asyncio.timeout(self.limits.message_s):
            return await wire.read_frame(self.reader, beginning, self.limits.message_bytes_max)

    async def _take(self, message: Any) -> None:
        if not message.header.is_request:
            return  # the answer to a watchdog: that it came is all it says
        if isinstance(message, wire.CreditControlRequest):
            self._decide(message)
        elif isinstance(message, wire.DeviceWatchdogRequest):
            await self._send(self._answer_to(message, wire.SUCCESS))
        elif isinstance(message, wire.DisconnectPeerRequest):
            await self._send(self._answer_to(message, wire.SUCCESS))
            self._finishing = True
        elif message.header.application_id not in (0, CREDIT_CONTROL):
            await self._send(self._answer_to(message, wire.APPLICATION_UNSUPPORTED))
        else:
            await self._send(self._answer_to(message, wire.COMMAND_UNSUPPORTED))

    def _decide(self, request: Any) -> None:
        async def decide() -> None:
            reply = await self.answer(request, self.peer)
            with contextlib.suppress(OSError, TimeoutError):
                await self._send(reply)

        def done(task: asyncio.Task[None]) -> None:
            self._in_flight.discard(task)
            self._room.set()
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("diameter.not_answered", error=type(error).__name__)

        task = asyncio.create_task(decide())
        self._in_flight.add(task)
        task.add_done_callback(done)
        if len(self._in_flight) >= self.limits.in_flight_max:
            self._room.clear()

    # sending -----------------------------------------------------------------------------------------------

    def _answer_to(self, request: Any, result_code: int) -> Any:
        return wire.answer(request, self.identity.origin_host, self.identity.realm, result_code)

    def _request(self, request: Any) -> Any:
        """A request of our own; there is at most one of its kind under way."""
        self._ids += 1
        request.header.hop_by_hop_identifier = request.header.end_to_end_identifier = self._ids
        request.origin_host = self.identity.origin_host.encode()
        request.origin_realm = self.identity.realm.encode()
        return request

    async def _send(self, message: Any) -> None:
        if self.writer.is_closing():
            return
        self.writer.write(wire.encode(message))
        async with asyncio.timeout(self.limits.message_s):
            await self.writer.drain()


def _name(origin_host: bytes) -> str:
    return origin_host.decode("ascii", "replace").lower()
