"""The REST door on its port."""

import os

from obverse.kit.errors import CannotStart
from obverse.kit.http_server import HttpServer


class RestDoor(HttpServer):
    """REST over TCP; a port that cannot be had is told in one line that says what to do."""

    async def start(self, host: str, port: int = 0, *, reuse_port: bool = False) -> None:
        """Listen; port 0 takes any free one. Raises `CannotStart` when the port cannot be had."""
        try:
            await super().start(host, port, reuse_port=reuse_port)
        except OSError as error:
            raise CannotStart(
                f"The REST door cannot listen on {host}:{port} ({os.strerror(error.errno or 0)}). "
                "Stop what uses that port, or set OBVERSE_REST_PORT."
            ) from error
