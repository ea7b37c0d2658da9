"""Orders survive kill -9: what was paid is allocated once, whoever makes the cards, however often it dies."""

import asyncio
import re
import subprocess
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.factories.draws import FakeBank, a_treasury
from tests.factories.engine import FakeCardCompany, an_engine
from tests.factories.estate import BOTTOMLESS, Estate
from tests.factories.ledger import P0
from tests.factories.orders import a_list
from tests.factories.platform import PlatformProcess, environment, obverse
from tests.factories.programmes import a_programme
from tests.factories.sales import selling_rooms
from tests.factories.treasury import a_statement, an_entry

from obverse.kit.ids import to_text
from obverse.kit.money import KRW
from obverse.ledger import Ledger
from obverse.sandbox.card_company.cards import make_card

PIECES = 4_000
AMOUNT = 5_000
SECONDS_MAX = 60
BUYER = {"name": "A Company", "phone": "02-123-4567", "mail": "orders@company.example"}


def a_long_list() -> str:
    return a_list(*[f"staff{n}@company.example,,{AMOUNT}," for n in range(PIECES)]).reveal()


async def a_real_card(estate: Estate) -> dict[str, Any]:
    """A card that its company knows, as a buyer types it in."""
    real = make_card(estate.rng, datetime.now(UTC), limit_minor=BOTTOMLESS)
    estate.card_company.book.add(real)
    return {
        "card_number": real.number.reveal(),
        "exp_month": int(real.expiry[2:]),
        "exp_year": 2000 + int(real.expiry[:2]),
        "cvv": real.cvv.reveal(),
        "birth_date": real.birth_date,
    }


async def done(estate: Estate) -> int:
    (row,) = await estate.fetch("select coalesce(max(done), 0) as done from orders")
    count: int = row["done"]
    return count


async def all_is_there_once(estate: Estate) -> None:
    (row,) = await estate.fetch(
        "select (select count(*) from cards where programme_id is not null) as cards,"
        " (select count(distinct card_id) from order_pieces where state = 'given') as given,"
        " (select count(*) from claim_links) as links,"
        " (select count(*) from letters where template = 'gift') as letters,"
        " (select count(*) from events where type = 'order.allocated') as news"
    )
    assert tuple(row.values()) == (PIECES, PIECES, PIECES, PIECES, 1)
    stored = [
        line for line in await Ledger(estate.house.database).trial_balance() if line.kind == "stored_balance"
    ]
    assert sum(line.credits_posted_minor - line.debits_posted_minor for line in stored) == PIECES * AMOUNT
    await estate.books_are_right()


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_p09_a_paid_order_is_allocated_once_whenever_the_platform_is_killed(
    estate: Estate, platform: PlatformProcess
) -> None:
    programme = await a_programme(estate.house)
    body = {
        "buyer": BUYER,
        "sender": "A Company",
        "programme": to_text("prog", programme.id),
        "payment": {"means": "card", "card": await a_real_card(estate)},
        "file": a_long_list(),
    }

    url = f"http://127.0.0.1:{platform.rest_port}/v1/bulk_orders"
    async with httpx.AsyncClient(timeout=SECONDS_MAX, trust_env=False) as client:
        answer = await client.post(url, json=body, headers={"Idempotency-Key": "once"})
    platform.kill()
    assert (answer.status_code, answer.json()["payment"]["state"]) == (201, "paid"), answer.text
    before = [await done(estate)]
    for _ in range(2):
        await platform.start()
        await estate.until_found(f"select 1 from orders where done > {before[-1]}")
        platform.kill()
        before.append(await done(estate))
    await platform.start()
    await estate.until_found(f"select 1 from orders where done = {PIECES}")

    assert before[1] < PIECES, "it was killed too late"
    await all_is_there_once(estate)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_list_is_ordered_once_at_the_command_line_and_followed_to_its_end(
    estate: Estate, tmp_path: Path
) -> None:
    programme = await a_programme(estate.house)
    await Ledger(estate.house.database).open_house([P0], KRW)
    treasury = a_treasury(estate.house, FakeBank())
    rooms = selling_rooms(estate.house, an_engine(estate.house, FakeCardCompany()), treasury)
    await rooms.sales.start([P0], KRW)
    file = tmp_path / "gifts.csv"
    command = obverse(
        "orders", "import", str(file), "--name", "A Company", "--phone", "02-123-4567", "--mail",
        "orders@company.example", "--programme", to_text("prog", programme.id), "--key", "once",
    )  # fmt: skip
    settings = environment(**estate.settings(tmp_path / "data"))
    run = partial(
        asyncio.to_thread, subprocess.run, env=settings, capture_output=True, text=True, timeout=SECONDS_MAX
    )

    file.write_text(a_list("nowhere,,5000,").reveal())
    refused = await run(command)
    assert refused.returncode == 1
    assert "Nothing was taken" in refused.stderr
    assert "mail" in refused.stdout
    file.write_text(a_long_list())
    printed = await run(command)
    assert printed.returncode == 0, printed.stderr
    reference = re.search(r"OBV-O-\w+", printed.stdout)
    assert reference is not None, printed.stdout

    entry = an_entry(str(PIECES * AMOUNT), text=reference[0])
    await treasury.import_statement(a_statement(entry))
    assert await rooms.at_bank.take_receipts() == 1
    followed = await run([*command, "--wait"])

    assert followed.returncode == 0, followed.stderr
    assert followed.stdout.startswith(printed.stdout), "it was ordered once more"
    assert "allocated" in followed.stdout
    await all_is_there_once(estate)
