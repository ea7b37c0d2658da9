from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from tests.factories.disputes import a_complaint, disputes_room
from tests.factories.engine import EngineWorld, an_engine_world
from tests.factories.ledger import P0
from tests.factories.wallet import House

from obverse.authorization import Authorization
from obverse.cards import Card, HeldBy
from obverse.disputes import Disputes, Opened
from obverse.kit.money import KRW
from obverse.ledger import Ledger
from obverse.wallet import repository as wallet

LIMIT = 100_000
PRICE = 34_000


@dataclass
class Scene:
    """A shop at which somebody bought something for 34,000 won, and may not be content with it."""

    world: EngineWorld
    disputes: Disputes
    card: Card
    payment: Authorization

    async def open(
        self, amount: int | None = None, key: str | None = None, by: HeldBy = HeldBy.MEMBER
    ) -> Opened:
        """Dispute the purchase as it stands."""
        payment = await self.world.engine.get(self.payment.id)
        request_key = key or f"test:{self.world.house.new_id()}"
        return await self.disputes.open(payment, self.card, by, a_complaint(amount), key=request_key)

    async def now(self) -> Authorization:
        return await self.world.engine.get(self.payment.id)

    async def available(self) -> int:
        """What the member may still spend of the credit line."""
        row = await self._account()
        posted: int = row["credits_posted_minor"] - row["debits_posted_minor"]
        return LIMIT + posted - int(row["debits_pending_minor"])

    async def owed(self) -> int:
        """What the member owes, provisional credits counted."""
        row = await self._account()
        return int(row["debits_posted_minor"] - row["credits_posted_minor"])

    async def _account(self):
        async with self.world.house.database.connection() as conn:
            (source,) = (await wallet.load_sources(conn, self.card.funding)).values()
            return await conn.fetchrow("select * from accounts where id = $1", source.account_id)

    async def balance(self, kind: str) -> int:
        """All accounts of a kind: credits less debits, posted and pending."""
        lines = await Ledger(self.world.house.database).trial_balance()
        return sum(
            line.credits_posted_minor
            + line.credits_pending_minor
            - line.debits_posted_minor
            - line.debits_pending_minor
            for line in lines
            if line.kind == kind
        )

    async def actions(self) -> list[str]:
        """What was done to the purchase, oldest first."""
        return [action.kind.value for action in await self.world.engine.actions_of(self.payment)]

    async def news(self) -> list[str]:
        """What events tell of disputes, oldest first."""
        async with self.world.house.database.connection() as conn:
            rows = await conn.fetch("select type from events where type like 'dispute.%' order by id")
        return [row["type"] for row in rows]


async def a_scene(house: House, *, off_us: bool = False) -> Scene:
    world = await an_engine_world(house)
    await Ledger(house.database).open_house([P0], KRW)
    card, face = await (world.off_us_card() if off_us else world.card(limit=LIMIT))
    payment = await world.engine.authorize(world.request(face, PRICE, capture=True))
    return Scene(world, disputes_room(house, world.engine), card, payment)


@pytest.fixture
async def scene(house: House) -> AsyncIterator[Scene]:
    """Bought on a credit line; the books are checked at the end of every test (P2, P4)."""
    scene = await a_scene(house)
    yield scene
    await scene.world.engine.stop()
    await scene.world.books_are_right()


@pytest.fixture
async def off_us_scene(house: House) -> AsyncIterator[Scene]:
    """The same on somebody's real card."""
    scene = await a_scene(house, off_us=True)
    yield scene
    await scene.world.engine.stop()
    await scene.world.books_are_right()
