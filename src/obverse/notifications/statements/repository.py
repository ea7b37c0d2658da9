"""Statements in the database: which day each time zone is at, what is due, what was told."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

import msgspec

from obverse.history.repository.days import OF_ALL_MEMBERS
from obverse.kit.database import Connection, Table, insert_rows
from obverse.kit.ids import IDS_STRAY, MemberId, first_id_of
from obverse.notifications.statements import rules
from obverse.notifications.statements.model import Day, Line, Told, ZoneDay

_PATIENCE_S: Final = 300
"""A whole day of a time zone is read and stored."""

# One step over the index for each time zone that anybody lives in.
ZONES: Final = """
with recursive zones as (
    (select time_zone from member_profiles order by time_zone limit 1)
    union all
    select (select time_zone from member_profiles where time_zone > zones.time_zone
        order by time_zone limit 1)
    from zones where zones.time_zone is not null
)
select z.time_zone, s.next_day from zones as z left join statement_zones as s on s.time_zone = z.time_zone
where z.time_zone is not null order by z.time_zone
"""

OPEN_ZONE: Final = """
insert into statement_zones (time_zone, next_day, begins_at) values ($1, $2, $3) on conflict do nothing
"""

# Locked by one process, unless a day before it is still being told, or somebody was faster.
LOCK_ZONE: Final = """
select next_day from statement_zones
where time_zone = $1 and next_day = $2 and not exists (select from statements_due where time_zone = $1)
for update skip locked
"""

NEXT_DAY: Final = "update statement_zones set next_day = next_day + 1 where time_zone = $1"

# A member who is told another day at this moment, or was told of a day of this name in another time zone,
# hears of the rest with the next one. What was told before is never told again.
GATHER: Final = f"""
with tellings as (
    select p.member_id, greatest(last.told_until, $6, (select min(begins_at) from statement_zones)) as since
    from member_profiles as p
    left join lateral (
        select day, told_until from member_statements where member_id = p.member_id order by day desc limit 1
    ) as last on true
    where p.time_zone = $4 and (last.day is null or last.day < $5)
        and not exists (select from statements_due as d where d.member_id = p.member_id)
), {OF_ALL_MEMBERS}, merged as (
    select member_id, at, kind, sum(minor)::bigint as minor, currency, merchant_id, shows_place,
        min(name) as name, min(last_four) as last_four, min(reason_id::text) as reason
    from happened group by member_id, reason_id, at, kind, currency, merchant_id, shows_place
), numbered as (
    select merged.*, merchants.name as merchant,
        row_number() over (partition by member_id order by at, reason) as number
    from merged left join merchants on merchants.id = merged.merchant_id
)
insert into statements_due
    (member_id, time_zone, day, until, entries, spent_minor, received_minor, lines)
select member_id, $4, $5, $3, count(*), -coalesce(sum(minor) filter (where kind = any($7)), 0),
    coalesce(sum(minor) filter (where kind = any($8) and minor > 0), 0),
    jsonb_agg(jsonb_build_object(
        'at', at, 'kind', case when kind = 'call' and not shows_place then 'payment' else kind end,
        'minor', minor, 'currency', currency, 'merchant', merchant, 'name', coalesce(name, ''),
        'last_four', last_four
    ) order by number) filter (where number <= $9)
from numbered group by member_id
on conflict (member_id) do nothing
"""

TAKE: Final = """
with taken as materialized (
    select member_id from statements_due where time_zone = $1 order by member_id limit $2
    for update skip locked
)
delete from statements_due as d using taken where d.member_id = taken.member_id
returning d.member_id, day, until, entries, spent_minor, received_minor, lines::text
"""

TOLD: Final = Table(
    "member_statements",
    {
        "member_id": "uuid",
        "day": "date",
        "told_until": "timestamptz",
        "entries": "int",
        "letter_id": "uuid",
    },
)

OF_MEMBER: Final = """
select member_id, day, told_until, entries, letter_id from member_statements
where member_id = $1 and day < coalesce($2::date, 'infinity') order by day desc limit $3
"""


async def zones(conn: Connection) -> Sequence[tuple[str, ZoneDay | None]]:
    """Every time zone that a member lives in, and where it stands; None where it is new."""
    return [
        (row["time_zone"], ZoneDay(row["time_zone"], row["next_day"]) if row["next_day"] else None)
        for row in await conn.fetch(ZONES)
    ]


async def open_zone(conn: Connection, zone: ZoneDay, begins_at: datetime) -> None:
    await conn.execute(OPEN_ZONE, zone.time_zone, zone.next_day, begins_at)


async def lock_zone(conn: Connection, zone: ZoneDay) -> bool:
    """Whether this day may be gathered now, by nobody else until the commit."""
    return await conn.fetchval(LOCK_ZONE, zone.time_zone, zone.next_day) is not None


async def gather(conn: Connection, zone: ZoneDay, since: datetime, until: datetime) -> None:
    """Store what this day means to each member of its time zone, and go on to the next day."""
    await conn.execute(
        GATHER,
        first_id_of(since - IDS_STRAY),
        first_id_of(until + IDS_STRAY),
        until,
        zone.time_zone,
        zone.next_day,
        since,
        sorted(rules.SPENT),
        sorted(rules.RECEIVED),
        rules.LINES_MAX,
        timeout=_PATIENCE_S,
    )
    await conn.execute(NEXT_DAY, zone.time_zone)


async def take(conn: Connection, time_zone: str, limit: int) -> list[Day]:
    """Up to `limit` days that are due, crossed off in the caller's commit; others pass them over."""
    return [
        Day(
            row["member_id"],
            row["day"],
            row["until"],
            row["entries"],
            row["spent_minor"],
            row["received_minor"],
            _LINES.decode(row["lines"]),
        )
        for row in await conn.fetch(TAKE, time_zone, limit)
    ]


async def note(conn: Connection, told: Sequence[Told]) -> None:
    """Store what was dealt with; no member can be told of one day twice."""
    ordered = sorted(told, key=lambda each: each.member_id)
    rows = [(each.member_id, each.day, each.told_until, each.entries, each.letter_id) for each in ordered]
    await insert_rows(conn, TOLD, rows)


async def of_member(conn: Connection, member_id: MemberId, before: date | None, limit: int) -> list[Told]:
    """Days that a member was told of, newest first, older than `before`."""
    return [Told(*row.values()) for row in await conn.fetch(OF_MEMBER, member_id, before, limit)]


_LINES: Final = msgspec.json.Decoder(list[Line])
