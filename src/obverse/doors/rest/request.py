"""Requests, read with as little ceremony as can be."""

from typing import Any, Final

from litestar import Request
from litestar.connection import ASGIConnection

from obverse.kit.errors import ObverseError

BODY_BYTES_MAX: Final = 64 * 1024


class BodyTooLarge(ObverseError):
    """The body has more bytes than any request needs."""

    code = "body_too_large"

    def __init__(self) -> None:
        super().__init__(f"The body may have up to {BODY_BYTES_MAX:,} bytes.")


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
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] != "http.request":
                raise ClientGone
            parts.append(message["body"])
            size += len(message["body"])
            if size > BODY_BYTES_MAX:
                raise BodyTooLarge
            if not message.get("more_body", False):
                self._body = parts[0] if len(parts) == 1 else b"".join(parts)
                return self._body


def raw_header(request: ASGIConnection[Any, Any, Any, Any], name: bytes) -> bytes | None:
    """One header without building an object for all of them; `name` in lower case."""
    for key, value in request.scope["headers"]:
        if key == name:
            return value
    return None
