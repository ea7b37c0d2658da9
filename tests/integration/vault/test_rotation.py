"""Keys are turned over while cards are stored and looked up, by this process and by others."""

import asyncio
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.factories.vault import a_key_file, a_real_number, a_vault_on

from obverse.kit.database import Connection, Database
from obverse.kit.secret import Secret
from obverse.vault import CardAlreadyStored, KeyVersionsInUse, UnknownKeyVersion, Vault
from obverse.vault.jobs import VaultCardsRekey, retire, rotate

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ROOT = Path(__file__).parents[3]


def unheard(name: str, done: int, total: int) -> None:
    """A progress report nobody reads."""


async def store(database: Database, vault: Vault, number: Secret) -> None:
    async with database.transaction() as conn:
        await vault.store_card(conn, number, 6, 2029, NOW)


async def store_many(database: Database, vault: Vault, count: int) -> list[Secret]:
    numbers = [a_real_number(index) for index in range(count)]
    async with database.transaction() as conn:
        for number in numbers:
            await vault.store_card(conn, number, 6, 2029, NOW)
    return numbers


async def versions(database: Database) -> set[tuple[int, int]]:
    async with database.connection() as conn:
        rows = await conn.fetch("select distinct encryption_key, fingerprint_key from vault_cards")
    return {(row["encryption_key"], row["fingerprint_key"]) for row in rows}


async def all_open(database: Database, vault: Vault, numbers: list[Secret]) -> bool:
    async with database.connection() as conn:
        ids = [await vault.find_card(conn, number) for number in numbers]
        opened = await vault.open_cards(conn, [id_ for id_ in ids if id_ is not None])
    return None not in ids and {card.number for card in opened.values()} == set(numbers)


async def test_a_rotation_moves_every_card_and_reports_on_the_way(database: Database, tmp_path: Path) -> None:
    vault = a_vault_on(a_key_file(tmp_path))
    numbers = await store_many(database, vault, 25)
    reports: list[tuple[str, int, int]] = []
    active = await rotate(
        database, vault, [VaultCardsRekey(vault)], lambda *report: reports.append(report), batch=10
    )
    assert (active.encryption, active.index) == (2, 2)
    assert await versions(database) == {(2, 2)}
    assert await all_open(database, vault, numbers)
    assert [done for _, done, _ in reports] == [0, 10, 20, 25, 25]
    assert {(name, total) for name, _, total in reports} == {("linked cards", 25)}


async def test_a_rotation_that_is_under_way_is_finished_not_started_again(
    database: Database, tmp_path: Path
) -> None:
    vault = a_vault_on(a_key_file(tmp_path))
    await store_many(database, vault, 3)
    steps = [VaultCardsRekey(vault)]
    for _ in range(3):
        assert (await rotate(database, vault, steps, unheard)).index == 2
    assert (await retire(database, vault, steps)).index == 2
    assert (await rotate(database, vault, steps, unheard)).index == 3


async def test_retiring_forgets_the_old_keys_and_everything_still_opens(
    database: Database, tmp_path: Path
) -> None:
    path = a_key_file(tmp_path)
    vault = a_vault_on(path)
    numbers = await store_many(database, vault, 5)
    steps = [VaultCardsRekey(vault)]
    await rotate(database, vault, steps, unheard)
    await retire(database, vault, steps)
    content = json.loads(path.read_bytes())
    assert (list(content["encryption"]), list(content["index"])) == (["2"], ["2"])
    assert await all_open(database, a_vault_on(path), numbers)
    assert (await retire(database, vault, steps)).encryption == 2


async def test_retiring_is_refused_while_a_row_needs_the_old_keys(database: Database, tmp_path: Path) -> None:
    path = a_key_file(tmp_path)
    vault = a_vault_on(path)
    numbers = await store_many(database, vault, 3)
    vault.add_key_versions()
    before = path.read_bytes()
    with pytest.raises(KeyVersionsInUse, match="3 linked cards") as refused:
        await retire(database, vault, [VaultCardsRekey(vault)])
    assert refused.value.rows == {"linked cards": 3}
    assert path.read_bytes() == before
    assert await all_open(database, vault, numbers)


