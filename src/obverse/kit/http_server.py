"""Serving a web application inside this process: uvicorn on a socket that we open ourselves."""

import asyncio
import contextlib
import socket
from collections.abc import Generator
from typing import Any, Final

import uvicorn

_BACKLOG: Final = 2048
_POLL_SECONDS: Final = 0.005
_GRACE_SECONDS: Final = 5


class HttpServer:
    """One ASGI application on one port. Several of them may share a process."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self, host: str, port: int = 0, *, reuse_port: bool = False) -> None:
        """Listen; port 0 takes a free one, told by `port`. Raises `OSError` when the port cannot be had.

        With `reuse_port` several processes open the same port and the kernel spreads callers over them.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG, reuse_port=reuse_port)
        # uvicorn writes head and body apart; without this the second waits 40 ms for the first's ACK.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = listening.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        self._server = _WithoutSignals(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]))
        while not self._server.started and not self._serving.done():  # noqa: ASYNC110 - uvicorn has no event
            await asyncio.sleep(_POLL_SECONDS)

    @property
    def connection_count(self) -> int:
        """Callers connected."""
        return len(self._server.server_state.connections) if self._server is not None else 0

    async def stop(self) -> None:
        """Take no more requests, answer what is under way for some seconds at most, then hang up."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await asyncio.wait([self._serving])


class _WithoutSignals(uvicorn.Server):
    """The process decides when to stop, not one of its servers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield
