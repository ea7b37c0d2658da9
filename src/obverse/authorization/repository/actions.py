"""The SQL of actions: what was done to payments after their approval."""

from collections.abc import Sequence
from typing import Final

import asyncpg

from obverse.authorization.model import Action, ActionKind
from obverse.kit.database import Connection
from obverse.kit.ids import ActionId, AuthorizationId, PartitionId
from obverse.kit.money import CurrencyCode, Money

_COLUMNS: Final = """
    id, authorization_id, merchant_id, kind, amount_minor, parts, currency, request_key, asked, to_present,
    created_at, to_invoice
"""

# One look-up in the unique index per key, as in `payments.BY_KEY`.
BY_KEY: Final = f"""
select {_COLUMNS} from unnest($2::text[]) as asked (key)
cross join lateral (
    select * from actions where partition_id = $1 and request_key = asked.key limit 1
) as earlier
"""

OF_PAYMENT: Final = f"""
select {_COLUMNS} from actions where partition_id = $1 and authorization_id = $2 order by id
"""

PRESENTED: Final = """
select distinct a.authorization_id
from actions as a
join legs as l on l.partition_id = a.partition_id and l.authorization_id = a.authorization_id
where a.partition_id = $1 and a.authorization_id = any($2) and a.kind = 'capture' and not a.to_present
    and l.kind = 'linked_card' and a.parts[l.position + 1] > 0
"""

# The caller holds the lock of each payment, without which nobody presents its actions. They are locked in id
# order, as a settlement locks those that it gathers: neither ever waits for the other in a circle.
WITHDRAW: Final = """
update actions set to_present = false
where partition_id = $1 and id = any(array(
    select id from actions where partition_id = $1 and authorization_id = any($2) and to_present
    order by id for update
))
"""

# What differs from row to row as arrays; `parts` are arrays themselves, which unnest would flatten.
INSERT: Final = """
insert into actions (partition_id, id, authorization_id, merchant_id, kind, amount_minor, parts, currency,
    request_key, asked, to_present, created_at, to_invoice)
select $1, id, authorization_id, merchant_id, kind, amount_minor, parts::bigint[], currency, request_key,
    asked, to_present, created_at, to_invoice
from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::text[],
        $10::text[], $11::boolean[], $12::timestamptz[], $13::boolean[])
    as new (id, authorization_id, merchant_id, kind, amount_minor, parts, currency, request_key, asked,
        to_present, created_at, to_invoice)
"""


async def find_actions(
    conn: Connection, partition_id: PartitionId, request_keys: Sequence[str]
) -> list[Action]:
    """The earlier steps behind these keys."""
    return [_action(row) for row in await conn.fetch(BY_KEY, partition_id, request_keys)]


async def actions_of(conn: Connection, partition_id: PartitionId, id_: AuthorizationId) -> list[Action]:
    """Everything that was done to one payment, oldest first."""
    return [_action(row) for row in await conn.fetch(OF_PAYMENT, partition_id, id_)]


async def find_presented(
    conn: Connection, partition_id: PartitionId, ids: Sequence[AuthorizationId]
) -> set[AuthorizationId]:
    """Those of these payments of which card companies have been told in a clearing file."""
    return {row["authorization_id"] for row in await conn.fetch(PRESENTED, partition_id, ids)}


async def withdraw_from_presenting(
    conn: Connection, partition_id: PartitionId, ids: Sequence[AuthorizationId]
) -> None:
    """Let card companies hear nothing of these payments, which were undone before they were told."""
    await conn.execute(WITHDRAW, partition_id, ids)


async def insert_actions(conn: Connection, partition_id: PartitionId, actions: Sequence[Action]) -> None:
    """Store new actions, in key order: see `payments.insert`."""
    if not actions:
        return
    ordered = sorted(actions, key=lambda a: a.request_key)
    await conn.execute(
        INSERT,
        partition_id,
        [a.id for a in ordered],
        [a.authorization_id for a in ordered],
        [a.merchant_id for a in ordered],
        [a.kind for a in ordered],
        [a.amount.amount_minor for a in ordered],
        ["{" + ",".join(map(str, a.parts)) + "}" for a in ordered],
        [a.amount.currency for a in ordered],
        [a.request_key for a in ordered],
        [a.asked for a in ordered],
        [a.to_present for a in ordered],
        [a.created_at for a in ordered],
        [a.to_invoice for a in ordered],
    )


def _action(row: asyncpg.Record) -> Action:
    return Action(
        id=ActionId(row["id"]),
        authorization_id=row["authorization_id"],
        merchant_id=row["merchant_id"],
        kind=ActionKind(row["kind"]),
        amount=Money(row["amount_minor"], CurrencyCode(row["currency"])),
        parts=row["parts"],
        request_key=row["request_key"],
        asked=row["asked"],
        to_present=row["to_present"],
        created_at=row["created_at"],
        to_invoice=row["to_invoice"],
    )
