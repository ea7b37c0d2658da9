"""Actions of which card companies need not hear are locked in the order in which all others lock them."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

from tests.factories.ledger import P0

from obverse.authorization.repository import withdraw_from_presenting
from obverse.kit.database import Database
from obverse.kit.ids import AuthorizationId

ADD = """
insert into actions (partition_id, id, authorization_id, merchant_id, kind, amount_minor, parts, currency,
    request_key, asked, to_present, created_at)
values (0, $1, $2, $2, 'capture', 1, '{1}', 'KRW', $1::uuid::text, '', true, $3)
"""
IS_FREE = "select count(*) from (select from actions where id = $1 for update skip locked) as free"


async def test_a_settlement_and_an_undone_payment_lock_actions_in_the_same_order(database: Database) -> None:
    first, second = UUID(int=1), UUID(int=2)
    payment = {first: AuthorizationId(UUID(int=20)), second: AuthorizationId(UUID(int=10))}
    async with database.transaction() as conn:
        for id_ in (second, first):
            await conn.execute(ADD, id_, payment[id_], datetime.now(UTC))

    async def withdraw() -> None:
        async with database.transaction() as conn:
            await withdraw_from_presenting(conn, P0, sorted(payment.values()))

    async with database.transaction() as settlement:
        await settlement.execute("select from actions where id = $1 for update", second)
        withdrawing = asyncio.create_task(withdraw())
        deadline = asyncio.get_running_loop().time() + 5
        async with database.connection() as conn:
            while await conn.fetchval(IS_FREE, first):
                assert asyncio.get_running_loop().time() < deadline, "the first is free"
                await asyncio.sleep(0.01)
    await withdrawing
