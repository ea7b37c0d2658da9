"""A points issuer that does what a test says, on a raw socket: whole answers, half ones, none.

async with ScriptedIssuer() as issuer, a_client(issuer) as client:
    issuer.lie = Lie.APPLIES_THEN_DROPS
    assert (await client.take(issuer.leg("ref-1", 100))).outcome is LegOutcome.NO_ANSWER
"""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from itertools import count
from typing import Any
from uuid import UUID

from standardwebhooks import Webhook
from tests.factories.vault import a_vault

from obverse.authorization.ports import PointsRequest, Terminal
from obverse.kit.clock import Clock
from obverse.kit.ids import (
    AuthorizationId,
    PartitionId,
    PointsIssuerId,
    PointsMessageId,
    SourceId,
    uuid7_source,
)
from obverse.kit.money import KRW, Money
from obverse.kit.secret import Secret
from obverse.networks.points_issuer import PointsIssuerClient
from obverse.points import Issuer, IssuerState, MessageKind, PointsMessage
from obverse.points.ports import BalanceAsk
from obverse.points.rules import account_context, issuer_context

SECRET = Secret("whsec_" + base64.b64encode(b"between issuer and relay").decode())
NOW = datetime(2026, 3, 2, tzinfo=UTC)
_ids = count(1)


class Lie(StrEnum):
    SILENT = "silent"
    APPLIES_THEN_DROPS = "applies, then drops the connection"
    BROKEN = "503"
    REDIRECTS = "redirects"
    UNSIGNED = "401"
    GARBAGE = "no JSON"
    NOT_TEXT = "no UTF-8"
    HUGE = "huge"
    ENDLESS_HEAD = "endless head"
    HALF = "half of an answer"
    OTHERS = "answers about somebody else's"
    FEWER = "leaves one out"
    NO_CODE = "approves without a code"
    UNHEARD_OF = "says what nobody understands"


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    path: str
    headers: dict[str, str]
    raw: bytes
    body: Any
    connection: int


