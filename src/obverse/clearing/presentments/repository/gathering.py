"""Taking what awaits being presented from the payments' actions."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from obverse.authorization.model import ActionKind
from obverse.clearing.presentments.model import Presentment
from obverse.clearing.presentments.repository.rows import PRESENTMENTS, to_row
from obverse.clearing.presentments.rules import Part
from obverse.kit.database import Connection, insert_rows
from obverse.kit.ids import VaultCardId
from obverse.kit.money import CurrencyCode, Money

# Ids sort by time: everything of before a moment is below one id, and looked up in an index.
COUNT_WAITING: Final = "select count(*) from actions where to_present and id < $1"

FIND_WAITING: Final = """
select id, authorization_id from actions where to_present and id < $1 order by id limit $2
"""

# The engine withdraws actions under these locks, in the same order.
LOCK_AUTHORIZATIONS: Final = "select id from authorizations where id = any($1::uuid[]) order by id for update"

LOCK_ACTIONS: Final = """
select id from actions where id = any($1::uuid[]) and to_present order by id for update
"""

# `offset 0` keeps the order of joins: from a few actions to what belongs to each, however the tables have
# grown since the plan was made.
LOAD_PARTS: Final = """
select a.partition_id, a.id as action_id, l.position, a.authorization_id, a.kind, a.currency,
    a.parts[l.position + 1] as part_minor, s.vault_card_id, l.network_ref, l.network_approval,
    l.captured_minor + l.released_minor = l.amount_minor as is_settled,
    a.kind = 'capture' and not exists (
        select from actions as later
        where later.authorization_id = a.authorization_id and later.partition_id = a.partition_id
            and later.kind = 'capture' and later.id > a.id and later.parts[l.position + 1] > 0
    ) as is_last,
    coalesce(m.name, '') as merchant_name, p.category, p.created_at as paid_at
from (select * from actions where id = any($1::uuid[]) offset 0) as a
cross join lateral (
    select * from authorizations where id = a.authorization_id and partition_id = a.partition_id offset 0
) as p
cross join lateral (
    select * from legs where authorization_id = a.authorization_id and partition_id = a.partition_id
        and kind = 'linked_card' offset 0
) as l
join funding_sources as s on s.id = l.source_id
left join merchants as m on m.id = a.merchant_id
where a.parts[l.position + 1] > 0
order by a.id, l.position
"""

MARK_PRESENTED: Final = "update actions set to_present = false where id = any($1::uuid[])"

DRAW_NUMBERS: Final = "select nextval('presentment_numbers') from generate_series(1, $1)"


async def count_waiting(conn: Connection, before: UUID) -> int:
    """How many actions older than this id await being presented."""
    count: int = await conn.fetchval(COUNT_WAITING, before)
    return count


async def take_waiting(conn: Connection, before: UUID, limit: int) -> tuple[int, list[Part]]:
    """Take up to `limit` waiting actions: how many there were, and what they have for card companies.

    They are marked as presented in the caller's transaction, with their payments locked. What was withdrawn
    while the locks were waited for is not among the parts.
    """
    found = await conn.fetch(FIND_WAITING, before, limit)
    if not found:
        return 0, []
    await conn.execute(LOCK_AUTHORIZATIONS, list({row["authorization_id"] for row in found}))
    ids = [row["id"] for row in await conn.fetch(LOCK_ACTIONS, [row["id"] for row in found])]
    parts = [_part(row) for row in await conn.fetch(LOAD_PARTS, ids)]
    await conn.execute(MARK_PRESENTED, ids)
    return len(found), parts


async def draw_numbers(conn: Connection, count: int) -> list[int]:
    """Numbers that no other presentment has."""
    return [row[0] for row in await conn.fetch(DRAW_NUMBERS, count)]


async def insert(conn: Connection, presentments: Sequence[Presentment]) -> None:
    await insert_rows(conn, PRESENTMENTS, [to_row(presentment) for presentment in presentments])


def _part(row: Any) -> Part:
    return Part(
        partition_id=row["partition_id"],
        action_id=row["action_id"],
        position=row["position"],
        authorization_id=row["authorization_id"],
        kind=ActionKind(row["kind"]),
        amount=Money(row["part_minor"], CurrencyCode(row["currency"])),
        vault_card_id=VaultCardId(row["vault_card_id"]),
        network_ref=row["network_ref"],
        approval_code=row["network_approval"],
        is_settled=row["is_settled"],
        is_last=row["is_last"],
        merchant_name=row["merchant_name"],
        category=row["category"],
        paid_at=row["paid_at"],
    )
