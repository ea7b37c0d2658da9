"""P14 over whatever merchants, captures, refunds, reversals, days and partitions there may be."""

import asyncio
import os
from datetime import date, time, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.factories.settlement import THURSDAY, SettlementWorld, a_settlement_world
from tests.factories.wallet import build_house

from obverse.authorization.model import ActionKind
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import uuid7_source
from obverse.kit.secret import Secret
from obverse.merchants import FeePlan, Merchant, Rhythm
from obverse.settlement import service as settling

PARTITIONS = 2

PLANS = st.builds(FeePlan, st.sampled_from([0, 1, 49, 250, 10_000]), st.sampled_from([0, 1, 100]))
SHOPS = st.tuples(PLANS, st.sampled_from(list(Rhythm)), st.booleans())
Shop = tuple[FeePlan, Rhythm, bool]
Step = tuple[int, str, int, int]
AMOUNTS = st.sampled_from([1, 99, 100, 5_000, 12_345])
STEPS = st.tuples(
    st.integers(0, 2),  # merchant
    st.sampled_from(["pay", "pay", "pay in parts", "refund", "reverse", "lose a dispute", "settle"]),
    AMOUNTS,
    st.integers(0, PARTITIONS - 1),
)


class Month:
    """Payments over some days, at three merchants, with a settlement now and then."""

    def __init__(self, world: SettlementWorld, merchants: list[Merchant], first: date) -> None:
        self.world = world
        self.merchants = merchants
        self.day = first
        self.open: list[tuple[Merchant, UUID, int, int]] = []
        """Merchant, payment, partition, and what is left of it."""
        self.minutes = 0

    async def step(self, shop: int, what: str, amount: int, partition: int) -> None:
        merchant = self.merchants[shop]
        if what == "settle":
            await self.settle()
        elif what in ("pay", "pay in parts"):
            payment, parts = uuid4(), (amount,) if what == "pay" else (amount, amount + 7)
            for part in parts:
                await self.act(merchant, part, ActionKind.CAPTURE, payment, partition)
            self.open.append((merchant, payment, partition, sum(parts)))
        elif self.open:
            merchant, payment, partition, left = self.open.pop(0)
            back = left if what == "reverse" else min(left, amount)
            kind = {
                "refund": ActionKind.REFUND,
                "reverse": ActionKind.REVERSAL,
                "lose a dispute": ActionKind.DISPUTE_LOST,
            }[what]
            await self.act(merchant, back, kind, payment, partition)
            if left > back:
                self.open.append((merchant, payment, partition, left - back))

    async def act(
        self, merchant: Merchant, minor: int, kind: ActionKind, payment: UUID, partition: int
    ) -> None:
        at = time(self.minutes // 60 % 24, self.minutes % 60)
        self.minutes += 1
        await self.world.act(merchant, minor, kind, day=self.day, at=at, payment=payment, partition=partition)

    async def settle(self) -> None:
        """Settle today twice, once by two at the same time, and let the bank do its part; then go on."""
        self.world.be_at(self.day + timedelta(days=1))
        await asyncio.gather(*[self.world.settlements.settle(self.day) for _ in range(2)])
        await self.world.settlements.settle(self.day)
        await self.world.treasury.send()
        await self.world.books_agree()
        self.day += timedelta(days=1)
        self.minutes = 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_p14_captured_less_given_back_less_fees_is_paid_and_owed(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "CHUNK", 3)
    monkeypatch.setattr(settling, "MERCHANTS_AT_ONCE", 1)

    async def a_world(database: Database) -> SettlementWorld:
        clock = Clock()
        new_id = uuid7_source(clock.now_ms, os.urandom)
        house = build_house(
            database, tmp_path / "keys.json", clock, new_id, os.urandom, partitions=PARTITIONS
        )
        return await a_settlement_world(house, partitions=PARTITIONS)

    async def live(shops: list[Shop], steps: list[Step]) -> None:
        merchants = [
            await world.merchant(fee, rhythm=rhythm, account=account) for fee, rhythm, account in shops
        ]
        month = Month(world, merchants, days[-1])
        for step in steps:
            await month.step(*step)
        await month.settle()
        await only_what_is_kept_is_owed(world)
        days.append(month.day)

    @settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(shops=st.lists(SHOPS, min_size=3, max_size=3), steps=st.lists(STEPS, min_size=1, max_size=30))
    def whatever_happens(shops: list[Shop], steps: list[Step]) -> None:
        runner.run(live(shops, steps))

    with asyncio.Runner() as runner:
        database = Database(Secret(database_url))
        runner.run(database.open())
        world, days = runner.run(a_world(database)), [THURSDAY]
        whatever_happens()
        runner.run(database.close())


async def only_what_is_kept_is_owed(world: SettlementWorld) -> None:
    """Merchants who have an account and are paid daily are owed nothing, unless they owe."""
    owed = await world.fetch(
        "select m.payout_rhythm, a.merchant_id is not null as has_account, owed_minor"
        " from settlement_balances as b join merchants as m on m.id = b.merchant_id"
        " left join payout_accounts as a on a.merchant_id = m.id"
    )
    for row in owed:
        if row["payout_rhythm"] == "daily" and row["has_account"]:
            assert row["owed_minor"] <= 0, row
        assert row["payout_rhythm"] != "never", row