class ScriptedIssuer:
    """Believes no request that the library of Standard Webhooks does not; keeps takes by reference."""

    def __init__(self, *, two_phase: bool = True, tells_van: bool = False) -> None:
        self.id = PointsIssuerId(UUID(int=next(_ids)))
        self.two_phase, self.tells_van = two_phase, tells_van
        self.state = IssuerState.ACTIVE
        self.port = 0
        self.url = "http://127.0.0.1:1"
        self.secret = SECRET
        self.asked: list[Asked] = []
        self.lie: Lie | None = None
        self.delay_s = 0.0
        self.delay_once_s = 0.0
        self.refuses: str | None = None
        """A reference for whose sake it refuses a whole request."""
        self.balances: dict[str, Any] = {}
        self.declines: dict[str, str] = {}
        """Reasons by reference."""
        self.taken: dict[str, int] = {}
        """Units by reference, each counted once however often it is asked for."""
        self.links: dict[str, tuple[int, Any]] = {}
        """Status and body by path."""
        self.under_way = 0
        self.most_under_way = 0
        self._vault = a_vault()
        self._connections = count(1)
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "ScriptedIssuer":
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shut()

    async def open(self) -> None:
        """Listen; where it listened before, if it did."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/relay/"

    async def shut(self) -> None:
        """Hang up, and refuse connections from now on."""
        if self._server is not None:
            self._server.close()
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    # as the platform knows it ------------------------------------------------------------------------------

    @property
    def stored(self) -> Issuer:
        return Issuer(
            id=self.id,
            name="Scripted",
            short_name="SCRIPTED",
            unit="points",
            url=self.url,
            secret=self._vault.seal(self.secret, issuer_context(self.id)),
            two_phase=self.two_phase,
            tells_van=self.tells_van,
            units_max=None,
            currency=KRW,
            state=self.state,
            created_at=NOW,
        )

    def leg(
        self, reference: str, units: int = 100, terminal: Terminal | None = None, handle: str | None = None
    ) -> PointsRequest:
        """A leg of points on its way here; its account's handle is `acc-<reference>` if not told."""
        ask = self.ask(handle or f"acc-{reference}")
        return PointsRequest(
            reference, ask.source_id, self.id, ask.handle, units, Money(50, KRW), "Corner shop", terminal
        )

    def ask(self, handle: str) -> BalanceAsk:
        source_id = SourceId(UUID(int=next(_ids)))
        return BalanceAsk(source_id, self.id, self._vault.seal(Secret(handle), account_context(source_id)))

    def message(
        self, reference: str, kind: MessageKind = MessageKind.CONFIRM, units: int | None = None
    ) -> PointsMessage:
        before = 0 if units is not None else None
        return PointsMessage(
            PointsMessageId(UUID(int=next(_ids))),
            PartitionId(0),
            SourceId(UUID(int=1)),
            AuthorizationId(UUID(int=2)),
            1,
            reference,
            kind,
            NOW,
            units,
            before,
        )

    def asked_for(self, path: str) -> list[Any]:
        """The bodies that came to a path."""
        return [asked.body for asked in self.asked if asked.path == path]

    # answering ---------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        connection = next(self._connections)
        try:
            while await self._answer_one(connection, reader, writer):
                continue
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return  # they have hung up, or we are shut
        finally:
            self._serving.discard(task)
            writer.close()

    async def _answer_one(
        self, connection: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        request, *lines = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        raw = await reader.readexactly(int(headers["content-length"]))
        path = request.split(" ")[1].removeprefix("/relay")
        asked = Asked(path, headers, raw, Webhook(self.secret.reveal()).verify(raw, headers), connection)
        self.asked.append(asked)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        delay_s, self.delay_once_s = self.delay_s + self.delay_once_s, 0.0
        try:
            await asyncio.sleep(delay_s)
            answer = self._said(asked)
            if self.lie is Lie.SILENT:
                await asyncio.Event().wait()
        finally:
            self.under_way -= 1
        writer.write(answer)
        await writer.drain()
        return self.lie not in (Lie.APPLIES_THEN_DROPS, Lie.HALF, Lie.ENDLESS_HEAD)

    def _said(self, asked: Asked) -> bytes:
        status, body = self._answer(asked)
        match self.lie:
            case Lie.APPLIES_THEN_DROPS:
                return b""
            case Lie.BROKEN:
                return _http(503, b"{}")
            case Lie.REDIRECTS:
                return b"HTTP/1.1 307 Elsewhere\r\nlocation: /relay/holds\r\ncontent-length: 0\r\n\r\n"
            case Lie.UNSIGNED:
                return _http(401, b"{}")
            case Lie.GARBAGE:
                return _http(200, b"<html>fine</html>")
            case Lie.NOT_TEXT:
                return _http(200, b'{"results": [{"reference": "\xff\xfe", "status": "approved"}]}')
            case Lie.HUGE:
                return _http(200, b'{"results": ["' + b"x" * 400_000 + b'"]}')
            case Lie.ENDLESS_HEAD:
                return b"HTTP/1.1 200 OK\r\n" + b"x-more: yes\r\n" * 50_000
            case Lie.HALF:
                return _http(200, json.dumps(body).encode())[:-10]
            case Lie.OTHERS | Lie.FEWER | Lie.NO_CODE | Lie.UNHEARD_OF:
                _twist(body, self.lie)
        return _http(status, json.dumps(body).encode())

    def _answer(self, asked: Asked) -> tuple[int, Any]:
        if asked.path in self.links:
            return self.links[asked.path]
        if asked.path == "/balances":
            return 200, {"balances": [self._balance(account) for account in asked.body["accounts"]]}
        ((_, items),) = asked.body.items()
        if any(item["reference"] == self.refuses for item in items):
            return 409, {"error": "reference_reused"}
        told = {"/confirmations": "confirmed", "/cancellations": "cancelled"}
        if asked.path in told:
            return 200, {
                "results": [{"reference": item["reference"], "status": told[asked.path]} for item in items]
            }
        return 200, {"results": [self._take(item) for item in items]}

    def _balance(self, account: str) -> dict[str, Any]:
        units = self.balances.get(account, "account_unknown")
        return {"account": account, "error" if isinstance(units, str) else "units": units}

    def _take(self, item: dict[str, Any]) -> dict[str, str]:
        reference = item["reference"]
        if reference in self.declines:
            return {"reference": reference, "status": "declined", "reason": self.declines[reference]}
        self.taken[reference] = item["units"]
        return {"reference": reference, "status": "approved", "approval_code": code_for(reference)}


def code_for(reference: str) -> str:
    """The approval code that a reference gets, always the same."""
    return reference.replace("-", "").upper()[-12:]


def _twist(body: Any, lie: Lie) -> None:
    (rows,) = body.values()
    if lie is Lie.FEWER:
        rows.pop()
    elif lie is Lie.NO_CODE:
        rows[0].pop("approval_code", None)
    else:
        rows[0] |= {"reference": "else", "account": "else"} if lie is Lie.OTHERS else {"status": "perhaps"}


def _http(status: int, body: bytes) -> bytes:
    return (
        b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        % (
            status,
            len(body),
        )
        + body
    )


@dataclass
class OnPaper:
    """The issuers that a test has made, as the database would have them."""

    issuers: list[ScriptedIssuer] = field(default_factory=list)

    async def find(self, issuer_id: PointsIssuerId) -> Issuer | None:
        return next((issuer.stored for issuer in self.issuers if issuer.id == issuer_id), None)


@asynccontextmanager
async def a_client(
    *issuers: ScriptedIssuer, timeout_s: float = 2.0, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> AsyncIterator[PointsIssuerClient]:
    """The client under test, on lines to these issuers."""
    client = PointsIssuerClient(
        OnPaper(list(issuers)),
        a_vault(),
        now=now,
        new_id=uuid7_source(Clock().now_ms, os.urandom),
        timeout_s=timeout_s,
    )
    try:
        yield client
    finally:
        await client.close()
