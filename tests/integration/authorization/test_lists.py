"""Lists stay quick, whatever was asked for before on the same connection."""

from uuid import UUID

import asyncpg
import pytest
from tests.factories.ledger import P0

from obverse.authorization import Status, repository
from obverse.cards.repository import cards
from obverse.kit import events
from obverse.kit.database import Database
from obverse.kit.ids import CardId, MemberId, MerchantId
from obverse.kit.paging import PageRequest
from obverse.merchants import repository as merchants

ROWS = 20_000
NOBODY = UUID(int=7)

_PAYMENTS = """
insert into authorizations (partition_id, id, request_key, fingerprint, status, failed_rules, approval_code,
    card_id, merchant_id, entry, amount_minor, currency, captured_at_once, created_at)
select 0, md5('a' || i)::uuid, 'k' || i, '', 'approved', 0, 'AAAAAA', md5('c' || i)::uuid, md5('m')::uuid,
    'online', 1, 'KRW', false, now()
from generate_series(1, $1::int) as i
"""


@pytest.fixture
async def owner(database_url: str):  # type: ignore[no-untyped-def]
    """A session of the tables' owner, who may analyze them."""
    conn = await asyncpg.connect(database_url)
    yield conn
    await conn.close()


async def rows_read(owner: asyncpg.Connection) -> int:
    await owner.execute("select pg_stat_clear_snapshot()")
    read: int = await owner.fetchval(
        "select seq_tup_read + idx_tup_fetch from pg_stat_user_tables where relname = 'authorizations'"
    )
    return read


async def test_asking_for_one_card_reads_its_payments_only_whatever_was_asked_for_before(
    database: Database, owner: asyncpg.Connection
) -> None:
    await owner.execute(_PAYMENTS.replace("$1::int", str(ROWS)))
    await owner.execute("analyze authorizations")
    async with database.connection() as conn:
        for _ in range(8):
            await repository.find_page(conn, [P0], PageRequest(), status=Status.DECLINED)
        await conn.execute("select pg_stat_force_next_flush()")
        before = await rows_read(owner)
        await repository.find_page(conn, [P0], PageRequest(), card_id=CardId(NOBODY))
        await repository.find_page(conn, [P0], PageRequest(), merchant_id=MerchantId(NOBODY))
        await conn.execute("select pg_stat_force_next_flush()")
        assert await rows_read(owner) - before < 100


_PAGES = {
    "events": (events.READ_PAGE, "'{0}', 20"),
    "merchants": (merchants.PAGE, "'{0}', 20"),
    "a member's cards": (cards.PAGE, "'{0}', '{0}', 20"),
}


@pytest.mark.parametrize(("statement", "arguments"), _PAGES.values(), ids=_PAGES)
async def test_a_page_is_looked_up_where_the_one_before_it_ended(
    owner: asyncpg.Connection, statement: str, arguments: str
) -> None:
    await owner.execute("set plan_cache_mode = force_generic_plan; set enable_seqscan = off")
    await owner.execute(f"prepare page as {statement}")
    plan = await owner.fetch(f"explain execute page ({arguments.format(MemberId(NOBODY))})")
    text = "\n".join(row[0] for row in plan)
    assert "Index Cond: " in text
    assert "Filter: " not in text
