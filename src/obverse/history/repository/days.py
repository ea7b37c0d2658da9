"""What happened between two moments, to all members at once."""

from typing import Final

from obverse.history.repository.parts import (
    IS_LOAD,
    MOVED_KIND,
    MOVED_MINOR,
    PAID_KIND,
    STEP_KIND,
    STEP_SIGN,
    STEPS,
)

_CARDS: Final = """
join cards as c on c.id = p.card_id and c.partition_id = p.partition_id
join tellings as z on z.member_id = c.member_id
"""

_OF_PAYMENT: Final = """
p.currency, c.id as card_id, c.name, c.last_four,
case when c.held_by = 'member' then p.merchant_id end as merchant_id, c.held_by = 'member' as shows_place
"""

# Every row is found by its id, which begins with the time of its making: `$1` and `$2` lie as far around the
# period as ids stray. Expects `tellings (member_id, since)`; `$3` is where the period ends.
# What a handed-over card does with a balance of its own is nothing to who gave it away.
OF_ALL_MEMBERS: Final = f"""
happened as (
    select c.member_id, p.id as reason_id, p.created_at as at, {PAID_KIND} as kind,
        -p.amount_minor as minor, {_OF_PAYMENT}
    from authorizations as p {_CARDS}
    where p.id > $1 and p.id < $2 and p.created_at >= z.since and p.created_at < $3
        and p.amount_minor > 0 and not {IS_LOAD}
        and (p.status in ('approved', 'expired') or p.status = 'reversed' and p.approval_code is not null)
        and (c.held_by = 'member' or c.kind = 'one_time')
    union all
    select c.member_id, p.id, t.created_at, 'release', t.amount_minor, {_OF_PAYMENT}
    from transfers as t
    join legs as l on l.authorization_id = t.subject_id and l.partition_id = t.partition_id
        and l.transfer_id = t.pending_id
    join authorizations as p on p.id = l.authorization_id and p.partition_id = l.partition_id {_CARDS}
    where t.id > $1 and t.id < $2 and t.kind = 'void' and t.created_at >= z.since and t.created_at < $3
        and p.approval_code is not null and not {IS_LOAD}
        and (c.held_by = 'member' or c.kind = 'one_time')
    union all
    select c.member_id, s.id, s.created_at, {STEP_KIND}, s.amount_minor * {STEP_SIGN}, {_OF_PAYMENT}
    from actions as s
    join authorizations as p on p.id = s.authorization_id and p.partition_id = s.partition_id {_CARDS}
    where s.id > $1 and s.id < $2 and s.created_at >= z.since and s.created_at < $3 and {STEPS}
        and (c.held_by = 'member' or c.kind = 'one_time')
    union all
    select z.member_id, t.subject_id, t.created_at, {MOVED_KIND}, {MOVED_MINOR}, t.currency,
        c.id, c.name, c.last_four, null, true
    from balance_entries as e
    join transfers as t on t.id = e.transfer_id and t.partition_id = e.partition_id
    join lots as lot on lot.account_id = e.account_id and lot.partition_id = e.partition_id
    join funding_sources as f on f.id = e.source_id
    left join lateral (
        select id, name, last_four, member_id from cards
        where own_source_id = e.source_id and held_by = 'member' limit 1
    ) as c on f.kind = 'stored_balance'
    join tellings as z on z.member_id = case f.kind when 'points' then f.member_id else c.member_id end
    where e.transfer_id > $1 and e.transfer_id < $2 and t.created_at >= z.since and t.created_at < $3
)"""
