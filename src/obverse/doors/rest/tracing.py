"""Every answer carries a request id; every answer is counted; none may be cached or sniffed."""

import secrets
from itertools import count
from typing import Any, Final

from litestar.types import Message, Scope
from prometheus_client import Counter

from obverse.kit.telemetry import REGISTRY

_REQUESTS: Final = Counter(
    "obverse_rest_requests", "Answers of the REST door.", ("method", "route", "status"), registry=REGISTRY
)
_PREFIX: Final = f"req_{secrets.token_hex(6)}"
_numbers: Final = count()
_children: dict[tuple[str, str, int], Any] = {}


def request_id_of(scope: Scope) -> str:
    """The id of this request: unique for this process's life, and shown nowhere but in logs and answers."""
    state = scope["state"]
    known: str | None = state.get("request_id")
    if known is None:
        known = state["request_id"] = f"{_PREFIX}{next(_numbers):x}"
    return known


async def before_send(message: Message, scope: Scope) -> None:
    """Add what every answer carries, errors included."""
    if message["type"] != "http.response.start":
        return
    message["headers"] = [
        *message["headers"],
        (b"request-id", request_id_of(scope).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    _count(str(scope.get("method", "")), scope.get("path_template", "unknown"), message["status"])


def _count(method: str, route: str, status: int) -> None:
    key = (method, route, status)
    child = _children.get(key)
    if child is None:
        child = _children[key] = _REQUESTS.labels(method, route, str(status))
    child.inc()
