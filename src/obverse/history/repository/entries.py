"""Entries of a member's cards, or of one card, newest first."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from obverse.cards.model import CardKind
from obverse.history.model import Entry, EntryKind, Filter
from obverse.history.repository.parts import (
    IS_LOAD,
    MOVED_KIND,
    MOVED_MINOR,
    PAID_KIND,
    STEP_KIND,
    STEP_SIGN,
    STEPS,
    numbered,
)
from obverse.kit.database import Connection
from obverse.kit.ids import CardId, MemberId
from obverse.kit.money import CurrencyCode, Money
from obverse.kit.paging import NEWEST
from obverse.wallet.model import SourceKind

# What a card was tried for before somebody took it over is none of theirs (OT-8); all of it came back.
_CLAIMED: Final = """
(select max(claimed_at) from claim_links as k where k.card_id = c.id and k.partition_id = c.partition_id)
"""

# With `$2`, whoever sees where handed-over cards are spent.
_OF_MEMBER: Final = f"""
own as (
    select id, partition_id, kind, name, last_four, funding, held_by = 'member' or $2 as shows_place,
        case when held_by = 'member' and not $2 then {_CLAIMED} end as since
    from cards as c where member_id = $1
), balances as (
    select f.id, c.id as card_id, c.kind as card_kind, c.name, c.last_four
    from own as c cross join lateral unnest(c.funding) as u (id) join funding_sources as f on f.id = u.id
    where f.kind = 'stored_balance' and c.shows_place
    union all
    select id, null, null, '', null from funding_sources where member_id = $1 and kind = 'points'
)"""

# Whoever has one card in hand, and learns nothing of who pays behind it.
_OF_CARD: Final = f"""
own as (
    select id, partition_id, kind, name, last_four, funding, true as shows_place,
        case when $2 then {_CLAIMED} end as since
    from cards as c where id = $1
), balances as (
    select f.id, c.id as card_id, c.kind as card_kind, c.name, c.last_four
    from own as c cross join lateral unnest(c.funding) as u (id) join funding_sources as f on f.id = u.id
    where f.kind = 'stored_balance'
)"""

# From the cards to what belongs to each; `offset 0` keeps that order whatever the planner believes.
_MOVED: Final = f"""
paid as materialized (
    select c.id as card_id, c.kind as card_kind, c.name, c.last_four, c.shows_place, p.*, l.position,
        l.source_id, l.source_kind, l.leg_minor, l.units, l.transfer_id,
        {IS_LOAD} as is_load, l.open_minor > 0 and p.status in ('processing', 'approved') as is_pending
    from own as c
    cross join lateral (
        select id, partition_id, status, purpose, entry, currency, merchant_id, captured_at_once, created_at
        from authorizations where card_id = c.id and status <> 'declined'
            and (c.since is null or created_at >= c.since) offset 0
    ) as p
    cross join lateral (
        select position, source_id, kind as source_kind, amount_minor as leg_minor, units, transfer_id,
            amount_minor - captured_minor - released_minor as open_minor
        from legs where authorization_id = p.id and partition_id = p.partition_id and amount_minor > 0
            and transfer_id is not null offset 0
    ) as l
    where c.shows_place or l.source_kind <> 'stored_balance'
), moved as (
    select {numbered("p.id", "p.position")} as id, p.id as reason_id, p.created_at as at, {PAID_KIND} as kind,
        -p.leg_minor as minor, p.is_pending, p.currency,
        p.source_id, p.source_kind, p.card_id, p.card_kind, p.name, p.last_four,
        p.shows_place, p.merchant_id, p.id as authorization_id, p.leg_minor, p.units
    from paid as p where not p.is_load
    union all
    select t.id, p.id, t.created_at, 'release', t.amount_minor, false, p.currency,
        p.source_id, p.source_kind, p.card_id, p.card_kind, p.name, p.last_four,
        p.shows_place, p.merchant_id, p.id, p.leg_minor, p.units
    from paid as p cross join lateral (
        select id, created_at, amount_minor from transfers
        where pending_id = p.transfer_id and partition_id = p.partition_id and kind = 'void' offset 0
    ) as t
    where not p.is_load
    union all
    select {numbered("s.id", "p.position")}, s.id, s.created_at, {STEP_KIND},
        s.parts[p.position + 1] * {STEP_SIGN}, false, p.currency,
        p.source_id, p.source_kind, p.card_id, p.card_kind, p.name, p.last_four,
        p.shows_place, p.merchant_id, p.id, p.leg_minor, p.units
    from paid as p cross join lateral (
        select id, kind, parts, created_at from actions
        where authorization_id = p.id and partition_id = p.partition_id offset 0
    ) as s
    where s.parts[p.position + 1] > 0 and {STEPS}
    union all
    select {numbered("t.id", "(t.debit_account_id = lot.account_id)::int")}, t.subject_id, t.created_at,
        {MOVED_KIND}, {MOVED_MINOR}, false, t.currency,
        b.id, f.kind, b.card_id, b.card_kind, b.name, b.last_four, true, null, null, null, null
    from balances as b
    join funding_sources as f on f.id = b.id
    join balance_entries as e on e.source_id = b.id
    join transfers as t on t.id = e.transfer_id and t.partition_id = e.partition_id
    join lots as lot on lot.account_id = e.account_id and lot.partition_id = e.partition_id
)"""


# What `points.rules.units_due_back` says: as many units are back as their part of the money, and all for all.
# Only issuer's points have units; such a source has one leg in a payment.
_UNITS: Final = """
case when m.minor < 0 then -leg_units else (
    div(leg_units * sum(greatest(m.minor, 0)) over given, leg_minor)
    - div(leg_units * (sum(greatest(m.minor, 0)) over given - m.minor), leg_minor)
)::bigint end
"""


def _told(merges: str) -> str:
    """One entry for what one event did to one source, over however many lots; or to all that paid."""
    return f"""
