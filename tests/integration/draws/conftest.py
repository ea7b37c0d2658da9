from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from tests.factories.cards import a_one_time_card
from tests.factories.draws import FakeBank, a_treasury, an_account, draws_room
from tests.factories.engine import EngineWorld, an_engine_world
from tests.factories.wallet import House, a_member_with_credit_line, a_member_with_linked_card

from obverse.cards import Card, Controls
from obverse.draws import Drawn, Draws, Wish
from obverse.kit.ids import PartitionId
from obverse.kit.money import KRW
from obverse.ledger import Ledger
from obverse.treasury import BankAccount, Treasury

LIMIT = 20_000


@dataclass
class Scene:
    """Members who hand over cards, recipients who draw them, and a bank."""

    world: EngineWorld
    draws: Draws
    treasury: Treasury
    bank: FakeBank
    account: BankAccount = field(default_factory=an_account)

    @property
    def house(self) -> House:
        return self.world.house

    async def given(
        self, controls: Controls | None = None, *, off_us: bool = False, credit: int = 1_000_000, **wish
    ) -> Card:
        """A card that somebody has taken over: 20,000 won unless its controls say otherwise."""
        if off_us:
            member, _ = await a_member_with_linked_card(self.house)
        else:
            member, _ = await a_member_with_credit_line(self.house, credit)
        controls = controls or Controls(amount_limit_minor=LIMIT)
        card, _ = await a_one_time_card(self.house, member.id, controls, **wish)
        _, token = await self.house.cards.hand_over(card.id)
        held, _ = await self.house.cards.claim(token)
        return held

    async def draw(self, card: Card, amount: int | None = None, key: str | None = None) -> Drawn:
        """Draw to the usual account; `card` may have been spent since it was read."""
        card = await self.house.cards.get(card.id)
        request_key = key or f"test:{self.house.new_id()}"
        return await self.draws.draw(card, Wish(self.account, amount), key=request_key)

    async def balance(self, kind: str) -> int:
        """All accounts of a kind: credits less debits."""
        lines = await Ledger(self.house.database).trial_balance()
        return sum(
            line.credits_posted_minor - line.debits_posted_minor for line in lines if line.kind == kind
        )

    async def owed(self, card: Card) -> int:
        """What the giver owes on the credit line behind the card."""
        async with self.house.database.connection() as conn:
            row = await conn.fetchrow(
                "select debits_posted_minor - credits_posted_minor as owed from accounts"
                " where kind = 'member_receivable' and owner_id = $1 order by id desc limit 1",
                card.member_id,
            )
        return int(row["owed"])

    async def news(self) -> list[str]:
        """What events tell of draws, oldest first."""
        async with self.house.database.connection() as conn:
            rows = await conn.fetch("select type from events where type like 'draw.%' order by id")
        return [row["type"] for row in rows]


async def a_scene(house: House, partitions: int = 1) -> Scene:
    world = await an_engine_world(house, partitions=partitions)
    ids = [PartitionId(number) for number in range(partitions)]
    await Ledger(house.database).open_house(ids, KRW)
    bank = FakeBank()
    treasury = a_treasury(house, bank)
    draws = draws_room(house, world.engine, treasury)
    await draws.start(ids, KRW)
    return Scene(world, draws, treasury, bank)


@pytest.fixture
async def scene(house: House) -> AsyncIterator[Scene]:
    """The books are checked at the end of every test (P2, P4)."""
    scene = await a_scene(house)
    yield scene
    await scene.world.engine.stop()
    await scene.world.books_are_right()
