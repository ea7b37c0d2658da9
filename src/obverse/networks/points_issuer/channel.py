"""The line to one issuer: signed requests over HTTP, one deadline each, behind a breaker."""

import asyncio
import ssl
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeVar

import httpx
import msgspec
import structlog
from standardwebhooks import Webhook

from obverse.kit.errors import Unavailable
from obverse.kit.ids import NewId, PointsIssuerId
from obverse.kit.telemetry import POINTS_ISSUER_REQUESTS, POINTS_ISSUER_SECONDS
from obverse.networks.points_issuer.breaker import Breaker
from obverse.networks.points_issuer.failures import IssuerFailed, Refused
from obverse.points.model import Issuer
from obverse.points.ports import IssuerDirectory
from obverse.points.rules import issuer_context
from obverse.vault import Vault

ANSWER_BYTES_MAX: Final = 262_144
_IDLE_CONNECTION_S: Final = 3.0
"""Less than issuers keep idle connections: one that is closed just as we use it would be no answer."""
_CONNECTIONS_MAX: Final = 32
_NEVER_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class Channel:
    """Asks one issuer one thing at a time, of which many may be under way."""

    def __init__(
        self,
        issuer_id: PointsIssuerId,
        directory: IssuerDirectory,
        vault: Vault,
        *,
        now: Callable[[], datetime],
        new_id: NewId,
        timeout_s: float,
        trust: ssl.SSLContext,
    ) -> None:
        """`now` is the machine's time and not the platform's, which issuers know nothing of."""
        self._issuer_id = issuer_id
        self._directory = directory
        self._vault = vault
        self._now = now
        self._new_id = new_id
        self._breaker = Breaker(time.monotonic)
        # A pool of its own: looking for a connection costs time with each that there is.
        self._http = httpx.AsyncClient(
            verify=trust,
            trust_env=False,
            follow_redirects=False,
            # Half of the time at most for connecting, so that it is known whether a request was sent.
            timeout=httpx.Timeout(None, connect=timeout_s / 2),
            limits=httpx.Limits(max_connections=_CONNECTIONS_MAX, keepalive_expiry=_IDLE_CONNECTION_S),
            headers={
                "User-Agent": "Obverse",
                "Content-Type": "application/json",
                # The largest size that is read is that of the answer itself.
                "Accept-Encoding": "identity",
            },
        )

    async def issuer(self) -> Issuer:
        """Where and how it is reached. Raises `IssuerFailed` where nobody knows."""
        try:
            issuer = await self._directory.find(self._issuer_id)
        except Unavailable:
            raise IssuerFailed(is_sent=False) from None
        if issuer is None:
            raise IssuerFailed(is_sent=False)
        return issuer

    async def exchange(
        self,
        path: str,
        request: msgspec.Struct,
        answer: type[T],
        give_up_at: float,
        *,
        refusals: frozenset[int],
    ) -> T:
        """Its answer, by `give_up_at` of the loop's time. `refusals` are the statuses by which it refuses
        just this request. Raises `IssuerFailed`, among them `Refused`.
        """
        issuer = await self.issuer()
        operation = path.rpartition("/")[2]
        if not self._breaker.may_try():
            POINTS_ISSUER_REQUESTS.labels(operation, "not_asked").inc()
            raise IssuerFailed(is_sent=False)
        began = time.monotonic()
        try:
            received = await self._post(issuer, path, msgspec.json.encode(request), give_up_at, refusals)
            decoded = msgspec.json.decode(received, type=answer)
        except Refused:
            self._note(operation, "refused")
            raise
        except IssuerFailed as failed:
            self._note(operation, _problem(failed), failed=True)
            raise
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self._note(operation, "not_understood", failed=True)
            raise IssuerFailed(is_sent=True) from None
        self._note(operation, "answered")
        POINTS_ISSUER_SECONDS.labels(operation).observe(time.monotonic() - began)
        return decoded

    @property
    def is_answering(self) -> bool:
        return not self._breaker.is_open

    async def close(self) -> None:
        await self._http.aclose()

    async def _post(
        self, issuer: Issuer, path: str, body: bytes, give_up_at: float, refusals: frozenset[int]
    ) -> bytes:
        try:
            async with (
                asyncio.timeout_at(give_up_at),
                self._http.stream(
                    "POST", issuer.url.rstrip("/") + path, content=body, headers=self._signed(issuer, body)
                ) as response,
            ):
                if response.status_code in refusals:
                    raise Refused(response.status_code)
                if not response.is_success:
                    raise IssuerFailed(is_sent=True)
                return await _read(response)
        except _NEVER_SENT:
            raise IssuerFailed(is_sent=False) from None
        except TimeoutError:
            raise IssuerFailed(is_sent=True, is_late=True) from None
        except httpx.HTTPError:
            raise IssuerFailed(is_sent=True) from None

    def _signed(self, issuer: Issuer, body: bytes) -> dict[str, str]:
        secret = self._vault.open(issuer.secret, issuer_context(issuer.id))
        id_, now = f"msg_{self._new_id().hex}", self._now()
        return {
            "webhook-id": id_,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(secret.reveal()).sign(id_, now, body.decode()),
        }

    def _note(self, operation: str, outcome: str, *, failed: bool = False) -> None:
        POINTS_ISSUER_REQUESTS.labels(operation, outcome).inc()
        if not failed:
            if self._breaker.succeeded():
                _log.warning("points_issuer_back", issuer=str(self._issuer_id))
            return
        _log.warning(
            "points_issuer_failed", issuer=str(self._issuer_id), operation=operation, outcome=outcome
        )
        if self._breaker.failed():
            _log.error("points_issuer_left_alone", issuer=str(self._issuer_id))


async def _read(response: httpx.Response) -> bytes:
    content = bytearray()
    async for part in response.aiter_raw():
        content += part
        if len(content) > ANSWER_BYTES_MAX:
            raise IssuerFailed(is_sent=True)
    return bytes(content)


def _problem(failed: IssuerFailed) -> str:
    if failed.is_late:
        return "late"
    return "failed" if failed.is_sent else "unreachable"
