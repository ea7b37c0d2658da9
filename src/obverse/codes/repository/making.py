"""Making codes, and what is forgotten of them, in the database."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from obverse.codes.making_model import BatchRow
from obverse.kit.database import Connection, Table, insert_rows
from obverse.kit.ids import CardId, CodeBatchId, DeviceId, MemberId

# What was drawn before is drawn again: the row that is there may be somebody's code of last week.
INSERT_CODES: Final = """
insert into payment_codes
    (partition_id, code_hash, card_id, device_id, member_id, batch_id, valid_from, expires_at)
select b.partition_id, c.code_hash, b.card_id, b.device_id, b.member_id, b.id, c.valid_from, c.valid_from + $4
from unnest($1::uuid[], $2::bytea[], $3::timestamptz[]) as c (batch_id, code_hash, valid_from)
join code_batches as b on b.id = c.batch_id
on conflict do nothing
returning code_hash
"""

_BATCHES: Final = Table(
    "code_batches",
    {
        "id": "uuid",
        "partition_id": "smallint",
        "device_id": "uuid",
        "member_id": "uuid",
        "card_id": "uuid",
        "count": "int",
        "created_at": "timestamptz",
        "made_on": "date",
    },
)

# In the order of their hashes, as payments lock them.
_DELETE: Final = """
delete from payment_codes as c using ({found} order by code_hash for update{passing}) as gone
where c.code_hash = gone.code_hash and c.partition_id = gone.partition_id
"""

REPLACE: Final = _DELETE.format(
    found="""
    select p.code_hash, p.partition_id from unnest($1::uuid[], $2::uuid[]) as w (device_id, card_id)
    join payment_codes as p using (device_id, card_id)
    where p.valid_from > $3 and p.used_by is null
    """,
    passing=" of p",
)

DELETE_UNUSED: Final = _DELETE.format(
    found="select code_hash, partition_id from payment_codes where device_id = $1 and used_by is null",
    passing="",
)

DELETE_OVER: Final = """
delete from payment_codes as c using (
    select code_hash, partition_id from payment_codes
    where expires_at < $1 and expires_at >= $2 and (used_by is null or not $3)
    limit $4 for update skip locked
) as gone
where c.code_hash = gone.code_hash and c.partition_id = gone.partition_id
"""

MADE_SINCE: Final = """
select device_id, count(*)::int from code_batches
where device_id = any($1::uuid[]) and created_at > $2 group by device_id
"""

MADE_ON: Final = """
select member_id, count(*)::int from code_batches
where member_id = any($1::uuid[]) and made_on = $2 group by member_id
"""

FORGET_BATCHES: Final = "delete from code_batches where created_at < $1"

FORGET_GUESSES: Final = "delete from code_guesses where hour < $1"


async def insert_codes(
    conn: Connection, codes: Sequence[tuple[CodeBatchId, bytes, datetime]], good_for: timedelta
) -> set[bytes]:
    """Store new codes of batches that are stored: each with its batch, its hash, and when it begins.

    Returns the hashes of those that nobody else's code has.
    """
    rows = await conn.fetch(INSERT_CODES, *zip(*codes, strict=True), good_for)
    return {row["code_hash"] for row in rows}


async def insert_batches(conn: Connection, batches: Sequence[BatchRow]) -> None:
    rows = [
        (b.id, b.partition_id, b.device_id, b.member_id, b.card_id, b.count, b.created_at, b.made_on)
        for b in batches
    ]
    await insert_rows(conn, _BATCHES, rows)


async def replace(conn: Connection, pairs: Sequence[tuple[DeviceId, CardId]], now: datetime) -> None:
    """Delete the codes of these cards on these devices that were to be shown later.

    The one that is shown at this moment stays: it may be at a till.
    """
    await conn.execute(REPLACE, [device for device, _ in pairs], [card for _, card in pairs], now)


async def delete_unused(conn: Connection, device_id: DeviceId) -> None:
    """Delete every code of a device that has not paid."""
    await conn.execute(DELETE_UNUSED, device_id)


async def made_since(
    conn: Connection, devices: Iterable[DeviceId], since: datetime
) -> Mapping[DeviceId, int]:
    """How many batches were made for each of these devices since then; none are absent."""
    rows = await conn.fetch(MADE_SINCE, list(devices), since)
    return {row["device_id"]: row["count"] for row in rows}


async def made_on(conn: Connection, members: Iterable[MemberId], day: date) -> Mapping[MemberId, int]:
    """How many batches were made for each of these members on that day; none are absent."""
    rows = await conn.fetch(MADE_ON, list(members), day)
    return {row["member_id"]: row["count"] for row in rows}


async def delete_over(
    conn: Connection, ended_before: datetime, ended_since: datetime, limit: int, *, unused_only: bool
) -> int:
    """Delete up to `limit` codes whose windows ended between these moments; returns how many."""
    return _count(await conn.execute(DELETE_OVER, ended_before, ended_since, unused_only, limit))


async def forget_batches(conn: Connection, before: datetime) -> int:
    return _count(await conn.execute(FORGET_BATCHES, before))


async def forget_guesses(conn: Connection, before: datetime) -> int:
    return _count(await conn.execute(FORGET_GUESSES, before))


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])
