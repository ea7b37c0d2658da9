"""P14: a settlement that is killed in the middle, again and again, pays everybody once."""

import asyncio
import os
import subprocess
import time
from datetime import date, timedelta
from pathlib import Path
from random import Random

import pytest
from tests.factories.platform import environment, obverse
from tests.factories.settlement import SettlementWorld, a_settlement_world
from tests.factories.wallet import build_house

from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import NewId, uuid7_source
from obverse.merchants import FeePlan, Merchant

CAPTURES = 110_000
MERCHANTS = 600
KILLS_MAX = 9

PROGRESS = """
select coalesce((select actions from settlements), 0) as gathered,
    (select count(*) from merchant_statements) as closed,
    (select count(*) from payouts where ordered_at is not null) as ordered
"""
TOLD = """
select s.merchant_id, s.captured_minor, s.fees_minor, s.paid_minor, s.carried_minor, p.id, t.id as transfer
from merchant_statements as s left join payouts as p on p.statement_id = s.id
left join bank_transfers as t on t.id = p.id order by s.merchant_id
"""


class Town:
    """A day's captures at many merchants, and `obverse settle` as a process of its own."""

    def __init__(self, world: SettlementWorld, merchants: list[Merchant], settings: dict[str, str]) -> None:
        self.world = world
        self.merchants = merchants
        self.day: date = world.settlements.last_day_over
        self._settings = settings

    def start(self) -> "subprocess.Popen[bytes]":
        command = obverse("settle", "--day", self.day.isoformat())
        return subprocess.Popen(command, env=self._settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    async def settle(self) -> str:
        """Run it to its end; what it said."""
        process = self.start()
        said, _ = await asyncio.to_thread(process.communicate)
        assert process.returncode == 0, said.decode()
        return said.decode()

    async def progress(self) -> tuple[int, int, int]:
        (row,) = await self.world.fetch(PROGRESS)
        return row["gathered"], row["closed"], row["ordered"]

    async def settle_and_be_killed(self, pause_s: float) -> tuple[int, int, int]:
        """Kill it some time after its first commit, in the middle of a later one; how far it has come."""
        before, process = await self.progress(), self.start()
        deadline = time.monotonic() + 60
        while await self.progress() == before:
            if process.poll() is not None:
                break  # what was left was too little to be caught at it
            assert time.monotonic() < deadline, "it does nothing"
            await asyncio.sleep(0.002)
        await asyncio.sleep(pause_s)
        process.kill()
        await asyncio.to_thread(process.communicate)
        return await self.progress()


@pytest.fixture
async def town(database_url: str, database: Database, tmp_path: Path) -> Town:
    clock = Clock()
    new_id: NewId = uuid7_source(clock.now_ms, os.urandom)
    house = build_house(database, tmp_path / "keys.json", clock, new_id, os.urandom)
    world = await a_settlement_world(house, after=None)
    merchants = await asyncio.gather(*[world.merchant(FeePlan(123, 7)) for _ in range(MERCHANTS)])
    settings = environment(
        database_url=database_url, key_file=tmp_path / "keys.json", data_dir=tmp_path / "data"
    )
    town = Town(world, merchants, settings)
    await world.add_captures([merchant.id for merchant in merchants], CAPTURES, town.day)
    return town


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_p14_a_settlement_killed_in_mid_batch_goes_on_and_pays_once(town: Town) -> None:
    world, rng = town.world, Random(14)
    reached = []
    for _ in range(KILLS_MAX):
        gathered, closed, ordered = await town.settle_and_be_killed(rng.randrange(150) / 1000)
        reached.append(gathered)
        assert await world.ledger.check() == []
        if closed == ordered == MERCHANTS:
            break
    assert len({*reached} - {0, CAPTURES}) >= 2, f"the kills met no gathering under way: {reached}"
    said = await town.settle()
    assert f"{CAPTURES:,} actions" in said
    told = await world.fetch(TOLD)
    assert [row["merchant_id"] for row in told] == sorted(merchant.id for merchant in town.merchants)
    (captured,) = await world.fetch("select sum(amount_minor)::bigint as minor from actions")
    assert sum(row["captured_minor"] for row in told) == captured["minor"]
    for row in told:
        assert row["captured_minor"] - row["fees_minor"] == row["paid_minor"] + row["carried_minor"]
        assert row["transfer"] == row["id"] or row["transfer"] is None
    await world.books_agree()
    await town.settle()
    assert await world.fetch(TOLD) == told, "running it once more changed something"


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_p14_two_processes_settle_a_day_together_as_one_does(town: Town) -> None:
    said = await asyncio.gather(town.settle(), town.settle())
    assert all(f"{CAPTURES:,} actions" in each for each in said)
    assert len(await town.world.fetch(TOLD)) == MERCHANTS
    await town.world.books_agree()
    # The bank is closed on some days on which tests run; then the payouts wait for a better one.
    town.world.be_at(town.world.calendar.next_banking_day(town.day + timedelta(days=1)))
    await town.world.settlements.finish()
    await town.world.treasury.send()
    assert (
        len({order.wire_id for order in town.world.bank.orders}) == len(town.world.bank.orders) == MERCHANTS
    )
    await town.world.books_agree()
