"""Statements, and the actions behind each."""

from collections.abc import Sequence
from typing import Any, Final

from obverse.kit.database import Connection, Table, insert_rows
from obverse.kit.ids import ActionId, AuthorizationId, MerchantId, SettlementId, StatementId
from obverse.kit.paging import NEWEST, Page, PageRequest, cut
from obverse.settlement.model import DaySum, Entry, Statement, Totals

STATEMENTS: Final = Table(
    "merchant_statements",
    {
        "id": "uuid",
        "settlement_id": "uuid",
        "merchant_id": "uuid",
        "brought_minor": "bigint",
        "captured_minor": "bigint",
        "refunded_minor": "bigint",
        "reversed_minor": "bigint",
        "charged_back_minor": "bigint",
        "fees_minor": "bigint",
        "actions": "bigint",
        "loaded_minor": "bigint",
        "paid_minor": "bigint",
        "carried_minor": "bigint",
        "created_at": "timestamptz",
    },
)

_STATEMENT: Final = """
select s.id, s.settlement_id, day, merchant_id, brought_minor, captured_minor, refunded_minor, reversed_minor,
    charged_back_minor, fees_minor, s.actions, loaded_minor, paid_minor, carried_minor, created_at
from merchant_statements as s join settlements on settlements.id = s.settlement_id
"""

_SIGNED: Final = "case when kind in ('capture', 'load_reversal') then amount_minor else -amount_minor end"
"""What an action is worth to its merchant."""

LOAD: Final = f"{_STATEMENT} where s.id = any($1::uuid[])"

ENTRIES: Final = f"""
select id, authorization_id, kind, {_SIGNED}, fee_minor, created_at
from actions where settlement_id = $1 and merchant_id = $2 and id > $3 order by id limit $4
"""

DAY_SUMS: Final = f"""
select (created_at at time zone $3)::date as day, kind, count(*),
    sum({_SIGNED})::bigint, sum(fee_minor)::bigint
from actions where settlement_id = $1 and merchant_id = $2 group by 1, 2 order by 1, 2
"""

_PATIENCE_S: Final = 120
"""A merchant may have a million actions in one day; the pool's own limit is made for payments."""

SAVE_BALANCES: Final = """
insert into settlement_balances (merchant_id, owed_minor) select * from unnest($1::uuid[], $2::bigint[])
on conflict (merchant_id) do update set owed_minor = excluded.owed_minor
"""


async def save(conn: Connection, statements: Sequence[Statement]) -> None:
    """Store statements, and what they carry for the next ones."""
    await insert_rows(conn, STATEMENTS, [_statement_row(statement) for statement in statements])
    await conn.execute(
        SAVE_BALANCES,
        [statement.merchant_id for statement in statements],
        [statement.carried_minor for statement in statements],
    )


async def load(conn: Connection, ids: Sequence[StatementId]) -> dict[StatementId, Statement]:
    """The statements with these ids. Unknown ids are simply absent."""
    return {found.id: found for found in map(_statement, await conn.fetch(LOAD, ids))}


async def find_page(
    conn: Connection, page: PageRequest, merchant_id: MerchantId | None, settlement_id: SettlementId | None
) -> Page[Statement]:
    """Statements, newest first: of one merchant, of one settlement, or all."""
    wanted = {"merchant_id": merchant_id, "settlement_id": settlement_id}
    given = {column: id_ for column, id_ in wanted.items() if id_ is not None}
    # A text of its own per filter: one that takes any would be planned for none.
    filters = "".join(f" and s.{column} = ${number}" for number, column in enumerate(given, 3))
    query = f"{_STATEMENT} where s.id < coalesce($1, {NEWEST}){filters} order by s.id desc limit $2"
    rows = await conn.fetch(query, page.after, page.limit + 1, *given.values())
    return cut([_statement(row) for row in rows], page, lambda statement: statement.id)


async def entries(conn: Connection, statement: Statement, after: ActionId, limit: int) -> list[Entry]:
    """The next actions of a statement, oldest first."""
    rows = await conn.fetch(ENTRIES, statement.settlement_id, statement.merchant_id, after, limit)
    return [Entry(ActionId(row[0]), AuthorizationId(row[1]), *row[2:]) for row in rows]


async def day_sums(conn: Connection, statement: Statement, zone: str) -> list[DaySum]:
    """A statement's actions added up per kind and day of this time zone's calendar."""
    ids = statement.settlement_id, statement.merchant_id
    return [DaySum(*row) for row in await conn.fetch(DAY_SUMS, *ids, zone, timeout=_PATIENCE_S)]


def _statement(row: Any) -> Statement:
    id_, settlement_id, day, merchant_id, brought, *totals, paid, carried, created_at = row
    return Statement(
        id=StatementId(id_),
        settlement_id=SettlementId(settlement_id),
        day=day,
        merchant_id=MerchantId(merchant_id),
        brought_minor=brought,
        totals=Totals(*totals),
        paid_minor=paid,
        carried_minor=carried,
        created_at=created_at,
    )


def _statement_row(statement: Statement) -> tuple[object, ...]:
    totals = statement.totals
    return (
        statement.id,
        statement.settlement_id,
        statement.merchant_id,
        statement.brought_minor,
        totals.captured_minor,
        totals.refunded_minor,
        totals.reversed_minor,
        totals.charged_back_minor,
        totals.fees_minor,
        totals.actions,
        totals.loaded_minor,
        statement.paid_minor,
        statement.carried_minor,
        statement.created_at,
    )
