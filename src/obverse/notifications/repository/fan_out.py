"""Handing on events in the order of their transactions, and replays."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from obverse.kit import outbox
from obverse.kit.database import Connection
from obverse.kit.ids import EndpointId, EventId, MerchantId, ReplayId, to_text
from obverse.kit.outbox import BETWEEN, Range, Reader
from obverse.kit.paging import NEWEST, Page, PageRequest, cut
from obverse.notifications.model import Listener, News, Replay, ReplayState

# What is older than all that listen is passed over without being read.
LISTENING_SINCE: Final = """
select listens_from::text from webhook_endpoints where state = 'enabled' order by listens_from limit 1
"""

LISTENERS: Final = """
select id, merchant_id, event_types, listens_from::text from webhook_endpoints
where state = 'enabled' and (merchant_id is null or merchant_id = any($1::uuid[]))
"""

READ: Final = f"""
select txid::text, id, type, data->>'merchant' as merchant from events where {BETWEEN}
order by txid, id limit $4
"""

INSERT_REPLAY: Final = """
insert into webhook_replays (id, endpoint_id, state, since, until, reached, created_at)
values ($1, $2, $3, $4, $5, $6, $7)
"""

_REPLAY: Final = "id, endpoint_id, state, since, until, reached, deliveries, created_at"

# The one that is nearest to its end goes first: a month of one endpoint does not hold up an hour of another.
NEXT_REPLAY: Final = f"""
select {_REPLAY} from webhook_replays where state = 'running'
order by reached desc limit 1 for update skip locked
"""

LISTENER: Final = (
    "select id, merchant_id, event_types, listens_from::text from webhook_endpoints where id = $1"
)

# Through the primary key: ids begin with the time of their making, which is about the event's.
READ_BETWEEN: Final = """
select txid::text, id, type, data->>'merchant' as merchant, created_at >= $3 and created_at < $4 as within
from events where id > $1 and id < $2 order by id limit $5
"""

SAVE_REPLAY: Final = """
update webhook_replays set state = $2, reached = $3, deliveries = $4 where id = $1
"""

SWEEP_REPLAYS: Final = "delete from webhook_replays where state = 'done' and created_at <= $1"

REPLAYS: Final = f"""
select {_REPLAY} from webhook_replays where endpoint_id = $1 and id < coalesce($2, {NEWEST})
order by id desc limit $3
"""


async def outstanding(conn: Connection) -> Range | None:
    """What is settled and not handed on yet; None if nothing is, or nobody listens."""
    listens_from: str | None = await conn.fetchval(LISTENING_SINCE)
    return (
        None if listens_from is None else await outbox.outstanding(conn, Reader.WEBHOOKS, int(listens_from))
    )


async def read(conn: Connection, range_: Range, limit: int) -> list[News]:
    """The first of what is outstanding, in the order in which it is handed on."""
    since, until = range_
    return [_news(row) for row in await conn.fetch(READ, str(since.txid), since.event_id, str(until), limit)]


async def listeners(conn: Connection, merchants: Sequence[MerchantId]) -> list[Listener]:
    """Enabled endpoints of the platform and of these merchants. Ask after reading what is outstanding."""
    return [_listener(row) for row in await conn.fetch(LISTENERS, merchants)]


async def insert_replay(conn: Connection, replay: Replay) -> bool:
    """Store an order; False while another one for the same endpoint is running."""
    try:
        async with conn.transaction():
            await conn.execute(
                INSERT_REPLAY,
                replay.id,
                replay.endpoint_id,
                replay.state,
                replay.since,
                replay.until,
                replay.reached,
                replay.created_at,
            )
    except asyncpg.UniqueViolationError:
        return False
    return True


async def next_replay(conn: Connection) -> tuple[Replay, Listener] | None:
    """A replay that is not done, locked, and who asked for it; None if there is none, or others are at it."""
    row = await conn.fetchrow(NEXT_REPLAY)
    if row is None:
        return None
    replay = _replay(row)
    listener = await conn.fetchrow(LISTENER, replay.endpoint_id)
    assert listener is not None, "an endpoint outlives its replays"
    return replay, _listener(listener)


async def read_between(
    conn: Connection, replay: Replay, last_id: EventId, limit: int
) -> list[tuple[News, bool]]:
    """The next events of a replay in id order, up to `last_id`, and whether each is within its time."""
    rows = await conn.fetch(READ_BETWEEN, replay.reached, last_id, replay.since, replay.until, limit)
    return [(_news(row), row["within"]) for row in rows]


async def save_replay(conn: Connection, replay: Replay) -> None:
    await conn.execute(SAVE_REPLAY, replay.id, replay.state, replay.reached, replay.deliveries)


async def find_replays(conn: Connection, endpoint_id: EndpointId, page: PageRequest) -> Page[Replay]:
    """An endpoint's replays, newest first."""
    rows = await conn.fetch(REPLAYS, endpoint_id, page.after, page.limit + 1)
    return cut([_replay(row) for row in rows], page, lambda replay: replay.id)


async def sweep_replays(conn: Connection, before: datetime) -> None:
    """Forget replays that were ordered before this moment and are done."""
    await conn.execute(SWEEP_REPLAYS, before)


def _news(row: asyncpg.Record) -> News:
    return News(int(row["txid"]), row["id"], row["type"], row["merchant"])


def _listener(row: asyncpg.Record) -> Listener:
    merchant_id, types = row["merchant_id"], row["event_types"]
    return Listener(
        id=EndpointId(row["id"]),
        merchant=to_text("mer", merchant_id) if merchant_id is not None else None,
        event_types=frozenset(types) if types is not None else None,
        listens_from=int(row["listens_from"]),
    )


def _replay(row: asyncpg.Record) -> Replay:
    return Replay(
        id=ReplayId(row["id"]),
        endpoint_id=EndpointId(row["endpoint_id"]),
        state=ReplayState(row["state"]),
        since=row["since"],
        until=row["until"],
        reached=EventId(row["reached"]),
        deliveries=row["deliveries"],
        created_at=row["created_at"],
    )
