"""What is owed to endpoints: making it due, taking it on, and the log."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from obverse.kit.database import Connection
from obverse.kit.events import Event
from obverse.kit.ids import DeliveryId, EndpointId, EventId
from obverse.kit.paging import NEWEST, Page, PageRequest, cut
from obverse.notifications.model import Delivery, DeliveryState, Due, Problem, Progress

_COLUMNS: Final = """
webhook_deliveries.id, endpoint_id, event_id, events.type as event_type, state, attempts, next_at, last_at,
response_status, problem, duration_ms, webhook_deliveries.created_at
"""

# Rows come sorted, because the fan-out and a replay may be about the same deliveries at once.
INSERT: Final = """
insert into webhook_deliveries (id, event_id, endpoint_id, state, next_at, created_at)
select id, event_id, endpoint_id, 'pending', $4, $4
from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as owed (id, event_id, endpoint_id)
on conflict (event_id, endpoint_id)
"""

INSERT_NEW: Final = INSERT + "do nothing"

INSERT_AGAIN: Final = INSERT + "do update set state = 'pending', attempts = 0, next_at = excluded.next_at"

# Endpoints to which something is owed, found by hopping over the index from one to the next: among a million
# deliveries to one of them, the only one to another costs one step. Of each as many as it has room for: one
# that fails is tried with one delivery at a time, so that it holds up nobody.
CLAIM: Final = """
with recursive waiting as (
    (select endpoint_id from webhook_deliveries where state = 'pending' order by endpoint_id limit 1)
    union all
    select (select endpoint_id from webhook_deliveries
            where state = 'pending' and endpoint_id > waiting.endpoint_id order by endpoint_id limit 1)
    from waiting where waiting.endpoint_id is not null
),
claimed as (
    select due.id, url, merchant_id, due.next_at
    from waiting
    join webhook_endpoints on webhook_endpoints.id = waiting.endpoint_id and state = 'enabled'
    left join unnest($1::uuid[], $2::int[]) as busy (endpoint_id, count)
        on busy.endpoint_id = waiting.endpoint_id
    cross join lateral (
        select id, next_at from webhook_deliveries
        where endpoint_id = waiting.endpoint_id and state = 'pending' and next_at <= $3
        order by next_at
        limit greatest(0, case when failing_since is null then $4 else 1 end - coalesce(busy.count, 0))
        for update skip locked
    ) as due
    order by due.next_at limit $5
)
update webhook_deliveries set next_at = $6
from claimed, events
where webhook_deliveries.id = claimed.id and events.id = webhook_deliveries.event_id
returning webhook_deliveries.id, webhook_deliveries.endpoint_id, merchant_id, url, attempts,
    events.id as event_id, type, subject_id, data::text, events.created_at
"""

# An attempt of a process that took too long may come in after another's success: that one stays.
SAVE: Final = """
with found as (
    select webhook_deliveries.id from webhook_deliveries where id = any($1::uuid[]) and state = 'pending'
    order by event_id, endpoint_id for update
)
update webhook_deliveries
set state = progress.state, attempts = progress.attempts, next_at = progress.next_at, last_at = $8,
    response_status = progress.response_status, problem = progress.problem,
    duration_ms = progress.duration_ms
from found join unnest($1::uuid[], $2::text[], $3::smallint[], $4::timestamptz[], $5::int[], $6::text[],
                       $7::int[])
    as progress (id, state, attempts, next_at, response_status, problem, duration_ms) using (id)
