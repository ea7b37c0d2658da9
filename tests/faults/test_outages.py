"""PostgreSQL gone in mid-load: both doors say so in time, and go on by themselves when it is back."""

import asyncio
from pathlib import Path

import pytest
from tests.factories.callers import RestLine
from tests.factories.estate import an_estate_on
from tests.factories.platform import freeze_postgres, running, stop_postgres, thaw_postgres
from tests.factories.shoppers import all_is_well_after, shoppers_at

from obverse.kit.database.embedded import EmbeddedPostgres


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("how", ["stopped", "frozen"])
async def test_p07_without_postgresql_both_doors_refuse_in_time_and_recover_without_a_restart(
    own_server: EmbeddedPostgres, tmp_path: Path, how: str
) -> None:
    async with an_estate_on(own_server, tmp_path) as estate:
        async with running(tmp_path / "platform", estate.settings(tmp_path / "data")) as platform:
            shoppers = await shoppers_at(estate, platform)
            pid = platform.pid
            for _ in range(2):
                await shoppers.until_answered(100)
                postmaster = 0
                if how == "stopped":
                    await asyncio.to_thread(stop_postgres, own_server)
                else:
                    postmaster = freeze_postgres(own_server)
                try:
                    await shoppers.until_both_doors_refuse()
                    await shoppers.until_both_doors_refuse()
                    assert await health(platform.rest_port) == 503
                finally:
                    if how == "stopped":
                        assert await asyncio.to_thread(own_server.revive)
                    else:
                        thaw_postgres(postmaster)
            await shoppers.until_answered(100)
            assert await health(platform.rest_port) == 200
            await all_is_well_after(estate, shoppers)
            assert platform.pid == pid


async def health(rest_port: int) -> int:
    """The status of GET /health, which has ten seconds to answer."""
    line = await RestLine.open(rest_port)
    async with asyncio.timeout(10):
        answer = await line.ask("GET", "/health", "nobody")
    line.close()
    return answer.status
