"""P5: what was acknowledged survives kill -9 of the platform, of PostgreSQL, and of both."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest
from tests.factories.estate import Estate, an_estate
from tests.factories.platform import PlatformProcess, kill_postgres, running
from tests.factories.shoppers import Shoppers, card_company_agrees, drained, history_is_kept

from obverse.kit.database.embedded import EmbeddedPostgres
from obverse.kit.database.migrating import migrate
from obverse.kit.secret import Secret
from obverse.sandbox.faults import Fault, FaultRule, MessageKind

KILLS = 20
LINES = 24


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_p05_nothing_acknowledged_is_lost_when_the_platform_is_killed_20_times(
    estate: Estate, platform: PlatformProcess
) -> None:
    shoppers = await shoppers_at(estate, platform)
    rng = Random(5)
    for _ in range(KILLS):
        await shoppers.until_answered(rng.randrange(20, 120))
        platform.kill()
        await platform.start()
    await shoppers.until_answered(20)
    assert shoppers.hung_up > KILLS, "the kills met no request under way"
    await all_is_well_after(estate, shoppers)


@pytest.fixture
async def own_server() -> AsyncIterator[EmbeddedPostgres]:
    """A PostgreSQL that this test may kill; no other test uses it."""
    folder = Path(tempfile.mkdtemp(prefix="obverse-test-"))
    folder.chmod(0o755)  # root's tests run PostgreSQL as another user
    server = EmbeddedPostgres(folder, settings={"shared_buffers": "64MB", "min_wal_size": "80MB"})
    await asyncio.to_thread(server.start)
    yield server
    await asyncio.to_thread(server.revive)
    await asyncio.to_thread(server.stop)
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_p05_nothing_acknowledged_is_lost_when_postgresql_is_killed_20_times(
    own_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    url = await asyncio.to_thread(own_server.start)
    await migrate(url)
    async with an_estate(url.reveal(), tmp_path) as estate:
        async with running(tmp_path / "platform", estate.settings(tmp_path / "data")) as platform:
            shoppers = await shoppers_at(estate, platform)
            pid = platform.pid
            rng = Random(6)
            for kill in range(KILLS):
                await shoppers.until_answered(rng.randrange(20, 120))
                kill_postgres(own_server)
                if kill % 5 == 0:  # both doors say so while it is gone; each answer has its deadline
                    await shoppers.until(lambda: shoppers.unavailable, shoppers.unavailable + 1)
                    await shoppers.until(lambda: shoppers.malfunctions, shoppers.malfunctions + 1)
                assert await asyncio.to_thread(own_server.revive)
            await shoppers.until_answered(20)
            await all_is_well_after(estate, shoppers)
            assert platform.pid == pid, "it came back without a restart"


async def shoppers_at(estate: Estate, platform: PlatformProcess) -> Shoppers:
    """Two of three pay on credit, one of three with a real card whose company sometimes says nothing."""
    on_us = await estate.on_us_cards(4_000)
    off_us, _ = await estate.off_us_cards(2_000)
    faces = on_us + off_us
    Random(4).shuffle(faces)
    await estate.card_company.set_fault(
        MessageKind.AUTHORIZATION, FaultRule(Fault.SILENT, chance=0.01)
    )
    shoppers = Shoppers(estate, platform, faces)
    shoppers.start(LINES)
    return shoppers


async def all_is_well_after(estate: Estate, shoppers: Shoppers) -> None:
    await shoppers.stop()
    await drained(estate)
    await history_is_kept(estate, shoppers.payments)
    await card_company_agrees(estate)
    assert {told.approved for p in shoppers.payments for told in p.told} == {True, False}
