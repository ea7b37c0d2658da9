"""Notices in the database: what happened to cards whose members are told, and what expires soon."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from obverse.kit.database import Connection
from obverse.kit.ids import EventId
from obverse.kit.money import CurrencyCode, Money
from obverse.kit.outbox import BETWEEN, FIRST, Position, Range
from obverse.notifications.notices.model import Expiring, PointsUsed, Use

_POINTS: Final = msgspec.json.Decoder(list[PointsUsed])

LAST_OF_BATCH: Final = f"""
select txid::text, id from (
    select txid, id from events where {BETWEEN} order by txid, id limit $4
) as batch order by txid desc, id desc limit 1
"""

# While nobody wants to hear of each use, and no agent takes cash, payments are passed over unread.
ARE_PAYMENTS_TOLD: Final = """
select exists (select from cards where tell_of_use) or exists (select from merchants where is_agent)
"""

HAS_NEWS: Final = f"select exists (select from events where {BETWEEN})"

_AFTER_UP_TO: Final = """
txid >= $1::text::xid8 and txid <= $3::text::xid8
    and (txid, id) > ($1::text::xid8, $2::uuid) and (txid, id) <= ($3::text::xid8, $4::uuid)
"""

# What is paid in is told to every member, a use to those who want to hear of each (WA-3). Whoever gave a card
# away is told nothing of it (OT-8).
USES: Final = f"""
select e.id as event_id, e.type, e.created_at, e.step_minor, a.purpose <> 'purchase' as is_load,
    a.approval_code is not null as was_approved, a.approval_code, a.amount_minor, a.currency,
    a.balance_minor, c.id as card_id, c.name, c.last_four, c.member_id, m.name as merchant, p.points
from (
    select id, txid, type, subject_id, created_at, (data->>'action_amount')::bigint as step_minor from events
    where {_AFTER_UP_TO} and type = any($5::text[]) offset 0
) as e
cross join lateral (select * from authorizations where id = e.subject_id limit 1) as a
join cards as c on c.id = a.card_id and c.partition_id = a.partition_id
left join merchants as m on m.id = a.merchant_id
cross join lateral (
    select jsonb_agg(jsonb_build_object('issuer', i.name, 'units', l.units, 'unit', i.unit)
        order by l.position)::text as points
    from legs as l
    join points_accounts as o on o.id = l.source_id
    join points_issuers as i on i.id = o.issuer_id
    where l.authorization_id = a.id and l.partition_id = a.partition_id and l.units is not null
) as p
where c.member_id is not null and c.held_by = 'member'
    and case a.purpose when 'purchase' then c.tell_of_use else c.kind <> 'one_time' end
order by e.txid, e.id
"""

# What the predicate of the index `events_of_charges` says, word for word.
CHARGES: Final = f"""
select e.id as event_id, e.type, e.created_at, null::bigint as step_minor, true as is_load,
    true as was_approved, null as approval_code, h.amount_minor, h.currency, null::bigint as balance_minor,
    c.id as card_id, c.name, c.last_four, c.member_id, null as merchant, null as points
from (
    select id, txid, type, subject_id, created_at from events
    where {_AFTER_UP_TO} and type = 'charge.done' offset 0
) as e
join charges as h on h.id = e.subject_id
join cards as c on c.id = h.card_id and c.partition_id = h.partition_id
where c.member_id is not null and c.held_by = 'member'
order by e.txid, e.id
"""

# A code that is tried after it was used or when it is over: an old photograph, perhaps. What the predicate of
# the index `events_of_tried_codes` says, word for word.
TRIED_CODES: Final = f"""
select e.id as event_id, e.type, e.created_at, null::bigint as step_minor, false as is_load,
    false as was_approved, null as approval_code, a.amount_minor, a.currency, null::bigint as balance_minor,
    c.id as card_id, c.name, c.last_four, c.member_id, m.name as merchant, null as points
from (
    select id, txid, type, subject_id, created_at from events
    where {_AFTER_UP_TO} and type = 'authorization.declined'
        and data->>'decline' in ('code_used', 'code_expired') offset 0
) as e
cross join lateral (select * from authorizations where id = e.subject_id limit 1) as a
join cards as c on c.id = a.card_id and c.partition_id = a.partition_id
left join merchants as m on m.id = a.merchant_id
where c.member_id is not null and c.held_by = 'member'
order by e.txid, e.id
"""

LOCK_REACHED: Final = """
select expires_at, account_id from expiry_notices where days = $1 for update skip locked
"""

NEXT_LOTS: Final = """
select expires_at, account_id, source_id from lots
where closed_at is null and (expires_at, account_id) > ($1, $2) and expires_at > $3 and expires_at <= $4
order by expires_at, account_id limit $5
"""

# All that these balances lose at that moment, over all of its lots.
EXPIRING: Final = """
select l.source_id, l.expires_at, l.currency, coalesce(c.member_id, f.member_id) as member_id,
    c.id as card_id, c.name, c.last_four,
    sum(a.credits_posted_minor - a.debits_posted_minor - a.debits_pending_minor)::bigint as minor
