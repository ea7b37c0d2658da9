"""The engine over a real database, with card companies that do as they are told."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import count

from tests.factories.cards import a_one_time_card
from tests.factories.ledger import MONTHS_ON, P0
from tests.factories.merchants import a_merchant
from tests.factories.wallet import BIN, House, a_member_with_credit_line, a_member_with_linked_card

from obverse.authorization import AuthorizationRequest, Engine, EngineSettings, Entry, Makers
from obverse.authorization.jobs import NotAcknowledged, Reversals
from obverse.authorization.networks import PointsNetwork
from obverse.authorization.ports import LegAnswer, LegOutcome, LegRequest
from obverse.cards import Card, CardFace, Controls, pin_hash_of
from obverse.kit.money import KRW, Money
from obverse.ledger import Ledger
from obverse.ledger.jobs import roll_up
from obverse.merchants import Merchant

APPROVE = LegAnswer(LegOutcome.APPROVED, "00", "654321")


@dataclass
class FakeCardCompany:
    """Answers as told, counts what it was asked, and can be made to wait."""

    answer: LegAnswer = APPROVE
    acknowledges: bool = True
    asked: list[LegRequest] = field(default_factory=list)
    reversed: list[str] = field(default_factory=list)
    gate: asyncio.Event | None = None
    _heard: asyncio.Event = field(default_factory=asyncio.Event)
    _references: Callable[[], int] = field(default_factory=lambda: count(1).__next__)

    def new_reference(self) -> str:
        return f"1120120000|{self._references():06d}|RRN"

    async def authorize(self, leg: LegRequest) -> LegAnswer:
        self.asked.append(leg)
        self._heard.set()
        if self.gate is not None:
            await self.gate.wait()
        return self.answer

    async def was_asked(self) -> None:
        """Return once a request has come in."""
        await self._heard.wait()

    async def reverse(self, leg: LegRequest) -> bool:
        self.reversed.append(leg.network_ref)
        return self.acknowledges


@dataclass
class EngineWorld:
    """A house with an engine in it, one shop, and short ways to pay."""

    house: House
    engine: Engine
    card_company: FakeCardCompany
    shop: Merchant

    async def card(
        self, controls: Controls | None = None, *, limit: int = 1_000_000
    ) -> tuple[Card, CardFace]:
        """A one-time card on a credit line of this limit."""
        member, _ = await a_member_with_credit_line(self.house, limit)
        return await a_one_time_card(self.house, member.id, controls)

    async def off_us_card(self, controls: Controls | None = None) -> tuple[Card, CardFace]:
        """A one-time card on somebody's real card."""
        member, _ = await a_member_with_linked_card(self.house)
        return await a_one_time_card(self.house, member.id, controls)

    def request(
        self, face: CardFace, amount_minor: int = 34_000, key: str | None = None, *, capture: bool = False
    ) -> AuthorizationRequest:
        return AuthorizationRequest(
            request_key=key or f"test:{self.house.new_id()}",
            number=face.number,
            expiry=face.expiry,
            cvv=face.cvv,
            amount=Money(amount_minor, KRW),
            merchant=self.shop,
            terminal="TERM0001",
            entry=Entry.ONLINE,
            capture=capture,
        )

    async def run_reversals(self) -> int:
        """Try every queued reversal once, as the worker would; returns how many were acknowledged."""
        reversals = Reversals(self.house.database, self.engine, self.card_company)
        async with self.house.database.connection() as conn:
            rows = await conn.fetch("select payload from pgqueuer where entrypoint = 'reverse_leg'")
        acknowledged = 0
        for row in rows:
            try:
                await reversals.reverse_leg(row["payload"])
            except NotAcknowledged:
                continue
            acknowledged += 1
        return acknowledged

    async def books_are_right(self) -> None:
        """P2 and P4, before and after rolling up."""
        ledger = Ledger(self.house.database)
        assert await ledger.check() == []
        await roll_up(self.house.database, [P0])
        assert await ledger.check() == []


def makers_of(house: House, new_reference: Callable[[], str]) -> Makers:
    """The house's own ids, codes and hashes."""
    pins = partial(pin_hash_of, house.vault)
    return Makers(house.new_id, house.random_bytes, new_reference, timedelta(seconds=7), MONTHS_ON, pins)


def an_engine(
    house: House,
    card_company: FakeCardCompany,
    *,
    patience_s: float = 3.0,
    partitions: int = 1,
    points: PointsNetwork | None = None,
) -> Engine:
    return Engine(
        house.database,
        house.vault,
        card_company,
        house.clock,
        makers_of(house, card_company.new_reference),
        EngineSettings(bin=BIN, partitions=partitions, patience_s=patience_s),
        points=points,
    )


async def an_engine_world(
    house: House, *, partitions: int = 1, points: PointsNetwork | None = None
) -> EngineWorld:
    card_company = FakeCardCompany()
    engine = an_engine(house, card_company, partitions=partitions, points=points)
    await engine.start()
    return EngineWorld(house, engine, card_company, await a_merchant(house.merchants))