merged as (
    select min(id::text collate "C")::uuid as id, at,
        case when kind = 'call' and not shows_place then 'payment' else kind end as kind,
        sum(minor)::bigint as minor, bool_or(is_pending) as is_pending, currency,
        case when {merges} and source_kind <> 'stored_balance' then null else source_id end as source_id,
        case when {merges} and source_kind <> 'stored_balance' then null else source_kind end as source_kind,
        card_id, card_kind, name, last_four, authorization_id,
        case when shows_place then merchant_id end as merchant_id,
        case when not {merges} then max(units) end as leg_units, max(leg_minor) as leg_minor
    from moved group by reason_id, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14
), held as (
    select l.source_id,
        sum(a.credits_posted_minor - a.debits_posted_minor - a.debits_pending_minor)::bigint as minor
    from balances as b join lots as l on l.source_id = b.id
    join accounts as a on a.id = l.account_id and a.partition_id = l.partition_id
    group by 1
), told as (
    select m.*, held.minor - coalesce(sum(m.minor) over (
        partition by m.source_id order by m.id desc rows between unbounded preceding and 1 preceding
    ), 0)::bigint as balance_minor, {_UNITS} as units
    from merged as m left join held on held.source_id = m.source_id
    window given as (partition by m.authorization_id, m.source_id order by m.id)
)
select told.*, merchants.name as merchant_name from told left join merchants on merchants.id = merchant_id
where told.id < coalesce($3, {NEWEST})
    and at >= coalesce($5::timestamptz, '-infinity') and at < coalesce($6::timestamptz, 'infinity')
    and ($7::uuid is null or card_id = $7) and ($8::text[] is null or kind = any($8))
order by told.id desc limit $4
"""


MEMBERS_ENTRIES: Final = f"with {_OF_MEMBER}, {_MOVED}, {_told('false')}"
CARDS_ENTRIES: Final = f"with {_OF_CARD}, {_MOVED}, {_told('$2')}"


async def of_member(
    conn: Connection,
    member_id: MemberId,
    wanted: Filter,
    after: UUID | None,
    limit: int,
    *,
    sees_all: bool,
) -> list[Entry]:
    """Entries of a member's cards and points, older than `after`; `sees_all` is the operator's."""
    filters = _filters(wanted)
    rows = await conn.fetch(MEMBERS_ENTRIES, member_id, sees_all, after, limit, *filters)
    return [_entry(row) for row in rows]


async def of_card(
    conn: Connection, card_id: CardId, wanted: Filter, after: UUID | None, limit: int, *, sees_all: bool
) -> list[Entry]:
    """Entries of one card that is no member's, or not in its member's hand. Only `sees_all` sees who pays."""
    filters = _filters(wanted)
    rows = await conn.fetch(CARDS_ENTRIES, card_id, not sees_all, after, limit, *filters)
    return [_entry(row) for row in rows]


def _filters(wanted: Filter) -> Sequence[object]:
    kinds = sorted(wanted.kinds) if wanted.kinds is not None else None
    return wanted.since, wanted.until, wanted.card_id, kinds


def _entry(row: Any) -> Entry:
    return Entry(
        id=row["id"],
        at=row["at"],
        kind=EntryKind(row["kind"]),
        amount=Money(row["minor"], CurrencyCode(row["currency"])),
        balance_minor=row["balance_minor"],
        is_pending=row["is_pending"],
        source_id=row["source_id"],
        source_kind=SourceKind(row["source_kind"]) if row["source_kind"] is not None else None,
        card_id=row["card_id"],
        card_kind=CardKind(row["card_kind"]) if row["card_kind"] is not None else None,
        card_name=row["name"] or "",  # points lie on no card
        card_last_four=row["last_four"],
        merchant_id=row["merchant_id"],
        merchant_name=row["merchant_name"],
        authorization_id=row["authorization_id"],
        units=row["units"],
    )
