"""Kept orders in the database."""

from typing import Any, Final

import msgspec

from obverse.checkouts.model import Checkout, CheckoutState, Item, Order
from obverse.kit.database import Connection
from obverse.kit.ids import CheckoutId, MerchantId
from obverse.kit.money import CurrencyCode, Money

_COLUMNS: Final = """
id, merchant_id, reference, member_id, card_id, currency, total_minor, items::text, state, mismatches,
authorization_id, request_key, created_at, expires_at
"""

INSERT: Final = """
insert into checkouts (id, merchant_id, reference, member_id, card_id, currency, total_minor, items, state,
    created_at, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
on conflict do nothing returning id
"""

FIND: Final = f"select {_COLUMNS} from checkouts where id = $1"

LOCK: Final = f"{FIND} for update"

# One after the other: without a row there is nothing to lock, and the unique index tells the twins apart.
LOCK_NEWEST: Final = f"""
select {_COLUMNS} from checkouts where merchant_id = $1 and reference = $2 order by id desc limit 1 for update
"""

LOCK_BY_KEY: Final = f"select {_COLUMNS} from checkouts where request_key = $1 for update"

SAVE: Final = """
update checkouts set state = $2, mismatches = $3, authorization_id = $4, request_key = $5 where id = $1
"""


async def insert(conn: Connection, checkout: Checkout) -> bool:
    """Store a new one; False where its reference is taken."""
    order = checkout.order
    stored = await conn.fetchval(
        INSERT,
        checkout.id,
        checkout.merchant_id,
        order.reference,
        checkout.member_id,
        checkout.card_id,
        order.total.currency,
        order.total.amount_minor,
        msgspec.json.encode(order.items).decode(),
        checkout.state,
        checkout.created_at,
        checkout.expires_at,
    )
    return stored is not None


async def find(conn: Connection, checkout_id: CheckoutId) -> Checkout | None:
    return _checkout(await conn.fetchrow(FIND, checkout_id))


async def lock(conn: Connection, checkout_id: CheckoutId) -> Checkout | None:
    """The same, locked until the commit."""
    return _checkout(await conn.fetchrow(LOCK, checkout_id))


async def lock_newest(conn: Connection, merchant_id: MerchantId, reference: str) -> Checkout | None:
    """The last order that was left for this merchant under this reference, locked until the commit."""
    return _checkout(await conn.fetchrow(LOCK_NEWEST, merchant_id, reference))


async def lock_by_key(conn: Connection, request_key: str) -> Checkout | None:
    """The order that a mall's request with this key has matched, locked until the commit."""
    return _checkout(await conn.fetchrow(LOCK_BY_KEY, request_key))


async def save(conn: Connection, checkout: Checkout) -> None:
    """Store how it stands; the caller holds the lock."""
    await conn.execute(
        SAVE,
        checkout.id,
        checkout.state,
        checkout.mismatches,
        checkout.authorization_id,
        checkout.request_key,
    )


def _checkout(row: Any) -> Checkout | None:
    if row is None:
        return None
    items = msgspec.json.decode(row["items"], type=list[Item])
    total = Money(row["total_minor"], CurrencyCode(row["currency"]))
    return Checkout(
        id=row["id"],
        merchant_id=row["merchant_id"],
        member_id=row["member_id"],
        card_id=row["card_id"],
        order=Order(row["reference"], total, items),
        state=CheckoutState(row["state"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        mismatches=row["mismatches"],
        authorization_id=row["authorization_id"],
        request_key=row["request_key"],
    )
