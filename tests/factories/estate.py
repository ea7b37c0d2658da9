"""What a platform finds when it starts: a shop with its API key, members, and cards to pay with.

It is put into the database by the rooms themselves, in the test's own process; the platform's processes share
the database and the key file, and are only ever asked through their doors.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from tests.factories.callers import HOST, http_request
from tests.factories.iso8583 import purchase
from tests.factories.ledger import P0
from tests.factories.members import an_application
from tests.factories.merchants import a_merchant
from tests.factories.wallet import House, a_member_with_credit_line, build_house, card_details

from obverse.access import Access, ApiKey, Scope
from obverse.cards import CardFace, Controls, Order
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.database.embedded import EmbeddedPostgres
from obverse.kit.database.migrating import migrate
from obverse.kit.ids import uuid7_source
from obverse.kit.money import KRW
from obverse.kit.secret import Secret
from obverse.ledger import Ledger
from obverse.ledger.jobs import roll_up
from obverse.merchants import Merchant
from obverse.networks.iso8583.codec import Fields
from obverse.sandbox.card_company import Book, CardCompany, RealCard
from obverse.sandbox.card_company.cards import make_card
from obverse.sandbox.faults import FaultMenu
from obverse.sandbox.trace import Trace
from obverse.wallet import Source

AMOUNT_MINOR = 1_000
BOTTOMLESS = 10**11
_serials = count(1)


@dataclass
class Estate:
    """A house without an engine, one shop, and a card company on a socket of its own."""

    house: House
    shop: Merchant
    key: ApiKey
    token: str
    key_file: Path
    database_url: str
    card_company: CardCompany
    rng: Random = field(default_factory=lambda: Random(1))

    def settings(self, folder: Path, **changes: object) -> dict[str, object]:
        """What a platform over this estate is started with; 1 s for card companies keeps tests short."""
        return {
            "data_dir": folder,
            "database_url": self.database_url,
            "key_file": self.key_file,
            "card_company_port": self.card_company.port,
            "off_us_timeout_ms": 1_000,
        } | changes

    async def on_us_cards(self, number: int, controls: Controls | None = None) -> list[CardFace]:
        """One-time cards on a bottomless credit line."""
        _, source = await a_member_with_credit_line(self.house, BOTTOMLESS)
        return await self.cards_on(source, number, controls)

    async def off_us_cards(self, number: int) -> tuple[list[CardFace], RealCard]:
        """One-time cards on a real card that the card company knows."""
        real = make_card(self.rng, datetime.now(UTC), limit_minor=BOTTOMLESS)
        self.card_company.book.add(real)
        details = card_details(
            number=real.number, exp_month=int(real.expiry[2:]), exp_year=2000 + int(real.expiry[:2])
        )
        _, (source,) = await self.house.wallet.register(an_application(), details, credit=False)
        return await self.cards_on(source, number), real

    async def cards_on(self, source: Source, number: int, controls: Controls | None = None) -> list[CardFace]:
        order = Order(source.partition_id, source.member_id, KRW, controls or Controls(), (source.id,))
        issued = await self.house.cards.issue(order, count=number)
        return [self.house.cards.reveal(card) for card in issued.cards]

    def purchase(self, face: CardFace, mti: str = "0100", **changes: str | None) -> Fields:
        """A payment at a till of the shop, under trace fields that no other message has."""
        serial = next(_serials)
        fields = {
            "DE2": face.number.reveal(),
            "DE4": f"{AMOUNT_MINOR:012d}",
            "DE7": f"{datetime.now(UTC):%m%d%H%M%S}",
            "DE11": f"{serial % 1_000_000:06d}",
            "DE14": face.expiry,
            "DE32": self.shop.acquirer_id,
            "DE37": f"{serial:012d}",
            "DE41": self.shop.terminals[0],
            "DE42": f"{self.shop.merchant_no:<15}",
            "DE48": f"9203{face.cvv.reveal()}",
        }
        return purchase(mti, **(fields | changes))

    def rest_payment(self, face: CardFace, key: str, **changes: Any) -> bytes:
        """The same at the shop's website."""
        return http_request("POST", "/v1/payments", self.token, rest_body(face, **changes), key)

    async def books_are_right(self) -> None:
        """P2 and P4, before and after rolling up."""
        ledger = Ledger(self.house.database)
        assert await ledger.check() == []
        await roll_up(self.house.database, [P0])
        assert await ledger.check() == []
        balance: dict[str, int] = {}
        for line in await ledger.trial_balance():
            debits = line.debits_posted_minor + line.debits_pending_minor
            credits = line.credits_posted_minor + line.credits_pending_minor
            balance[line.currency] = balance.get(line.currency, 0) + debits - credits
        assert set(balance.values()) <= {0}

    async def until_traced(self, kind: str, times: int = 1) -> None:
        """Wait until this many messages of a kind have passed at the card company."""
        deadline = time.monotonic() + 10
        while (passed := self.traced(kind)) < times:
            assert time.monotonic() < deadline, f"{passed} of {times} x {kind}"
            await asyncio.sleep(0.005)

    def traced(self, kind: str) -> int:
        """How many messages of a kind, such as `0100 authorization`, have passed at the card company."""
        return len([entry for entry in self.card_company.trace.since(0) if entry.kind == kind])

    async def until_found(self, query: str) -> None:
        """Wait until a query finds something."""
        deadline = time.monotonic() + 10
        while not await self.fetch(query):
            assert time.monotonic() < deadline, query
            await asyncio.sleep(0.005)

    async def fetch(self, query: str, *arguments: object) -> Sequence[Any]:
        async with self.house.database.connection() as conn:
            return await conn.fetch(query, *arguments)


def rest_body(face: CardFace, **changes: Any) -> dict[str, Any]:
    """What a shop's website sends about a card."""
    return {
        "card_number": face.number.reveal(),
        "exp_month": int(face.expiry[2:]),
        "exp_year": 2000 + int(face.expiry[:2]),
        "cvv": face.cvv.reveal(),
        "amount": AMOUNT_MINOR,
        "currency": "KRW",
    } | changes


@asynccontextmanager
async def an_estate(database_url: str, folder: Path) -> AsyncIterator[Estate]:
    """Everything a platform needs to be there before it starts, and the card company beside it."""
    clock = Clock()
    book = Book([], clock, Random(2))
    company = CardCompany(book, FaultMenu(Random(3)), Trace(clock))
    await company.start(HOST)
    try:
        async with Database(Secret(database_url), connections=4) as database:
            new_id = uuid7_source(clock.now_ms, os.urandom)
            house = build_house(database, folder / "keys.json", clock, new_id, os.urandom)
            shop = await a_merchant(house.merchants)
            access = Access(database, house.vault, clock, new_id, os.urandom)
            key, token = await access.create("shop", frozenset({Scope.PAYMENTS}), shop.id)
            yield Estate(house, shop, key, token.reveal(), folder / "keys.json", database_url, company)
    finally:
        await company.stop()


@asynccontextmanager
async def an_estate_on(server: EmbeddedPostgres, folder: Path) -> AsyncIterator[Estate]:
    """The same on a server of the test's own, whose first database it takes."""
    url = await asyncio.to_thread(server.start)
    await migrate(url)
    async with an_estate(url.reveal(), folder) as estate:
        yield estate
