"""An engine with points issuers on real sockets, a card company that obeys, and cards of members."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.factories.engine import EngineWorld, FakeCardCompany, makers_of
from tests.factories.ledger import P0
from tests.factories.merchants import BY_HAND, a_merchant
from tests.factories.points import PointsHouse, points_house, terms
from tests.factories.points_issuers import PointsIssuers, points_issuers
from tests.factories.registered_cards import a_registered_card
from tests.factories.wallet import BIN, House, a_member_with_linked_card

from obverse.authorization import AuthorizationRequest, Engine, EngineSettings, Entry
from obverse.authorization.model import Authorization, Tender
from obverse.cards import Card
from obverse.cards.rules import face_expiry_of
from obverse.kit.ids import PointsIssuerId, SourceId
from obverse.kit.money import KRW, Money
from obverse.kit.secret import Secret
from obverse.ledger import Ledger
from obverse.merchants import Merchant
from obverse.merchants.model import MerchantChange
from obverse.networks.points_issuer import PointsIssuerClient
from obverse.points import Courier, Directory, Rate
from obverse.sandbox.points_issuer import PointsIssuer

RATES = (Rate(2, 1), Rate(1, 10), Rate(3, 2))
"""Of sky miles, star points and corner stamps."""
_TIMEOUT_S = 0.4


@dataclass
class MixedWorld(EngineWorld):
    """One platform process: engine, line to the issuers, courier; the issuers live on without it."""

    partners: PointsIssuers
    points: PointsHouse
    client: PointsIssuerClient
    courier: Courier
    news: asyncio.Event
    ids: Sequence[PointsIssuerId] = ()
    by_source: dict[SourceId, PointsIssuer] = field(default_factory=dict)

    async def wallet(self, units: int = 1_000_000) -> tuple[Card, Secret, list[SourceId]]:
        """A registered card with an account of each issuer behind it, linked as members do it."""
        member, _ = await a_member_with_linked_card(self.house)
        card, details = await a_registered_card(self.house, member)
        sources = []
        for issuer, id_ in zip(self.partners.all, self.ids, strict=True):
            account = self.partners.account(issuer, units, phone=f"+82102{len(self.by_source) + 1:07d}")
            pending = await self.points.links.begin(member.id, id_, Secret(account.number), card_id=card.id)
            code = Secret(self.partners.code(account.phone))
            proved = await self.points.links.prove(member.id, pending.id, code)
            self.by_source[proved.id] = issuer
            sources.append(proved.id)
        return card, details.number, sources

    def swipe(
        self, card: Card, number: Secret, amount_minor: int, *tender: Tender, capture: bool = True
    ) -> AuthorizationRequest:
        return AuthorizationRequest(
            request_key=f"till:{self.house.new_id()}",
            number=number,
            expiry=face_expiry_of(card),
            cvv=None,
            amount=Money(amount_minor, KRW),
            merchant=self.shop,
            terminal="TERM0001",
            entry=Entry.SWIPE,
            capture=capture,
            tender=tender,
        )

    async def drain(self, patience_s: float = 20.0) -> None:
        """Return once issuers have acknowledged all that they have to be told; time flies meanwhile."""
        deadline = asyncio.get_running_loop().time() + patience_s
        while await self._untold():
            assert asyncio.get_running_loop().time() < deadline, "issuers are still not told"
            self.house.clock.move_to(self.house.clock.offset + timedelta(seconds=10))
            self.news.set()
            await asyncio.sleep(0.02)

    async def _untold(self) -> int:
        async with self.house.database.connection() as conn:
            waiting: int = await conn.fetchval("select count(*) from points_messages where done_at is null")
        return waiting

    def kept_by_issuers(self, payment: Authorization) -> list[int]:
        """What each leg's issuer has kept of the member's units."""
        taken = [
            self.by_source[leg.source_id].book.taken(leg.network_ref or "")
            for leg in payment.legs
            if leg.units is not None
        ]
        return [0 if take is None else take.units_kept for take in taken]

    async def stop(self) -> None:
        await self.courier.stop()
        await self.engine.stop()
        await self.client.close()


@asynccontextmanager
async def a_mixed_world(house: House) -> AsyncIterator[MixedWorld]:
    """Started, with issuers introduced and a shop that takes all of their points."""
    async with points_issuers() as partners:
        world = await a_process(house, partners, await a_merchant(house.merchants))
        ids = []
        for sandbox, rate in zip(partners.all, RATES, strict=True):
            given = terms(url=sandbox.url, two_phase=sandbox.profile.two_phase)
            issuer, sandbox.secret = await world.points.issuers.create(given, BY_HAND)
            await world.points.rates.set(issuer.id, None, rate, BY_HAND)
            ids.append(issuer.id)
        change = MerchantChange(accepts=frozenset({"one_time", "registered"}), accepts_points=frozenset(ids))
        world.shop = await house.merchants.change(world.shop.id, change, BY_HAND)
        world.ids = ids
        yield world
        await world.stop()
        await world.books_are_right()


async def a_process(house: House, partners: PointsIssuers, shop: Merchant) -> MixedWorld:
    """The platform's part, started; another one may have been here before."""
    news = asyncio.Event()
    client = PointsIssuerClient(
        Directory(house.database),
        house.vault,
        now=lambda: datetime.now(UTC),
        new_id=house.new_id,
        timeout_s=_TIMEOUT_S,
    )
    card_company = FakeCardCompany()
    engine = Engine(
        house.database,
        house.vault,
        card_company,
        house.clock,
        makers_of(house, card_company.new_reference),
        EngineSettings(bin=BIN),
        points=client,
        wake_courier=news.set,
    )
    courier = Courier(
        house.database, client, engine.legs_cancelled, clock=house.clock, new_id=house.new_id, news=news
    )
    await Ledger(house.database).open_house([P0], KRW)
    await engine.start()
    await courier.start()
    points = points_house(house, network=client)  # type: ignore[arg-type]
    return MixedWorld(house, engine, card_company, shop, partners, points, client, courier, news)