from (
    select distinct source_id, expires_at from unnest($1::uuid[], $2::timestamptz[])
        as next (source_id, expires_at)
) as next
join lots as l on l.source_id = next.source_id and l.expires_at = next.expires_at and l.closed_at is null
join accounts as a on a.id = l.account_id and a.partition_id = l.partition_id
join funding_sources as f on f.id = l.source_id
left join lateral (
    select id, name, last_four, member_id from cards
    where own_source_id = l.source_id and held_by = 'member' limit 1
) as c on f.kind = 'stored_balance'
where case f.kind when 'points' then f.member_id else c.member_id end is not null
group by 1, 2, 3, 4, 5, 6, 7
having sum(a.credits_posted_minor - a.debits_posted_minor - a.debits_pending_minor) > 0
order by 1, 2
"""

SAVE_REACHED: Final = "update expiry_notices set expires_at = $2, account_id = $3 where days = $1"


async def last_of_batch(conn: Connection, range_: Range, limit: int) -> Position | None:
    """Where the next batch of events ends; None where there are none."""
    since, until = range_
    row = await conn.fetchrow(LAST_OF_BATCH, str(since.txid), since.event_id, str(until), limit)
    return Position(int(row["txid"]), EventId(row["id"])) if row else None


async def end_of(conn: Connection, range_: Range) -> Position | None:
    """The end of all that is outstanding; None where there is nothing in it."""
    since, until = range_
    has_news: bool = await conn.fetchval(HAS_NEWS, str(since.txid), since.event_id, str(until))
    return Position(until, FIRST) if has_news else None


async def are_payments_told(conn: Connection) -> bool:
    """Whether anybody wants to hear of payments at all."""
    told: bool = await conn.fetchval(ARE_PAYMENTS_TOLD)
    return told


async def uses(conn: Connection, since: Position, last: Position, types: Sequence[str]) -> list[Use]:
    """What happened to payments by members' cards after the one event, up to the other."""
    rows = await conn.fetch(USES, str(since.txid), since.event_id, str(last.txid), last.event_id, types)
    return [_use(row) for row in rows]


async def charges(conn: Connection, since: Position, last: Position) -> list[Use]:
    """What was charged meanwhile, by card or bank."""
    rows = await conn.fetch(CHARGES, str(since.txid), since.event_id, str(last.txid), last.event_id)
    return [_use(row) for row in rows]


async def tried_codes(conn: Connection, since: Position, last: Position) -> list[Use]:
    """Payment codes of members that were tried meanwhile though they were used or over."""
    rows = await conn.fetch(TRIED_CODES, str(since.txid), since.event_id, str(last.txid), last.event_id)
    return [_use(row) for row in rows]


async def expiring(
    conn: Connection, days: int, after: datetime, up_to: datetime, limit: int
) -> tuple[Sequence[Expiring], bool]:
    """What of the next lots expires between these moments, and whether there may be more.

    Goes on from where it was last, with the place locked until the commit; another process gets nothing.
    """
    reached = await conn.fetchrow(LOCK_REACHED, days)
    if reached is None:
        return (), False
    lots = await conn.fetch(NEXT_LOTS, *reached.values(), after, up_to, limit)
    if not lots:
        return (), False
    rows = await conn.fetch(EXPIRING, [row["source_id"] for row in lots], [row["expires_at"] for row in lots])
    await conn.execute(SAVE_REACHED, days, lots[-1]["expires_at"], lots[-1]["account_id"])
    return [_expiring(row) for row in rows], len(lots) == limit


def _use(row: Any) -> Use:
    return Use(
        event_id=row["event_id"],
        type=row["type"],
        at=row["created_at"],
        member_id=row["member_id"],
        card_id=row["card_id"],
        card_name=row["name"],
        card_last_four=row["last_four"],
        amount=Money(row["amount_minor"], CurrencyCode(row["currency"])),
        step_minor=row["step_minor"],
        is_load=row["is_load"],
        was_approved=row["was_approved"],
        approval_code=row["approval_code"],
        balance_minor=row["balance_minor"],
        merchant=row["merchant"],
        points=_POINTS.decode(row["points"]) if row["points"] is not None else (),
    )


def _expiring(row: Any) -> Expiring:
    return Expiring(
        source_id=row["source_id"],
        member_id=row["member_id"],
        expires_at=row["expires_at"],
        amount=Money(row["minor"], CurrencyCode(row["currency"])),
        card_id=row["card_id"],
        card_name=row["name"] or "",
        card_last_four=row["last_four"],
    )
