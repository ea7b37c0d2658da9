"""Payouts until they are handed to the treasury, which keeps their states from then on; what came of them is
read where the treasury keeps it."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

import asyncpg

from obverse.kit.database import Connection, Table, insert_rows
from obverse.kit.ids import BankTransferId, MerchantId, StatementId
from obverse.kit.money import CurrencyCode, Money
from obverse.kit.paging import NEWEST, Page, PageRequest, cut
from obverse.settlement.model import Outcome, Payout, PayoutState

PAYOUTS: Final = Table(
    "payouts",
    {
        "id": "uuid",
        "statement_id": "uuid",
        "merchant_id": "uuid",
        "amount_minor": "bigint",
        "currency": "text",
        "pay_on": "date",
        "ordered_at": "timestamptz",
        "created_at": "timestamptz",
    },
)

_PAYOUT: Final = f"select {', '.join(PAYOUTS.columns)} from payouts"

LOAD: Final = f"{_PAYOUT} where id = any($1::uuid[])"

# Passing over what another process is ordering at this moment.
LOCK_TO_ORDER: Final = f"""
{_PAYOUT} where ordered_at is null and pay_on <= $1 and id > $2
order by id limit $3 for update skip locked
"""

MARK_ORDERED: Final = "update payouts set ordered_at = $2 where id = any($1::uuid[])"

# A transfer that was refused goes to another account, and may be refused once more: that is news again.
LOCK_NEWS: Final = f"""
select {", ".join(f"p.{column}" for column in PAYOUTS.columns)}, t.state, t.reason, t.updated_at
from payouts as p join bank_transfers as t on t.id = p.id
where p.ordered_at is not null and p.paid_at is null and (t.state = 'done'
    or t.state = 'refused' and t.updated_at > coalesce(p.refused_at, '-infinity'))
order by p.id limit $1 for update of p skip locked
"""

MARK_TOLD: Final = """
update payouts set paid_at = case new.state when 'done' then new.at end,
    refused_at = case new.state when 'refused' then new.at else refused_at end
from unnest($1::uuid[], $2::text[], $3::timestamptz[]) as new (id, state, at) where payouts.id = new.id
"""


async def save(conn: Connection, payouts: Sequence[Payout]) -> None:
    """Store new payouts."""
    await insert_rows(
        conn,
        PAYOUTS,
        [
            (
                payout.id,
                payout.statement_id,
                payout.merchant_id,
                payout.amount.amount_minor,
                payout.amount.currency,
                payout.pay_on,
                payout.ordered_at,
                payout.created_at,
            )
            for payout in payouts
        ],
    )


async def load(conn: Connection, ids: Sequence[BankTransferId]) -> dict[BankTransferId, Payout]:
    """The payouts with these ids. Unknown ids are simply absent."""
    return {found.id: found for found in map(_payout, await conn.fetch(LOAD, ids))}


async def find_page(conn: Connection, page: PageRequest, merchant_id: MerchantId | None) -> Page[Payout]:
    """Payouts, newest first: of one merchant, or all."""
    given = () if merchant_id is None else (merchant_id,)
    of_merchant = " and merchant_id = $3" if given else ""
    query = f"{_PAYOUT} where id < coalesce($1, {NEWEST}){of_merchant} order by id desc limit $2"
    rows = await conn.fetch(query, page.after, page.limit + 1, *given)
    return cut([_payout(row) for row in rows], page, lambda payout: payout.id)


async def lock_to_order(conn: Connection, today: date, after: BankTransferId, limit: int) -> list[Payout]:
    """Payouts whose day has come and that were not ordered yet, in id order, held until the commit."""
    return [_payout(row) for row in await conn.fetch(LOCK_TO_ORDER, today, after, limit)]


async def mark_ordered(conn: Connection, ids: Sequence[BankTransferId], now: datetime) -> None:
    await conn.execute(MARK_ORDERED, ids, now)


async def lock_news(conn: Connection, limit: int) -> list[Outcome]:
    """What the bank has made of payouts and merchants have not been told, held until the commit."""
    rows = await conn.fetch(LOCK_NEWS, limit)
    return [
        Outcome(_payout(row), PayoutState(row["state"]), row["reason"], row["updated_at"]) for row in rows
    ]


async def mark_told(conn: Connection, outcomes: Sequence[Outcome]) -> None:
    await conn.execute(
        MARK_TOLD,
        [outcome.payout.id for outcome in outcomes],
        [outcome.state for outcome in outcomes],
        [outcome.at for outcome in outcomes],
    )


def _payout(row: asyncpg.Record) -> Payout:
    return Payout(
        id=BankTransferId(row["id"]),
        statement_id=StatementId(row["statement_id"]),
        merchant_id=MerchantId(row["merchant_id"]),
        amount=Money(row["amount_minor"], CurrencyCode(row["currency"])),
        pay_on=row["pay_on"],
        ordered_at=row["ordered_at"],
        created_at=row["created_at"],
    )
