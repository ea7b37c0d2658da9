"""Serving the REST door inside this process: uvicorn with httptools, on a socket that we open ourselves."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Generator
from typing import Any, Final

import uvicorn
from litestar import Litestar

from obverse.kit.errors import CannotStart

_BACKLOG: Final = 2048
_POLL_SECONDS: Final = 0.005


class RestDoor:
    """REST over TCP. With `reuse_port` several processes open the same port; the kernel spreads callers."""

    def __init__(self, app: Litestar) -> None:
        self._app: Any = app
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._port = 0

    async def start(self, host: str, port: int, *, reuse_port: bool = False) -> None:
        """Listen; port 0 takes any free one. Raises `CannotStart` when the port cannot be had."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            listening = socket.create_server(
                (host, port), family=family, backlog=_BACKLOG, reuse_port=reuse_port
            )
        except OSError as error:
            raise CannotStart(
                f"The REST door cannot listen on {host}:{port} ({os.strerror(error.errno or 0)}). "
                "Stop what uses that port, or set OBVERSE_REST_PORT."
            ) from error
        self._port = listening.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        self._server = _WithoutSignals(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]))
        while not self._server.started and not self._serving.done():  # noqa: ASYNC110 - uvicorn has no event
            await asyncio.sleep(_POLL_SECONDS)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    @property
    def connection_count(self) -> int:
        """Callers connected."""
        return len(self._server.server_state.connections) if self._server is not None else 0

    async def stop(self) -> None:
        """Take no more requests, answer what is under way for five seconds at most, then hang up."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await asyncio.wait([self._serving])


class _WithoutSignals(uvicorn.Server):
    """The process decides when to stop, not one of its doors."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield
