"""Reading the outbox in the order of its transactions: how far each reader has come, and what is next.

Everything below the oldest transaction still running is settled: no event can appear there any more.
"""

from collections.abc import Collection
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from obverse.kit.database import Connection
from obverse.kit.ids import EventId


class Reader(StrEnum):
    """Who reads on by themselves: a trouble of one holds up no other."""

    WEBHOOKS = "webhooks"
    NOTICES = "notices"
    POINTS = "points"


_LOCK: Final = 0x0B5E
_TURNS: Final = {Reader.WEBHOOKS: 5, Reader.NOTICES: 24, Reader.POINTS: 25}
FIRST: Final = EventId(UUID(int=0))

# An advisory lock leaves no trace in the tables, so that looking for news that is not there writes nothing.
TAKE_TURN: Final = "select pg_try_advisory_xact_lock($1, $2)"

HORIZON: Final = """
select txid::text, event_id, pg_snapshot_xmin(pg_current_snapshot())::text as until
from event_readers where name = $1
"""

# `txid` first bounds the index, the pair says where in its transaction the last batch ended.
BETWEEN: Final = """
txid >= $1::text::xid8 and txid < $3::text::xid8 and (txid, id) > ($1::text::xid8, $2::uuid)
"""

READ: Final = f"""
select txid::text, id, type, subject_id from events
where {BETWEEN} order by txid, id limit $4
"""

ADVANCE: Final = "update event_readers set txid = $2::text::xid8, event_id = $3 where name = $1"


BEGIN_HERE: Final = """
update event_readers set txid = pg_snapshot_xmin(pg_current_snapshot()), event_id = $2 where name = $1
"""


class Position(NamedTuple):
    """Everything up to this event of this transaction has been handed on."""

    txid: int
    event_id: EventId


class Range(NamedTuple):
    """What is to be handed on: after `since`, in transactions below `until`."""

    since: Position
    until: int


class Told(NamedTuple):
    """An event, as far as who reads on needs it to find out more."""

    type: str
    subject_id: UUID


async def take_turn(conn: Connection, reader: Reader) -> bool:
    """Whether this transaction may hand on events to this reader; False while another does."""
    taken: bool = await conn.fetchval(TAKE_TURN, _LOCK, _TURNS[reader])
    return taken


async def outstanding(conn: Connection, reader: Reader, listens_from: int = 0) -> Range | None:
    """What is settled and not handed on yet; None if nothing is. What is older than `listens_from` is
    passed over without being read."""
    row = await conn.fetchrow(HORIZON, reader)
    assert row is not None, "every reader has a row"
    since = Position(int(row["txid"]), row["event_id"])
    if listens_from > since.txid:
        since = Position(listens_from, FIRST)
    until = int(row["until"])
    return Range(since, until) if since.txid < until else None


async def advance(conn: Connection, reader: Reader, last: Position) -> None:
    """Note that everything up to this event has been handed on."""
    await conn.execute(ADVANCE, reader, str(last.txid), last.event_id)


async def begin_here(conn: Connection, reader: Reader) -> None:
    """Pass over everything that was settled before the caller's transaction without its being read."""
    await conn.execute(BEGIN_HERE, reader, FIRST)


async def catch_up(
    conn: Connection, reader: Reader, types: Collection[str], limit: int = 1_000
) -> list[Told] | None:
    """The next events of these types, taken as read by the caller's commit; None where nothing is new, or
    another process is at it. An empty list means that what was new is of no interest to this reader."""
    if not await take_turn(conn, reader):
        return None
    range_ = await outstanding(conn, reader)
    if range_ is None:
        return None
    (txid, event_id), until = range_
    rows = await conn.fetch(READ, str(txid), event_id, str(until), limit)
    if not rows:
        return None
    await advance(conn, reader, Position(int(rows[-1]["txid"]), rows[-1]["id"]))
    return [Told(row["type"], row["subject_id"]) for row in rows if row["type"] in types]
