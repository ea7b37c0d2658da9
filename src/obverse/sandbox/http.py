"""Serving a partner's web application on a socket of its own, inside this process."""

import asyncio
import contextlib
import socket
from collections.abc import Generator
from typing import Any, Final

import uvicorn
from litestar import Litestar

STARTED_POLL_S: Final = 0.01


class HttpServer:
    """One application on one port."""

    def __init__(self, app: Litestar) -> None:
        self._app: Any = app
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self, host: str, port: int = 0) -> None:
        """Listen; port 0 takes a free one, told by `port`. Raises `OSError` when the port is taken."""
        listening = socket.create_server((host, port))
        self.port = listening.getsockname()[1]
        config = uvicorn.Config(self._app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
        self._server = _SignalsLeftAlone(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]))
        while not self._server.started and not self._serving.done():  # noqa: ASYNC110  (uvicorn has no event)
            await asyncio.sleep(STARTED_POLL_S)

    async def stop(self) -> None:
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await asyncio.gather(self._serving, return_exceptions=True)


class _SignalsLeftAlone(uvicorn.Server):
    """Several of these share a process, so none of them may take its signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield
