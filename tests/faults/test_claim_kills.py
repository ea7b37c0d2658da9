"""kill -9 in the middle of a claim file: it is taken up again, and nothing is paid twice (OT-16)."""

import asyncio
import re
import subprocess
import time
from pathlib import Path

import pytest
from tests.factories.claims import Approved, a_file, line_of
from tests.factories.engine import EngineWorld, FakeCardCompany, an_engine
from tests.factories.estate import Estate
from tests.factories.platform import PlatformProcess, environment, obverse

from obverse.cards import Controls
from obverse.kit.ids import to_text

CLAIMS = 3_000
AMOUNT = 1_000
SECONDS_MAX = 60
PAID = "select count(*) as n from actions where kind = 'capture'"
DONE = "select captured_lines, refused_lines from claim_files where state = 'done'"


async def a_day_of_sales(estate: Estate) -> bytes:
    """A file that claims as many payments as it takes to be killed in the middle of it."""
    engine = an_engine(estate.house, FakeCardCompany())
    await engine.start()
    world = EngineWorld(estate.house, engine, FakeCardCompany(), estate.shop)
    faces = await estate.on_us_cards(30, Controls(uses=100))
    requests = [world.request(faces[n % len(faces)], AMOUNT) for n in range(CLAIMS)]
    payments = []
    for at in range(0, CLAIMS, 300):
        payments += await asyncio.gather(*[engine.authorize(each) for each in requests[at : at + 300]])
    await engine.stop()
    return a_file(
        [line_of(Approved(faces[n % len(faces)], payment), AMOUNT) for n, payment in enumerate(payments)]
    )


async def until_paid(estate: Estate, at_least: int) -> int:
    deadline = time.monotonic() + SECONDS_MAX
    while (paid := (await estate.fetch(PAID))[0]["n"]) < at_least:
        assert time.monotonic() < deadline, f"{paid} of {at_least} are paid"
        await asyncio.sleep(0.01)
    return int(paid)


async def all_is_paid_once(estate: Estate) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not (done := await estate.fetch(DONE)):
        assert time.monotonic() < deadline, "the file is not done"
        await asyncio.sleep(0.1)
    assert [tuple(row) for row in done] == [(CLAIMS, 0)]
    assert (await estate.fetch(PAID))[0]["n"] == CLAIMS
    told = "select count(*) as n from events where type = 'claim.paid'"
    assert (await estate.fetch(told))[0]["n"] == CLAIMS
    await estate.books_are_right()


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_platform_killed_in_mid_file_finishes_it_after_its_start(
    estate: Estate, platform: PlatformProcess
) -> None:
    data = await a_day_of_sales(estate)
    line = await asyncio.to_thread(_post, platform, estate, data)
    assert b" 201 " in line, line
    paid = await until_paid(estate, 1)
    platform.kill()
    assert paid < CLAIMS, "it was killed too late"
    await platform.start()
    await all_is_paid_once(estate)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_an_import_that_is_killed_goes_on_when_it_is_run_again(estate: Estate, tmp_path: Path) -> None:
    file, result = tmp_path / "claims.csv", tmp_path / "result.csv"
    file.write_bytes(await a_day_of_sales(estate))
    command = obverse(
        "claims", "import", str(file), "--merchant", to_text("mer", estate.shop.id), "--result", str(result)
    )
    settings = environment(**estate.settings(tmp_path / "data"))
    killed = await asyncio.create_subprocess_exec(*command, env=settings, stdout=subprocess.DEVNULL)
    paid = await until_paid(estate, 1)
    killed.kill()
    await killed.wait()
    assert paid < CLAIMS, "it was killed too late"

    again = await asyncio.to_thread(
        subprocess.run, command, env=settings, capture_output=True, text=True, timeout=SECONDS_MAX
    )

    assert again.returncode == 0, again.stderr
    assert re.search(rf"captured\W+{CLAIMS:,}\W+{CLAIMS * AMOUNT:,}", again.stdout), again.stdout
    assert "had come in before" in again.stdout
    assert result.read_text().count(",paid,,,no\n") == CLAIMS
    await all_is_paid_once(estate)


def _post(platform: PlatformProcess, estate: Estate, data: bytes) -> bytes:
    """Send the file as any client would, and return the answer's first line."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", platform.rest_port, timeout=SECONDS_MAX)
    headers = {"Authorization": f"Bearer {estate.token}", "Content-Type": "text/csv"}
    connection.request("POST", "/v1/claim_files", data, headers)
    answer = connection.getresponse()
    return f"HTTP {answer.status} ".encode() + answer.read()
