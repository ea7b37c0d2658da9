"""What issuers are still to be told."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from obverse.kit.database import Connection, Table, insert_rows
from obverse.kit.ids import AuthorizationId, PartitionId, PointsIssuerId, PointsMessageId, SourceId
from obverse.points.model import MessageKind, PointsMessage

MESSAGES: Final = Table(
    "points_messages",
    {
        "partition_id": "smallint",
        "id": "uuid",
        "source_id": "uuid",
        "authorization_id": "uuid",
        "position": "smallint",
        "reference": "text",
        "kind": "text",
        "units": "bigint",
        "units_before": "bigint",
        "created_at": "timestamptz",
        "next_at": "timestamptz",
    },
)

TAKE_DUE: Final = """
with due as (
    select m.id, m.partition_id, a.issuer_id
    from points_messages as m join points_accounts as a on a.id = m.source_id
    where m.done_at is null and m.next_at <= $1 and a.issuer_id <> all($3::uuid[])
    order by m.next_at, m.id limit $4
    for update of m skip locked
)
update points_messages as m set next_at = $2, tries = m.tries + 1
from due where m.id = due.id and m.partition_id = due.partition_id
returning due.issuer_id, m.tries, m.id, m.partition_id, m.source_id, m.authorization_id, m.position,
    m.reference, m.kind, m.created_at, m.units, m.units_before
"""

FINISH: Final = "update points_messages set done_at = $2 where id = any($1::uuid[]) and done_at is null"

POSTPONE: Final = """
update points_messages as m set next_at = n.next_at
from unnest($1::uuid[], $2::timestamptz[]) as n (id, next_at) where m.id = n.id and m.done_at is null
"""

WAITING: Final = """
select a.issuer_id, count(*), min(m.created_at)
from points_messages as m join points_accounts as a on a.id = m.source_id
where m.done_at is null group by a.issuer_id
"""

NOTE_SILENCE: Final = """
update points_issuers set silence_told_at = $2
where id = any($1::uuid[]) and (silence_told_at is null or silence_told_at <= $3) returning id
"""

FORGET: Final = """
delete from points_messages where (id, partition_id) in (
    select id, partition_id from points_messages
    where id < $1 and done_at is not null order by id limit $2 for update skip locked
)
"""


class Due(NamedTuple):
    """A message that somebody is about to send, for the so-manieth time."""

    issuer_id: PointsIssuerId
    tries: int
    message: PointsMessage


class Waiting(msgspec.Struct, frozen=True):
    """What one issuer has not acknowledged yet."""

    issuer_id: PointsIssuerId
    count: int
    since: datetime


async def insert_messages(
    conn: Connection, partition_id: PartitionId, messages: Sequence[PointsMessage]
) -> None:
    """Store what issuers are to be told, due at once."""
    rows = [
        (
            partition_id,
            message.id,
            message.source_id,
            message.authorization_id,
            message.position,
            message.reference,
            message.kind,
            message.units,
            message.units_before,
            message.created_at,
            message.created_at,
        )
        for message in messages
    ]
    await insert_rows(conn, MESSAGES, rows)


async def take_due(
    conn: Connection, now: datetime, until: datetime, passed_over: Iterable[PointsIssuerId], limit: int
) -> list[Due]:
    """Take what is due in hand, the longest due first: nobody else sends it before `until`."""
    rows = await conn.fetch(TAKE_DUE, now, until, list(passed_over), limit)
    return [Due(issuer_id, tries, _message(*message)) for issuer_id, tries, *message in rows]


async def finish(conn: Connection, ids: Sequence[PointsMessageId], now: datetime) -> None:
    """Note that these were acknowledged."""
    await conn.execute(FINISH, ids, now)


async def postpone(conn: Connection, next_at: Sequence[tuple[PointsMessageId, datetime]]) -> None:
    """Say when each is sent again."""
    await conn.execute(POSTPONE, [id_ for id_, _ in next_at], [at for _, at in next_at])


async def waiting(conn: Connection) -> list[Waiting]:
    """By issuer; those that have acknowledged everything are absent."""
    return [Waiting(*row) for row in await conn.fetch(WAITING)]


async def note_silence(
    conn: Connection, ids: Iterable[PointsIssuerId], now: datetime, told_before: datetime
) -> list[PointsIssuerId]:
    """Those of these issuers whose silence is to be told now, as it was not since `told_before`."""
    return [id_ for (id_,) in await conn.fetch(NOTE_SILENCE, list(ids), now, told_before)]


async def forget(conn: Connection, before: PointsMessageId, limit: int) -> int:
    """Delete some acknowledged ones that are older than this id; returns how many."""
    status = await conn.execute(FORGET, before, limit)
    return int(status.rpartition(" ")[2])


def _message(
    id_: PointsMessageId,
    partition_id: PartitionId,
    source_id: SourceId,
    authorization_id: AuthorizationId,
    position: int,
    reference: str,
    kind: str,
    created_at: datetime,
    units: int | None,
    units_before: int | None,
) -> PointsMessage:
    return PointsMessage(
        id=id_,
        partition_id=partition_id,
        source_id=source_id,
        authorization_id=authorization_id,
        position=position,
        reference=reference,
        kind=MessageKind(kind),
        created_at=created_at,
        units=units,
        units_before=units_before,
    )
