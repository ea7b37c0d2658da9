"""Requests, read with as little ceremony as can be."""

from collections.abc import AsyncIterator
from typing import Any, Final

from litestar import Request
from litestar.connection import ASGIConnection

from obverse.kit.errors import ObverseError

BODY_BYTES_MAX: Final = 64 * 1024

BODY_OPTION: Final = "body_bytes_max"
"""A route that takes files says in this option of its handler how large they may be."""


class BodyTooLarge(ObverseError):
    """The body has more bytes than any request needs."""

    code = "body_too_large"

    def __init__(self, bytes_max: int) -> None:
        super().__init__(f"The body may have up to {bytes_max:,} bytes.")


class ClientGone(ObverseError):
    """The connection closed in the middle of the body; nobody reads this."""

    code = "client_gone"

    def __init__(self) -> None:
        super().__init__("The connection was closed before the whole request had come.")


class DoorRequest(Request[Any, Any, Any]):
    """Reads the body in one go, never more than allowed, whatever `Content-Length` says."""

    async def body(self) -> bytes:
        if isinstance(self._body, bytes):
            return self._body
        parts = [piece async for piece in self.pieces()]
        self._body = parts[0] if len(parts) == 1 else b"".join(parts)
        return self._body

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes, for routes that need not have all of it at once.

        Raises `BodyTooLarge`, `ClientGone`.
        """
        bytes_max = self.scope["route_handler"].opt.get(BODY_OPTION, BODY_BYTES_MAX)
        size = 0
        while True:
            message = await self.receive()
            if message["type"] != "http.request":
                raise ClientGone
            size += len(message["body"])
            if size > bytes_max:
                raise BodyTooLarge(bytes_max)
            yield message["body"]
            if not message.get("more_body", False):
                return


def origin_of(request: Request[Any, Any, Any]) -> str:
    """The address a request comes from, as the connection tells it."""
    return request.client.host if request.client else ""


def raw_header(request: ASGIConnection[Any, Any, Any, Any], name: bytes) -> bytes | None:
    """One header without building an object for all of them; `name` in lower case."""
    for key, value in request.scope["headers"]:
        if key == name:
            return value
    return None