where webhook_deliveries.id = found.id
"""

PAGE: Final = f"""
select {_COLUMNS} from webhook_deliveries join events on events.id = event_id
where endpoint_id = $1 and ($2::text is null or state = $2) and webhook_deliveries.id < coalesce($3, {NEWEST})
order by webhook_deliveries.id desc limit $4
"""

RESEND: Final = f"""
update webhook_deliveries set state = 'pending', attempts = 0, next_at = $3
from events where webhook_deliveries.id = $2 and endpoint_id = $1 and events.id = event_id
returning {_COLUMNS}
"""

# The oldest are found by their ids, which begin with the time.
SWEEP_OLD: Final = """
delete from webhook_deliveries
where id in (select id from webhook_deliveries where id < $1 order by id limit $2)
"""

SWEEP_DELETED: Final = """
delete from webhook_deliveries where id in (
    select webhook_deliveries.id from webhook_deliveries
    join webhook_endpoints on webhook_endpoints.id = endpoint_id
    where deleted_at is not null limit $1
)
"""


async def insert(
    conn: Connection,
    owed: Mapping[tuple[EventId, EndpointId], DeliveryId],
    now: datetime,
    *,
    again: bool = False,
) -> None:
    """Make these deliveries due at once; `again` makes also those due that were made before."""
    pairs = sorted(owed)
    await conn.execute(
        INSERT_AGAIN if again else INSERT_NEW,
        [owed[pair] for pair in pairs],
        [event_id for event_id, _ in pairs],
        [endpoint_id for _, endpoint_id in pairs],
        now,
    )


async def claim(
    conn: Connection,
    busy: Mapping[EndpointId, int],
    now: datetime,
    until: datetime,
    *,
    each_max: int,
    limit: int,
) -> list[Due]:
    """Take on what is due, the longest due first; nobody else does before `until`.

    `busy` is how many deliveries this process is sending to which endpoint; `each_max` is how many it may.
    """
    rows = await conn.fetch(CLAIM, list(busy), list(busy.values()), now, each_max, limit, until)
    return [
        Due(
            id=row["id"],
            endpoint_id=row["endpoint_id"],
            merchant_id=row["merchant_id"],
            url=row["url"],
            attempts=row["attempts"],
            event=Event(
                row["event_id"],
                row["type"],
                row["subject_id"],
                msgspec.json.decode(row["data"]),
                row["created_at"],
            ),
        )
        for row in rows
    ]


async def save(conn: Connection, progress: Sequence[Progress], now: datetime) -> None:
    """Store what came of attempts."""
    await conn.execute(
        SAVE,
        [each.id for each in progress],
        [each.state for each in progress],
        [each.attempts for each in progress],
        [each.next_at for each in progress],
        [each.attempt.response_status for each in progress],
        [each.attempt.problem for each in progress],
        [each.attempt.duration_ms for each in progress],
        now,
    )


async def find_page(
    conn: Connection, endpoint_id: EndpointId, page: PageRequest, state: DeliveryState | None
) -> Page[Delivery]:
    """An endpoint's deliveries, newest first."""
    rows = await conn.fetch(PAGE, endpoint_id, state, page.after, page.limit + 1)
    return cut([_delivery(row) for row in rows], page, lambda delivery: delivery.id)


async def resend(
    conn: Connection, endpoint_id: EndpointId, id_: DeliveryId, now: datetime
) -> Delivery | None:
    """Make a delivery of this endpoint due, whatever became of it before."""
    row = await conn.fetchrow(RESEND, endpoint_id, id_, now)
    return _delivery(row) if row else None


async def sweep(conn: Connection, oldest: DeliveryId, limit: int) -> int:
    """Delete deliveries made before `oldest`, and those of deleted endpoints; up to `limit` of each.

    Returns how many.
    """
    old = await conn.execute(SWEEP_OLD, oldest, limit)
    return _rows(old) + _rows(await conn.execute(SWEEP_DELETED, limit))


def _rows(status: str) -> int:
    return int(status.rpartition(" ")[2])


def _delivery(row: asyncpg.Record) -> Delivery:
    return Delivery(
        id=DeliveryId(row["id"]),
        endpoint_id=EndpointId(row["endpoint_id"]),
        event_id=EventId(row["event_id"]),
        event_type=row["event_type"],
        state=DeliveryState(row["state"]),
        attempts=row["attempts"],
        next_at=row["next_at"],
        last_at=row["last_at"],
        response_status=row["response_status"],
        problem=Problem(row["problem"]) if row["problem"] is not None else None,
        duration_ms=row["duration_ms"],
        created_at=row["created_at"],
    )
