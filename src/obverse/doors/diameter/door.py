"""The server: accepts peers, keeps their number in bounds, and stops in an orderly way."""

import asyncio
import os
from collections.abc import Collection

import structlog

from obverse.doors.diameter.connection import Connection, Identity
from obverse.doors.diameter.credit_control import CreditControl
from obverse.doors.diameter.limits import Limits
from obverse.doors.diameter.ports import BalanceDesk, MerchantDirectory, PriceList, Sessions
from obverse.kit.errors import CannotStart, Unavailable

__all__ = ["DiameterDoor", "Identity"]

log = structlog.get_logger(__name__)


class DiameterDoor:
    """Credit control over TCP, for calling servers that merchants have named and for relays that are trusted.

    A relay speaks for any calling server, which is why it has to be named in the settings; a calling server
    speaks for itself.
    """

    def __init__(
        self,
        sessions: Sessions,
        prices: PriceList,
        merchants: MerchantDirectory,
        engine: BalanceDesk,
        *,
        identity: Identity,
        validity_s: int,
        relays: Collection[str] = (),
        limits: Limits | None = None,
    ) -> None:
        self._relays = frozenset(name.lower() for name in relays)
        self._prices = prices
        self._identity = identity
        self._limits = limits or Limits()
        self._requests = CreditControl(
            sessions, prices, merchants, engine, identity, relays=self._relays, validity_s=validity_s
        )
        self._connections: dict[Connection, asyncio.Task[None]] = {}
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int, *, reuse_port: bool = False) -> None:
        """Listen; port 0 takes any free one. Raises `CannotStart` when the port cannot be had."""
        try:
            self._server = await asyncio.start_server(self._serve, host, port, reuse_port=reuse_port or None)
        except OSError as error:
            raise CannotStart(
                f"The Diameter door cannot listen on {host}:{port} ({os.strerror(error.errno or 0)}). "
                "Stop what uses that port, or set OBVERSE_DIAMETER_PORT."
            ) from error

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._server is None or not self._server.sockets:
            raise RuntimeError("The Diameter door is not open.")
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def connection_count(self) -> int:
        return len(self._connections)

    async def stop(self, grace_s: float = 5.0) -> None:
        """Take no more peers and no more requests, answer what is under way, then hang up."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        await asyncio.gather(*[connection.finish(grace_s) for connection in list(self._connections)])
        if tasks := list(self._connections.values()):
            _, late = await asyncio.wait(tasks, timeout=grace_s)
            for task in late:
                task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= self._limits.connections_max:
            log.warning("diameter.full", connections=len(self._connections))
            writer.close()
            return
        connection = Connection(
            reader, writer, self._identity, self._limits, self._requests.answer, self._knows
        )
        task = asyncio.current_task()
        assert task is not None, "asyncio serves each connection in a task"
        self._connections[connection] = task
        try:
            await connection.run()
        except Exception:
            # No peer may stop the door, whatever it has found.
            log.exception("diameter.connection_failed")
        finally:
            del self._connections[connection]

    async def _knows(self, name: str) -> bool:
        if name in self._relays:
            return True
        try:
            return await self._prices.merchant_of_host(name) is not None
        except Unavailable:
            return False
