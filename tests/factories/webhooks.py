"""Webhooks for tests: the room, a sender without a network, and a receiver with one."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from obverse.authorization.model import Decline
from obverse.doors.rest.declines import FOR_MERCHANTS
from obverse.kit import events
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.errors import InvalidRequest
from obverse.kit.events import Event
from obverse.kit.http_server import HttpServer
from obverse.kit.ids import AuthorizationId, DeliveryId, EndpointId, EventId, MerchantId, NewId, to_text
from obverse.notifications import Courier, FanOut, Problem, SecretVault, Webhooks
from obverse.notifications.model import Attempt, Due, Message

URL = "https://shop.example/hooks"
DECLINE_CODES = {decline.value: FOR_MERCHANTS[decline].code for decline in Decline}


@dataclass
class FakeSender:
    """Takes messages and answers as it is told: a status, a problem, or whatever `answer` makes of it."""

    sent: list[Message] = field(default_factory=list)
    answer: int | Problem = 200
    answers: dict[str, int | Problem] = field(default_factory=dict)
    """By URL, where one answers differently."""
    hold: asyncio.Event | None = None
    """Nothing is answered before this is set."""
    under_way: int = 0
    most_under_way: int = 0
    refused_hosts: tuple[str, ...] = ()

    async def check(self, url: str) -> None:
        if any(host in url for host in self.refused_hosts):
            raise InvalidRequest("The URL's host is not at a public address.", "url")

    async def send(self, message: Message) -> Attempt:
        self.sent.append(message)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            if self.hold is not None:
                await self.hold.wait()
        finally:
            self.under_way -= 1
        answer = self.answers.get(message.url, self.answer)
        if isinstance(answer, Problem):
            return Attempt(answer, None, 3)
        return Attempt(None if 200 <= answer < 300 else Problem.STATUS, answer, 3)

    def ids(self, url: str | None = None) -> list[str]:
        """The ids of the messages, in the order of sending."""
        return [message.id for message in self.sent if url in (None, message.url)]


@dataclass
class WebhookHouse:
    """The room with its jobs over one database; nothing runs by itself."""

    database: Database
    clock: Clock
    new_id: NewId
    vault: SecretVault
    sender: FakeSender
    webhooks: Webhooks
    fan_out: FanOut
    courier: Courier

    async def happen(self, *news: Event) -> list[str]:
        """Commit these events; returns their ids as receivers see them."""
        async with self.database.transaction() as conn:
            await events.append(conn, news)
        return [to_text("evt", event.id) for event in news]

    def event(self, merchant_id: MerchantId | None = None, type_: str = "authorization.approved") -> Event:
        """An event about a payment at this merchant."""
        return payment_event(self.new_id, self.clock.now(), merchant_id, type_=type_)

    async def fetch(self, query: str, *arguments: object) -> Any:
        async with self.database.connection() as conn:
            return await conn.fetch(query, *arguments)


def webhook_house(
    database: Database,
    vault: SecretVault,
    clock: Clock,
    new_id: NewId,
    random_bytes: Callable[[int], bytes],
) -> WebhookHouse:
    sender = FakeSender()
    webhooks = Webhooks(
        database, vault, sender, clock=clock, new_id=new_id, random_bytes=random_bytes, private=False
    )
    courier = Courier(database, vault, sender, clock, new_id, DECLINE_CODES)
    fan_out = FanOut(database, clock, new_id, courier.wake)
    return WebhookHouse(database, clock, new_id, vault, sender, webhooks, fan_out, courier)


def payment_event(
    new_id: NewId,
    now: datetime,
    merchant_id: MerchantId | None,
    *,
    type_: str = "authorization.approved",
    **changes: Any,
) -> Event:
    """What the engine tells of a payment."""
    id_ = AuthorizationId(new_id())
    data = {
        "authorization": to_text("auth", id_),
        "card": to_text("card", UUID(int=4)),
        "merchant": to_text("mer", merchant_id) if merchant_id else None,
        "amount": 34_000,
        "captured": 0,
        "released": 0,
        "refunded": 0,
        "disputed": 0,
        "currency": "KRW",
        "status": type_.rpartition(".")[2],
        "decline": None,
    } | changes
    return Event(EventId(new_id()), type_, id_, data, now)


def a_due(event: Event, merchant_id: MerchantId | None = None, attempts: int = 0) -> Due:
    """A delivery of this event, taken on."""
    return Due(DeliveryId(UUID(int=1)), EndpointId(UUID(int=2)), merchant_id, URL, attempts, event)


@dataclass(frozen=True)
class Received:
    """One request as the receiver got it."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """A shop's server on a socket of its own. Answers `status` to everything, once `open` is set."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.status = 200
        self.open = asyncio.Event()
        self.open.set()
        self._server = HttpServer(self)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.port}/hooks"

    async def __aenter__(self) -> "Receiver":
        await self._server.start("127.0.0.1")
        return self

    async def __aexit__(self, *_: object) -> None:
        self.open.set()
        await self._server.stop()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        more = True
        while more:
            part = await receive()
            if part["type"] != "http.request":
                return  # its sender was killed in the middle of it: nothing has arrived
            body += part["body"]
            more = part.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.received.append(Received(headers, body))
        await self.open.wait()
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def at_work(house: WebhookHouse) -> AsyncIterator[None]:
    """The courier of this process, started and stopped."""
    await house.courier.start()
    try:
        yield
    finally:
        await house.courier.stop()