async def test_no_version_is_added_while_a_writer_relies_on_the_old_ones(
    database: Database, tmp_path: Path
) -> None:
    """The row is written under the old keys before, and committed after, somebody wants new ones."""
    path = a_key_file(tmp_path)
    slow, operator = a_vault_on(path, 1), a_vault_on(path, 2)
    steps = [VaultCardsRekey(operator)]
    async with database.transaction() as conn:
        await slow.store_card(conn, a_real_number(1), 6, 2029, NOW)
        rotating = asyncio.create_task(rotate(database, operator, steps, unheard))
        await until_waiting_for_a_lock(database)
        assert operator.active_index == 1  # no new version while a writer relies on the old ones
    assert (await rotating).index == 2
    assert await versions(database) == {(2, 2)}


async def test_a_stale_process_finds_opens_and_refuses_after_a_rotation(
    database: Database, tmp_path: Path
) -> None:
    path = a_key_file(tmp_path)
    finder, opener, storer, operator = (a_vault_on(path, seed) for seed in range(4))
    numbers = await store_many(database, finder, 3)
    async with database.connection() as conn:
        ids = [await finder.find_card(conn, number) for number in numbers]
    steps = [VaultCardsRekey(operator)]
    await rotate(database, operator, steps, unheard)
    await retire(database, operator, steps)
    assert {vault.active_index for vault in (finder, opener, storer)} == {1}
    async with database.connection() as conn:
        assert await finder.find_card(conn, numbers[0]) == ids[0]
        assert len(await opener.open_cards(conn, [id_ for id_ in ids if id_])) == 3
    with pytest.raises(CardAlreadyStored):
        await store(database, storer, numbers[1])
    assert {vault.active_index for vault in (finder, opener, storer)} == {2}


async def test_a_stale_process_stores_under_the_new_keys(database: Database, tmp_path: Path) -> None:
    path = a_key_file(tmp_path)
    stale, operator = a_vault_on(path, 1), a_vault_on(path, 2)
    await rotate(database, operator, [VaultCardsRekey(operator)], unheard)
    await store(database, stale, a_real_number(1))
    assert await versions(database) == {(2, 2)}


async def test_rows_that_are_held_are_passed_over_and_moved_later(database: Database, tmp_path: Path) -> None:
    vault = a_vault_on(a_key_file(tmp_path))
    numbers = await store_many(database, vault, 20)
    moved = asyncio.Event()

    def hear(name: str, done: int, total: int) -> None:
        if done == total - 1:
            moved.set()

    async with database.transaction() as conn:
        await conn.execute(
            "select from vault_cards where id = (select min(id::text)::uuid from vault_cards) for update"
        )
        rotating = asyncio.create_task(rotate(database, vault, [VaultCardsRekey(vault)], hear, batch=5))
        await asyncio.wait_for(moved.wait(), 20)
        assert not rotating.done()
        assert await versions(database) == {(1, 1), (2, 2)}
    await asyncio.wait_for(rotating, 20)
    assert await versions(database) == {(2, 2)}
    assert await all_open(database, vault, numbers)


async def test_a_row_whose_key_is_gone_stops_the_rotation_and_says_so(
    database: Database, tmp_path: Path
) -> None:
    vault = a_vault_on(a_key_file(tmp_path))
    await store_many(database, vault, 2)
    async with database.transaction() as conn:
        await conn.execute("update vault_cards set encryption_key = 9")
    with pytest.raises(UnknownKeyVersion):
        await asyncio.wait_for(rotate(database, vault, [VaultCardsRekey(vault)], unheard), 20)


