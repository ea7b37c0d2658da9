"""Sends webhooks as Standard Webhooks has it, and to nobody inside.

The receiver's URL is chosen by somebody else, so it must not become a way to reach what only we can reach.
The host is resolved once, every address it has is looked at, and the connection is made to one of these
addresses and not to the name, which might lead elsewhere a moment later. `Host` and TLS still go by the name.
"""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final, TypeAlias

import httpx
from standardwebhooks import Webhook

from obverse.kit.errors import InvalidRequest
from obverse.notifications.model import Attempt, Message, Problem
from obverse.notifications.rules import is_public

ATTEMPT_SECONDS_MAX: Final = 15
"""From looking up the name to the answer (Standard Webhooks: 15 to 30 s)."""
_CONNECT_SECONDS_MAX: Final = 5
_DRAIN_SECONDS_MAX: Final = 1
ANSWER_BYTES_MAX: Final = 4096
_RESOLVERS: Final = 256
"""Threads that look up names, at most: one for every message that may be under way, because a name whose
servers never answer holds its thread for longer than its attempt, and must not hold up other names."""

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""The IP addresses of a host, most promising first. Raises `OSError` where there is none."""


class WebhookClient:
    """Implements `notifications.ports.Sender`."""

    def __init__(
        self,
        *,
        now: Callable[[], datetime],
        private: bool,
        resolve: Resolve | None = None,
        trust: ssl.SSLContext | None = None,
        timeout_s: float = ATTEMPT_SECONDS_MAX,
    ) -> None:
        """`now` is the machine's time and not the platform's, which receivers know nothing of.

        `private` allows addresses that are not public, for the sandbox. `trust` says whose certificates are
        believed; by default, those that everybody believes.
        """
        self._now = now
        self._private = private
        self._threads = ThreadPoolExecutor(_RESOLVERS, "webhook names")
        self._resolve = resolve or self._look_up
        self._timeout_s = timeout_s
        # A connection is used once: kept ones are told apart by address only, and many names share one.
        self._http = httpx.AsyncClient(
            verify=trust if trust is not None else True,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(timeout_s, connect=_CONNECT_SECONDS_MAX),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            headers={"User-Agent": "Obverse-Webhooks", "Content-Type": "application/json"},
        )

    async def check(self, url: str) -> None:
        """Raises `InvalidRequest` where the host has no address, or one that is not allowed."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._addresses(httpx.URL(url))
        except (OSError, httpx.InvalidURL):
            raise InvalidRequest("The URL's host cannot be found.", "url") from None
        except _NotAllowed:
            raise InvalidRequest("The URL's host is not at a public address.", "url") from None

    async def send(self, message: Message) -> Attempt:
        """One signed POST. Delivered means answered with 2xx; the rest of the answer is of no interest."""
        began = time.monotonic()
        status, problem = None, None
        try:
            async with asyncio.timeout(self._timeout_s):
                status = await self._post(message)
                problem = None if 200 <= status < 300 else Problem.STATUS
        except (TimeoutError, httpx.TimeoutException):
            problem = Problem.TIMEOUT
        except _NotAllowed:
            problem = Problem.ADDRESS
        except httpx.ConnectError as error:
            problem = Problem.TLS if _is_tls(error) else Problem.UNREACHABLE
        except httpx.ProtocolError:
            problem = Problem.NOT_HTTP
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            problem = Problem.UNREACHABLE
        return Attempt(problem, status, int((time.monotonic() - began) * 1000))

    async def close(self) -> None:
        await self._http.aclose()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _post(self, message: Message) -> int:
        url = httpx.URL(message.url)
        headers = self._signed(message) | {"Host": url.netloc.decode()}
        addresses = await self._addresses(url)
        for address in addresses[:-1]:
            try:
                return await self._post_to(address, url, headers, message.body)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue  # a name often has addresses of a kind that this machine has no way to
        return await self._post_to(addresses[-1], url, headers, message.body)

    async def _post_to(self, address: str, url: httpx.URL, headers: dict[str, str], body: bytes) -> int:
        async with self._http.stream(
            "POST",
            url.copy_with(host=address),
            headers=headers,
            content=body,
            extensions={"sni_hostname": url.raw_host.decode()},
        ) as answer:
            await _drain(answer)
            return answer.status_code

    async def _addresses(self, url: httpx.URL) -> Sequence[str]:
        """All addresses of the host, if all are allowed. Raises `OSError`, `_NotAllowed`."""
        port = url.port or (443 if url.scheme == "https" else 80)
        addresses = await self._resolve(url.raw_host.decode(), port)
        if not self._private and not all(is_public(address) for address in addresses):
            raise _NotAllowed
        return addresses

    async def _look_up(self, host: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(
                self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            )
        except UnicodeError as error:  # a label that is empty or too long
            raise OSError("That is no name of a host.") from error
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    def _signed(self, message: Message) -> dict[str, str]:
        now = self._now()
        text = message.body.decode()
        signatures = [Webhook(secret.reveal()).sign(message.id, now, text) for secret in message.secrets]
        return {
            "webhook-id": message.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }


class _NotAllowed(Exception):
    """One of the host's addresses is not public."""


async def _drain(answer: httpx.Response) -> None:
    """Read a little, so that an ordinary receiver may finish its answer; what counts is said already."""
    received = 0
    with contextlib.suppress(httpx.HTTPError, TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS_MAX):
            async for part in answer.aiter_raw(ANSWER_BYTES_MAX):
                received += len(part)
                if received >= ANSWER_BYTES_MAX:
                    break


def _is_tls(error: BaseException) -> bool:
    """Whether somewhere below it is TLS that went wrong: httpx tells no difference."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
