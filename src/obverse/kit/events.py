"""Events: what happened, written in the commit that made it happen, and never changed again.

The table is the outbox: webhooks, notifications and pages read it, so news travels up the house without
anybody importing upwards. `data` never holds a secret. Source: promise P13.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

import msgspec

from obverse.kit.database import Connection, Table, insert_rows
from obverse.kit.ids import EventId
from obverse.kit.paging import NEWEST, Page, PageRequest, cut

Json: TypeAlias = Mapping[str, Any]


class Event(msgspec.Struct, frozen=True):
    """`type` is `<room's noun>.<past tense>`; `subject_id` is the id of what it happened to."""

    id: EventId
    type: str
    subject_id: UUID
    data: Json
    created_at: datetime


EVENTS: Final = Table(
    "events",
    {"id": "uuid", "type": "text", "subject_id": "uuid", "data": "jsonb", "created_at": "timestamptz"},
)

READ_PAGE: Final = f"""
select id, type, subject_id, data, created_at from events
where id < coalesce($1, {NEWEST}) order by id desc limit $2
"""


async def append(conn: Connection, events: Sequence[Event]) -> None:
    """Write events in the caller's transaction: they exist if and only if what they tell has happened."""
    rows = [(e.id, e.type, e.subject_id, msgspec.json.encode(e.data).decode(), e.created_at) for e in events]
    await insert_rows(conn, EVENTS, rows)


async def read_page(conn: Connection, page: PageRequest) -> Page[Event]:
    """Events, newest first."""
    rows = await conn.fetch(READ_PAGE, page.after, page.limit + 1)
    events = [
        Event(
            EventId(row["id"]),
            row["type"],
            row["subject_id"],
            msgspec.json.decode(row["data"]),
            row["created_at"],
        )
        for row in rows
    ]
    return cut(events, page, lambda event: event.id)
