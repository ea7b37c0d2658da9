"""Linked cards in the vault, on a real PostgreSQL."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from tests.factories.vault import a_key_file, a_real_number, a_vault, a_vault_on

from obverse.kit.database import Database
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import VaultCardId
from obverse.kit.secret import Secret
from obverse.vault import CardAlreadyStored, SealBroken, VaultCard

NOW = datetime(2026, 3, 1, tzinfo=UTC)


async def test_a_stored_card_is_found_described_and_opened(database: Database) -> None:
    vault, number = a_vault(), a_real_number(7)
    async with database.transaction() as conn:
        stored = await vault.store_card(conn, number, 6, 2029, NOW)
    async with database.connection() as conn:
        assert await vault.find_card(conn, number) == stored.id
        assert await vault.find_card(conn, a_real_number(8)) is None
        assert await vault.describe_cards(conn, [stored.id]) == {stored.id: stored}
        opened = (await vault.open_cards(conn, [stored.id]))[stored.id]
    assert (opened.number, opened.exp_month, opened.exp_year) == (number, 6, 2029)
    assert stored == VaultCard(stored.id, number.reveal()[:6], number.reveal()[-4:], 6, 2029, NOW)


async def test_ids_nobody_knows_are_left_out(database: Database) -> None:
    stranger = VaultCardId(uuid4())
    async with database.connection() as conn:
        assert await a_vault().open_cards(conn, [stranger]) == {}
        assert await a_vault().describe_cards(conn, [stranger]) == {}


@pytest.mark.parametrize(
    ("number", "month", "year", "param"),
    [
        pytest.param("9530100000000000", 6, 2029, "number", id="wrong Luhn digit"),
        pytest.param("", 6, 2029, "number", id="no number"),
        pytest.param("not a number", 6, 2029, "number", id="words"),
        pytest.param(a_real_number().reveal(), 0, 2029, "exp_month", id="month 0"),
        pytest.param(a_real_number().reveal(), 13, 2029, "exp_month", id="month 13"),
        pytest.param(a_real_number().reveal(), 6, 29, "exp_year", id="two-digit year"),
    ],
)
async def test_what_is_no_card_is_refused_and_not_repeated(
    database: Database, number: str, month: int, year: int, param: str
) -> None:
    async with database.transaction() as conn:
        with pytest.raises(InvalidRequest) as refused:
            await a_vault().store_card(conn, Secret(number), month, year, NOW)
    assert refused.value.param == param
    assert not number or number not in str(refused.value)


async def test_a_second_card_with_the_number_is_refused_and_the_transaction_lives_on(
    database: Database,
) -> None:
    vault, number = a_vault(), a_real_number(7)
    async with database.transaction() as conn:
        first = await vault.store_card(conn, number, 6, 2029, NOW)
    async with database.transaction() as conn:
        with pytest.raises(CardAlreadyStored) as refused:
            await vault.store_card(conn, number, 1, 2030, NOW)
        assert refused.value.vault_card_id == first.id
        assert number.reveal() not in str(refused.value)
        await vault.store_card(conn, a_real_number(8), 6, 2029, NOW)


async def test_of_many_at_once_exactly_one_stores_a_number(database: Database) -> None:
    vault, number = a_vault(), a_real_number(7)

    async def store() -> bool:
        async with database.transaction() as conn:
            try:
                await vault.store_card(conn, number, 6, 2029, NOW)
            except CardAlreadyStored:
                return False
        return True

    assert sum(await asyncio.gather(*(store() for _ in range(30)))) == 1


async def test_a_ciphertext_moved_to_another_row_does_not_open(database: Database) -> None:
    vault = a_vault()
    async with database.transaction() as conn:
        mine = await vault.store_card(conn, a_real_number(1), 6, 2029, NOW)
        yours = await vault.store_card(conn, a_real_number(2), 6, 2029, NOW)
        await conn.execute(
            "update vault_cards v set ciphertext = other.ciphertext from vault_cards other"
            " where other.id = $1 and v.id = $2",
            yours.id,
            mine.id,
        )
        with pytest.raises(SealBroken):
            await vault.open_cards(conn, [mine.id])


async def test_p11_no_stored_byte_shows_the_number(database: Database) -> None:
    vault, number = a_vault(), a_real_number(123_456_789)
    async with database.transaction() as conn:
        await vault.store_card(conn, number, 6, 2029, NOW)
    async with database.connection() as conn:
        dump = await conn.fetchval("select string_agg(v::text, '|') from vault_cards v")
    digits = number.reveal()
    for form in (digits, digits[6:12], digits.encode().hex(), digits[:15]):
        assert form not in dump


async def test_p11_the_lock_on_a_number_does_not_give_it_away(database: Database) -> None:
    """pg_locks is for all to see: two platforms lock the same number under different values."""
    number, seen = a_real_number(7), []
    for seed in (1, 2):
        async with database.transaction() as conn:
            await a_vault(seed).store_card(conn, number, 6, 2029, NOW)
            seen.append(
                await conn.fetchval(
                    "select classid::int8 << 32 | objid::int8 from pg_locks"
                    " where locktype = 'advisory' and objsubid = 1 and pid = pg_backend_pid()"
                )
            )
    assert seen[0] != seen[1]


async def test_ids_follow_the_time_they_are_given(database: Database, tmp_path: Path) -> None:
    vault = a_vault_on(a_key_file(tmp_path))
    async with database.transaction() as conn:
        stored = await vault.store_card(conn, a_real_number(1), 6, 2029, NOW)
    assert stored.id.int >> 80 == int(NOW.timestamp() * 1000)
