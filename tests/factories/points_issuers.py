"""The three points issuers of the sandbox on free ports, with the telephones and the VAN that they tell.

async with points_issuers() as issuers:
    account = issuers.account(issuers.sky_miles, units=10_000)
    ...
    assert issuers.sky_miles.book.taken(reference).units_kept == 8_000
"""

import asyncio
import base64
import itertools
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx
import msgspec
from standardwebhooks import Webhook
from tests.factories.mailbox import HOST, Mailbox, a_mailbox

from obverse.kit.clock import Clock
from obverse.kit.secret import Secret
from obverse.sandbox.clearing_house import ClearingHouse, Results, Van
from obverse.sandbox.faults import Fault, FaultMenu, FaultRule, MessageKind
from obverse.sandbox.points_issuer import PROFILES, Account, PointsIssuer, Profile
from obverse.sandbox.trace import Trace

SECRET = Secret("whsec_" + base64.b64encode(bytes(range(24))).decode())
"""What requests to all three are signed with, until a test sets another."""
PHONE = "+821012345678"

_numbers = itertools.count(1)


@dataclass
class PointsIssuers:
    """The issuers, everybody's telephone, and what the VAN was told."""

    all: Sequence[PointsIssuer]
    mailbox: Mailbox
    van: Van
    trace: Trace
    sky_miles: PointsIssuer = field(init=False)
    """Two-phase."""
    star_points: PointsIssuer = field(init=False)
    """Two-phase, and tells the VAN."""
    corner_stamps: PointsIssuer = field(init=False)
    """Only deducts and cancels."""

    def __post_init__(self) -> None:
        self.sky_miles, self.star_points, self.corner_stamps = self.all

    def account(
        self, issuer: PointsIssuer, units: int = 100_000, *, number: str | None = None, phone: str = PHONE
    ) -> Account:
        """An account of somebody's; its `handle` is what a proved link gives."""
        return issuer.book.open(number or f"7700{next(_numbers):08d}", phone, units)

    def code(self, phone: str = PHONE) -> str:
        """The one-time code of the newest link, as its owner reads it."""
        found = re.search(r"\b[0-9]{6}\b", self.mailbox.letters_to(phone)[-1].text)
        assert found is not None
        return found[0]

    async def misbehave(
        self, issuer: PointsIssuer, fault: Fault, kind: MessageKind = MessageKind.POINTS_TAKES, **how: Any
    ) -> None:
        """`how`: `times`, `delay_ms`, `chance`."""
        await issuer.set_fault(kind, FaultRule(fault, **how))


@asynccontextmanager
async def points_issuers(
    clock: Clock | None = None, *, profiles: Sequence[Profile] = PROFILES, seed: int = 1
) -> AsyncIterator[PointsIssuers]:
    """All of them, believing `SECRET`; the mailbox beside them takes any letters."""
    clock = clock or Clock()
    trace, rng = Trace(clock), Random(seed)
    async with a_mailbox(clock) as mailbox:
        van = Van(ClearingHouse([], trace), Results(trace), clock, rng)
        await van.start(HOST)
        urls = {"sms_url": mailbox.settings["sms_url"], "van_url": f"http://{HOST}:{van.port}"}
        issuers = [
            PointsIssuer(profile, FaultMenu(Random(seed + at)), trace, clock, rng, **urls)
            for at, profile in enumerate(profiles)
        ]
        for issuer in issuers:
            issuer.secret = SECRET
            await issuer.start(HOST)
        try:
            yield PointsIssuers(issuers, mailbox, van, trace)
        finally:
            await asyncio.gather(van.stop(), *[issuer.stop() for issuer in issuers])


async def ask(
    issuer: PointsIssuer,
    path: str,
    body: Any,
    *,
    secret: Secret = SECRET,
    ahead: timedelta = timedelta(),
    timeout_s: float = 5.0,
) -> httpx.Response:
    """Ask an issuer as the relay does, signed by the library that receivers of webhooks use; by a clock that
    is so far `ahead`."""
    raw = msgspec.json.encode(body)
    at = datetime.now(UTC) + ahead
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret.reveal()).sign("msg_1", at, raw.decode()),
    }
    async with httpx.AsyncClient(base_url=issuer.url, timeout=timeout_s) as client:
        return await client.post(path, content=raw, headers=headers)


def a_take(account: Account | str, units: int = 1_000, **changes: Any) -> dict[str, Any]:
    """One take as it stands in `/holds` or `/deductions`."""
    fields: dict[str, Any] = {
        "reference": f"take-{next(_numbers)}",
        "account": account if isinstance(account, str) else account.handle,
        "units": units,
        "merchant": "Corner shop",
        "amount": 500,
        "currency": "KRW",
        "terminal": None,
    }
    return fields | changes
