"""What the journal has to say about payments, whatever has happened to them."""

from typing import Final

from obverse.kit.database import Database

# What the merchant was given, and what went back from the merchant, by whatever leg.
_MOVED_OTHERWISE: Final = """
with moved as (
    select t.partition_id, t.subject_id, sum(case
        when t.kind = 'post' then 0
        when t.kind = 'void' and t.credit_account_id = l.credit_account_id then -t.amount_minor
        when t.debit_account_id = l.credit_account_id then -t.amount_minor
        when t.credit_account_id = l.credit_account_id then t.amount_minor
        else 0 end) as minor
    from transfers as t
    join legs as l on (l.partition_id, l.authorization_id, l.position) = (t.partition_id, t.subject_id, 0)
    group by 1, 2
)
select a.id, a.status, a.amount_minor, a.captured_minor, a.released_minor, a.refunded_minor, m.minor
from authorizations as a left join moved as m on (m.partition_id, m.subject_id) = (a.partition_id, a.id)
where coalesce(m.minor, 0) <> case
    when a.status = 'approved' then a.amount_minor - a.released_minor - a.refunded_minor
    -- What was in dispute when a payment was undone is its merchant's until that is decided.
    when a.status = 'reversed' then a.captured_minor - a.refunded_minor else 0 end
"""

# Whatever has become of a payment is what its actions say, and what its legs say together.
_COUNTED_OTHERWISE: Final = """
with done as (
    select partition_id, authorization_id,
        coalesce(sum(amount_minor) filter (where kind = 'capture'), 0) as captured,
        coalesce(sum(amount_minor) filter (where kind in ('refund', 'reversal', 'dispute_lost')), 0)
            as refunded
    from actions group by 1, 2
), carried as (
    select partition_id, authorization_id, sum(captured_minor) as captured, sum(released_minor) as released,
        sum(refunded_minor) as refunded, sum(disputed_minor) as disputed
    from legs group by 1, 2
)
select a.id, a.status, a.captured_minor, a.refunded_minor, d.captured, d.refunded, c.captured, c.refunded
from authorizations as a
left join done as d on (d.partition_id, d.authorization_id) = (a.partition_id, a.id)
left join carried as c on (c.partition_id, c.authorization_id) = (a.partition_id, a.id)
where (a.captured_minor, a.refunded_minor) <> (coalesce(d.captured, 0), coalesce(d.refunded, 0))
    or (c.captured is not null and (a.captured_minor, a.released_minor, a.refunded_minor, a.disputed_minor)
        <> (c.captured, c.released, c.refunded, c.disputed))
"""

# What issuers have of their points that paid is what belongs to the money that did not go back.
_UNITS_OTHERWISE: Final = """
select authorization_id, position, units, units_back, amount_minor, released_minor, refunded_minor from legs
where kind = 'issuer_points' and amount_minor > 0 and status = 'approved'
    and units_back <> div(units::numeric * (released_minor + refunded_minor), amount_minor)
"""


async def nothing_is_held_for_what_was_undone(database: Database) -> None:
    """The journal holds or has moved exactly what is approved or captured, payment by payment.

    And the counters of each payment, of its legs and of its actions agree, in units as well as in money.
    """
    async with database.connection() as conn:
        assert [dict(row) for row in await conn.fetch(_MOVED_OTHERWISE)] == []
        assert [dict(row) for row in await conn.fetch(_COUNTED_OTHERWISE)] == []
        assert [dict(row) for row in await conn.fetch(_UNITS_OTHERWISE)] == []
