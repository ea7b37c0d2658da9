"""P5: what was acknowledged survives kill -9 of the platform, of PostgreSQL, and of both."""

import asyncio
from pathlib import Path
from random import Random

import pytest
from tests.factories.estate import Estate, an_estate_on
from tests.factories.platform import PlatformProcess, kill_postgres, running
from tests.factories.shoppers import all_is_well_after, shoppers_at

from obverse.kit.database.embedded import EmbeddedPostgres

KILLS = 12


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_p05_nothing_acknowledged_is_lost_when_the_platform_is_killed_a_dozen_times(
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


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_p05_nothing_acknowledged_is_lost_when_postgresql_is_killed_a_dozen_times(
    own_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    async with an_estate_on(own_server, tmp_path) as estate:
        async with running(tmp_path / "platform", estate.settings(tmp_path / "data")) as platform:
            shoppers = await shoppers_at(estate, platform)
            pid = platform.pid
            rng = Random(6)
            for kill in range(KILLS):
                await shoppers.until_answered(rng.randrange(20, 120))
                kill_postgres(own_server)
                if kill % 5 == 0:  # both doors say so while it is gone; each answer has its deadline
                    await shoppers.until_both_doors_refuse()
                assert await asyncio.to_thread(own_server.revive)
            await shoppers.until_answered(20)
            await all_is_well_after(estate, shoppers)
            assert platform.pid == pid, "it came back without a restart"


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_p05_nothing_acknowledged_is_lost_when_both_are_killed_together(
    own_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    async with an_estate_on(own_server, tmp_path) as estate:
        async with running(tmp_path / "platform", estate.settings(tmp_path / "data")) as platform:
            shoppers = await shoppers_at(estate, platform)
            rng = Random(7)
            for _ in range(KILLS // 2):
                await shoppers.until_answered(rng.randrange(20, 120))
                platform.kill()
                kill_postgres(own_server)
                assert await asyncio.to_thread(own_server.revive)
                await platform.start()
            await shoppers.until_answered(20)
            await all_is_well_after(estate, shoppers)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_p05_a_platform_brings_its_embedded_postgresql_back_by_itself(
    own_server: EmbeddedPostgres, own_folder: Path, tmp_path: Path
) -> None:
    async with an_estate_on(own_server, tmp_path) as estate:
        settings = estate.settings(own_folder)
        del settings["database_url"]
        async with running(tmp_path / "platform", settings) as platform:
            shoppers = await shoppers_at(estate, platform)
            for _ in range(3):
                await shoppers.until_answered(100)
                kill_postgres(own_server)
            await shoppers.until_answered(100)
            await all_is_well_after(estate, shoppers)