@pytest.mark.slow
async def test_under_load_every_number_is_found_and_every_duplicate_refused_at_every_moment(
    database: Database, tmp_path: Path
) -> None:
    """Three other processes' worth of vaults look up and store while keys turn over, four times."""
    path = a_key_file(tmp_path)
    operator = a_vault_on(path, 0)
    known = await store_many(database, operator, 120)
    steps = [VaultCardsRekey(operator)]
    done, stored = asyncio.Event(), asyncio.Event()
    tally = {"found": 0, "refused": 0, "stored": 0}

    async def look_up(vault: Vault) -> None:
        while not done.is_set():
            for number in list(known):
                async with database.connection() as conn:
                    assert await vault.find_card(conn, number) is not None
                tally["found"] += 1

    async def store_again(vault: Vault) -> None:
        while not done.is_set():
            for number in list(known):
                with pytest.raises(CardAlreadyStored):
                    await store(database, vault, number)
                tally["refused"] += 1

    async def store_new(one: Vault, other: Vault) -> None:
        """Two processes store the same new number at the same time."""
        index = 1000
        while not done.is_set():
            index += 1
            outcomes = await asyncio.gather(
                store(database, one, a_real_number(index)),
                store(database, other, a_real_number(index)),
                return_exceptions=True,
            )
            assert sorted(type(outcome) for outcome in outcomes if outcome) == [CardAlreadyStored]
            known.append(a_real_number(index))
            tally["stored"] += 1
            stored.set()

    async def turn_over() -> None:
        try:
            for _ in range(4):
                stored.clear()
                await rotate(database, operator, steps, unheard, batch=7)
                await retire(database, operator, steps)
                one_more = asyncio.create_task(stored.wait())
                await asyncio.wait([one_more, *load], return_when=asyncio.FIRST_COMPLETED)
        finally:
            done.set()

    load = [
        asyncio.create_task(look_up(a_vault_on(path, 1))),
        asyncio.create_task(store_again(a_vault_on(path, 2))),
        asyncio.create_task(store_new(a_vault_on(path, 3), a_vault_on(path, 4))),
    ]
    await asyncio.gather(turn_over(), *load)
    assert operator.active_index == 5
    async with database.connection() as conn:
        assert await conn.fetchval("select count(*) from vault_cards") == len(known)
    await rotate(database, operator, steps, unheard)
    assert await all_open(database, operator, known)
    assert min(tally["found"], tally["refused"], tally["stored"]) > 3


ROTATOR = """
import asyncio, os, sys
from pathlib import Path
from obverse.kit.database import Database
from obverse.kit.secret import Secret
from obverse.vault import KeyRing, Vault
from obverse.vault.jobs import VaultCardsRekey, rotate

async def main():
    vault = Vault(KeyRing.load(Path(sys.argv[2])), os.urandom)
    async with Database(Secret(sys.argv[1])) as database:
        report = lambda name, done, total: print(done, total, flush=True)
        await rotate(database, vault, [VaultCardsRekey(vault)], report, batch=10)

asyncio.run(main())
"""


def start_rotator(url: str, path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ROTATOR, url, str(path)], stdout=subprocess.PIPE, text=True, env=os.environ
    )


@pytest.mark.slow
@pytest.mark.parametrize("reports", [1, 2, 8, 20], ids=lambda n: f"after report {n}")
async def test_a_rotation_killed_at_any_point_loses_nothing_and_is_finished_by_a_repeat(
    database: Database, database_url: str, tmp_path: Path, reports: int
) -> None:
    path = a_key_file(tmp_path)
    witness = a_vault_on(path)
    numbers = await store_many(database, witness, 300)
    with start_rotator(database_url, path) as rotator:
        assert rotator.stdout is not None
        for _ in range(reports):
            await asyncio.to_thread(rotator.stdout.readline)
        rotator.kill()
    assert rotator.returncode == -9
    assert await all_open(database, witness, numbers)
    with pytest.raises(CardAlreadyStored):
        await store(database, a_vault_on(path), numbers[150])
    with start_rotator(database_url, path) as again:
        assert again.wait(60) == 0
    assert await versions(database) == {(2, 2)}
    assert list(json.loads(path.read_bytes())["index"]) == ["1", "2"]
    assert await all_open(database, witness, numbers)


async def until_waiting_for_a_lock(database: Database) -> None:
    """Until somebody in this database waits for an advisory lock."""
    deadline = time.monotonic() + 20
    async with database.connection() as conn:
        while not await _someone_waits(conn):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)


async def _someone_waits(conn: Connection) -> bool:
    waits: bool = await conn.fetchval(
        "select exists (select from pg_locks where locktype = 'advisory' and not granted"
        " and database = (select oid from pg_database where datname = current_database()))"
    )
    return waits
