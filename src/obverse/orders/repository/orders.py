"""Orders in the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from obverse.kit.database import Connection
from obverse.kit.ids import OrderId
from obverse.kit.money import CurrencyCode
from obverse.kit.paging import NEWEST, Page, PageRequest, cut
from obverse.kit.secret import Sealed
from obverse.letters import Language
from obverse.orders.model import Order, OrderKind, OrderState

_COLUMNS: Final = """
id, partition_id, state, kind, language, currency, total_minor, back_minor, pieces, done, buyer_sealed,
buyer_key, fingerprint, created_at, paid_at, allocated_at
"""

QUEUE_UP: Final = "select pg_advisory_xact_lock($1, $2)"
_BUYERS: Final = (0x0B5E, 19)
"""Advisory lock (two-int space): whoever orders counts and is counted, one after the other."""

FORGET_ATTEMPTS: Final = "delete from order_attempts where created_at < $1"

ATTEMPT: Final = "insert into order_attempts (origin_hash, created_at) values ($1, $2)"

COUNT_ATTEMPTS: Final = "select count(*) from order_attempts where origin_hash = $1"

# A twin of the same request waits here for the first one's commit, and then stores nothing.
INSERT: Final = f"""
insert into orders ({_COLUMNS}, token_hash, request_key)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
on conflict (request_key) do nothing returning id
"""

LOAD: Final = f"select {_COLUMNS} from orders where id = any($1::uuid[])"

LOCK: Final = f"{LOAD} order by id for update"

BY_TOKEN: Final = f"select {_COLUMNS} from orders where token_hash = $1"

BY_KEY: Final = f"select {_COLUMNS} from orders where request_key = $1"

PAGE: Final = f"""
select {_COLUMNS} from orders where id < coalesce($1, {NEWEST}) and ($3::text is null or state = $3)
order by id desc limit $2
"""

UNPAID: Final = (
    f"select {_COLUMNS} from orders where id = any($1::uuid[]) and state = 'unpaid' order by id for update"
)

SAVE: Final = """
update orders set state = $2, back_minor = $3, done = $4, paid_at = $5, allocated_at = $6 where id = $1
"""

SAVE_STATES: Final = """
update orders set state = new.state, paid_at = new.paid_at
from unnest($1::uuid[], $2::text[], $3::timestamptz[]) as new (id, state, paid_at) where orders.id = new.id
"""

COUNT_STALE: Final = "select count(*) from orders where buyer_key < $1"

LOCK_STALE: Final = """
select id, buyer_sealed, buyer_key from orders where buyer_key < $1
order by buyer_key limit $2 for update skip locked
"""

RESEAL: Final = """
update orders set buyer_sealed = fresh.sealed, buyer_key = fresh.key
from unnest($1::uuid[], $2::bytea[], $3::smallint[]) as fresh (id, sealed, key) where orders.id = fresh.id
"""


async def count_attempt(conn: Connection, origin_hash: bytes, now: datetime, since: datetime) -> int:
    """Note that somebody tries to order; returns how often this origin has since then, this time included."""
    await conn.execute(QUEUE_UP, *_BUYERS)
    await conn.execute(FORGET_ATTEMPTS, since)
    await conn.execute(ATTEMPT, origin_hash, now)
    count: int = await conn.fetchval(COUNT_ATTEMPTS, origin_hash)
    return count


async def insert(conn: Connection, order: Order, token_hash: bytes, request_key: str | None) -> bool:
    """Store a new order; False where an earlier one has its key."""
    stored = await conn.fetchval(
        INSERT,
        order.id,
        order.partition_id,
        order.state,
        order.kind,
        order.language,
        order.currency,
        order.total_minor,
        order.back_minor,
        order.pieces,
        order.done,
        order.buyer.ciphertext,
        order.buyer.key_version,
        order.fingerprint,
        order.created_at,
        order.paid_at,
        order.allocated_at,
        token_hash,
        request_key,
    )
    return stored is not None


async def load(conn: Connection, ids: Sequence[OrderId]) -> dict[OrderId, Order]:
    """These orders; unknown ids are simply absent."""
    return {order.id: order for order in map(_order, await conn.fetch(LOAD, ids))}


async def lock(conn: Connection, ids: Sequence[OrderId]) -> dict[OrderId, Order]:
    """The same, locked in id order until the commit."""
    return {order.id: order for order in map(_order, await conn.fetch(LOCK, ids))}


async def lock_unpaid(conn: Connection, ids: Sequence[OrderId]) -> list[Order]:
    """Those of these that wait for their payment, locked in id order."""
    return [_order(row) for row in await conn.fetch(UNPAID, ids)]


async def find_by_token(conn: Connection, token_hash: bytes) -> Order | None:
    row = await conn.fetchrow(BY_TOKEN, token_hash)
    return _order(row) if row else None


async def find_by_key(conn: Connection, request_key: str) -> Order | None:
    row = await conn.fetchrow(BY_KEY, request_key)
    return _order(row) if row else None


async def find_page(conn: Connection, page: PageRequest, state: OrderState | None) -> Page[Order]:
    """Orders, newest first; with `state`, those in it."""
    rows = await conn.fetch(PAGE, page.after, page.limit + 1, state)
    return cut([_order(row) for row in rows], page, lambda order: order.id)


async def save(conn: Connection, order: Order) -> None:
    """Store what has become of an order, which the caller has locked."""
    await conn.execute(
        SAVE, order.id, order.state, order.back_minor, order.done, order.paid_at, order.allocated_at
    )


async def save_states(conn: Connection, orders: Sequence[Order]) -> None:
    """Store what came of the payments of orders, which the caller has locked."""
    await conn.execute(
        SAVE_STATES,
        [order.id for order in orders],
        [order.state for order in orders],
        [order.paid_at for order in orders],
    )


async def count_stale(conn: Connection, key_version: int) -> int:
    count: int = await conn.fetchval(COUNT_STALE, key_version)
    return count


async def lock_stale(conn: Connection, key_version: int, limit: int) -> list[tuple[OrderId, Sealed]]:
    """Up to `limit` buyers sealed under an older key, passing over what others hold."""
    rows = await conn.fetch(LOCK_STALE, key_version, limit)
    return [(row["id"], Sealed(row["buyer_key"], row["buyer_sealed"])) for row in rows]


async def reseal(conn: Connection, fresh: Sequence[tuple[OrderId, Sealed]]) -> None:
    await conn.execute(
        RESEAL,
        [id_ for id_, _ in fresh],
        [sealed.ciphertext for _, sealed in fresh],
        [sealed.key_version for _, sealed in fresh],
    )


def _order(row: asyncpg.Record) -> Order:
    return Order(
        id=row["id"],
        partition_id=row["partition_id"],
        state=OrderState(row["state"]),
        kind=OrderKind(row["kind"]),
        language=Language(row["language"]),
        currency=CurrencyCode(row["currency"]),
        total_minor=row["total_minor"],
        back_minor=row["back_minor"],
        pieces=row["pieces"],
        done=row["done"],
        buyer=Sealed(row["buyer_key"], row["buyer_sealed"]),
        fingerprint=row["fingerprint"],
        created_at=row["created_at"],
        paid_at=row["paid_at"],
        allocated_at=row["allocated_at"],
    )
