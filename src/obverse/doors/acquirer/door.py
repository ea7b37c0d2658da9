"""The server: accepts callers, keeps their number and their time in bounds, and stops in an orderly way."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from datetime import datetime

import structlog

from obverse.doors.acquirer.connection import Connection
from obverse.doors.acquirer.limits import Limits
from obverse.doors.acquirer.payments import Payments
from obverse.doors.acquirer.ports import ClaimDesk, MerchantDirectory, PaymentEngine, PointsDesk
from obverse.kit.errors import CannotStart
from obverse.networks.iso8583.pin_blocks import PinKeys

log = structlog.get_logger(__name__)


class AcquirerDoor:
    """ISO 8583 over TCP. `now` is the platform's time, by which DE 7 gets its year; `pin_keys` open PINs;
    without `points`, no card has any.

    Several processes may open the same port with `reuse_port`; the kernel then spreads the callers.
    """

    def __init__(
        self,
        engine: PaymentEngine,
        claims: ClaimDesk,
        merchants: MerchantDirectory,
        *,
        now: Callable[[], datetime],
        limits: Limits | None = None,
        pin_keys: PinKeys | None = None,
        points: PointsDesk | None = None,
    ) -> None:
        self._payments = Payments(engine, claims, merchants, now, pin_keys or PinKeys(), points)
        self._limits = limits or Limits()
        self._connections: set[Connection] = set()
        self._all_gone = asyncio.Event()
        self._all_gone.set()
        self._server: asyncio.Server | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int, *, reuse_port: bool = False) -> None:
        """Listen; port 0 takes any free one. Raises `CannotStart` when the port cannot be had."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._accept, host, port, reuse_port=reuse_port or None)
        except OSError as error:
            raise CannotStart(
                f"The acquirer door cannot listen on {host}:{port} ({os.strerror(error.errno or 0)}). "
                "Stop what uses that port, or set OBVERSE_ACQUIRER_PORT."
            ) from error
        self._watch = loop.create_task(self._look_after())

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._server is None or not self._server.sockets:
            raise RuntimeError("The acquirer door is not open.")
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def connection_count(self) -> int:
        """Callers connected, and callers gone whose requests are still being decided."""
        return len(self._connections)

    async def stop(self, grace_s: float = 5.0) -> None:
        """Take no more callers and no more requests, answer what is under way, then hang up."""
        if self._server is None or self._watch is None:
            return
        self._server.close()
        for connection in list(self._connections):
            connection.finish()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_gone.wait(), grace_s)
        self._watch.cancel()
        for connection in list(self._connections):
            connection.give_up()
        self._server = self._watch = None

    def _accept(self) -> asyncio.Protocol:
        if len(self._connections) >= self._limits.connections_max:
            log.warning("acquirer.full", connections=len(self._connections))
            return _TurnedAway()
        connection = Connection(self._payments, self._limits, self._gone)
        self._connections.add(connection)
        self._all_gone.clear()
        return connection

    def _gone(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._all_gone.set()

    async def _look_after(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._limits.tick_s)
            for connection in list(self._connections):
                connection.check(loop.time())


class _TurnedAway(asyncio.Protocol):
    """A caller beyond the limit: hung up on at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
