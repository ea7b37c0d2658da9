"""The answer to a request that may be repeated, sent with as little ceremony as can be.

Payments are answered thousands of times a second; Litestar's own response builds header objects, cookies and
serializers that none of these answers has.
"""

from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
from litestar import Response
from litestar.openapi.spec import OpenAPIType, Operation, Parameter, Schema
from litestar.types import Receive, Scope, Send

T = TypeVar("T")

_encode: Final = msgspec.json.Encoder().encode
_CREATED: Final = 201


class Answer(Response[T]):
    """201 with this view, the same for every repeat but for a header that says so (P6)."""

    def __init__(self, view: T, *, repeated: bool) -> None:
        # Not the base class's: its cookies, headers and encoders stay empty here.
        self.content = view
        self.repeated = repeated

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        return _Encoded(_encode(self.content), self.repeated)


class _Encoded:
    """An ASGI app that sends one body."""

    __slots__ = ("body", "repeated")

    def __init__(self, body: bytes, repeated: bool) -> None:
        self.body = body
        self.repeated = repeated

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(self.body))]
        if self.repeated:
            headers.append((b"idempotency-hit", b"true"))
        await send({"type": "http.response.start", "status": _CREATED, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


@dataclass
class Repeatable(Operation):
    """An operation that takes an `Idempotency-Key`, as OpenAPI shall say."""

    def __post_init__(self) -> None:
        self.parameters = [*(self.parameters or []), _IDEMPOTENCY_KEY]


_IDEMPOTENCY_KEY: Final = Parameter(
    name="Idempotency-Key",
    param_in="header",
    description="1 to 255 printable ASCII characters. The same key and body get the same answer.",
    schema=Schema(type=OpenAPIType.STRING, min_length=1, max_length=255),
)
