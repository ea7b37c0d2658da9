"""P3: the journal and the outbox are append-only, because the database says so."""

from contextlib import suppress

import asyncpg
import pytest

from obverse.kit.database import Database


@pytest.mark.parametrize("table", ["transfers", "events"])
@pytest.mark.parametrize(
    "statement",
    ["update {} set id = id", "delete from {}", "truncate {}", "drop table {}"],
    ids=lambda text: text.split()[0],
)
async def test_p03_the_application_may_not_rewrite_the_journal(
    database: Database, table: str, statement: str
) -> None:
    async with database.connection() as conn:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute(statement.format(table))


@pytest.mark.parametrize(
    "table", ["accounts", "authorizations", "legs", "cards", "members", "merchants", "vault_cards"]
)
async def test_p03_the_application_may_not_make_a_payment_or_its_parties_vanish(
    database: Database, table: str
) -> None:
    async with database.connection() as conn:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute(f"delete from {table}")


async def test_p03_the_application_may_not_give_itself_the_right(database: Database) -> None:
    async with database.connection() as conn:
        # PostgreSQL answers a grant by a stranger with a warning, or an error; what counts is the outcome.
        with suppress(asyncpg.InsufficientPrivilegeError):
            await conn.execute("grant update on transfers to obverse_app")
        assert not await conn.fetchval("select has_table_privilege('obverse_app', 'transfers', 'update')")
