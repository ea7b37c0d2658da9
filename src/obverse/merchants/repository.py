"""Merchants in the database."""

import json
from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from obverse.kit.database import Connection
from obverse.kit.ids import MerchantId
from obverse.kit.paging import NEWEST, Page, PageRequest, cut
from obverse.merchants.errors import MerchantNumberTaken
from obverse.merchants.model import Merchant, MerchantState

_COLUMNS: Final = """
id, name, category, acquirer_id, merchant_no, terminals, account_id, state, created_at, metadata::text
"""

INSERT: Final = """
insert into merchants (id, name, category, acquirer_id, merchant_no, terminals, account_id, state, created_at,
                       metadata)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::jsonb)
"""

LOAD: Final = f"select {_COLUMNS} from merchants where id = any($1::uuid[])"

FIND: Final = f"select {_COLUMNS} from merchants where acquirer_id = $1 and merchant_no = $2"

PAGE: Final = f"""
select {_COLUMNS} from merchants where id < coalesce($1, {NEWEST}) order by id desc limit $2
"""

CLOSE: Final = f"update merchants set state = 'closed' where id = $1 returning {_COLUMNS}"


async def insert(conn: Connection, merchant: Merchant) -> None:
    """Store a new merchant. Raises `MerchantNumberTaken`."""
    try:
        await conn.execute(
            INSERT,
            merchant.id,
            merchant.name,
            merchant.category,
            merchant.acquirer_id,
            merchant.merchant_no,
            merchant.terminals,
            merchant.account_id,
            merchant.state,
            merchant.created_at,
            json.dumps(dict(merchant.metadata)),
        )
    except asyncpg.UniqueViolationError as violation:
        raise MerchantNumberTaken from violation


async def load(conn: Connection, ids: Sequence[MerchantId]) -> dict[MerchantId, Merchant]:
    """The merchants with these ids. Unknown ids are simply absent."""
    return {merchant.id: merchant for merchant in map(_merchant, await conn.fetch(LOAD, ids))}


async def find(conn: Connection, acquirer_id: str, merchant_no: str) -> Merchant | None:
    row = await conn.fetchrow(FIND, acquirer_id, merchant_no)
    return _merchant(row) if row else None


async def find_page(conn: Connection, page: PageRequest) -> Page[Merchant]:
    """All merchants, newest first, closed ones included."""
    rows = await conn.fetch(PAGE, page.after, page.limit + 1)
    return cut([_merchant(row) for row in rows], page, lambda merchant: merchant.id)


async def close(conn: Connection, merchant_id: MerchantId) -> Merchant | None:
    row = await conn.fetchrow(CLOSE, merchant_id)
    return _merchant(row) if row else None


def _merchant(row: Any) -> Merchant:
    id_, name, category, acquirer_id, merchant_no, terminals, account_id, state, created_at, metadata = row
    return Merchant(
        id=id_,
        name=name,
        category=category,
        acquirer_id=acquirer_id,
        merchant_no=merchant_no,
        terminals=tuple(terminals),
        account_id=account_id,
        state=MerchantState(state),
        created_at=created_at,
        metadata=json.loads(metadata),
    )
