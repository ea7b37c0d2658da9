"""What the journal has to say about payments, whatever has happened to them."""

from typing import Final

from obverse.kit.database import Database

# What goes back after a capture goes from the merchant's account, which every leg of a payment credits.
_MOVED_OTHERWISE: Final = """
with moved as (
    select t.partition_id, t.subject_id, sum(case
        when t.kind = 'void' then -t.amount_minor
        when t.kind = 'post' then 0
        when t.debit_account_id = l.credit_account_id then -t.amount_minor
        else t.amount_minor end) as minor
    from transfers as t
    join legs as l on (l.partition_id, l.authorization_id, l.position) = (t.partition_id, t.subject_id, 0)
    group by 1, 2
)
select a.id, a.status, a.amount_minor, a.captured_minor, m.minor
from authorizations as a left join moved as m on (m.partition_id, m.subject_id) = (a.partition_id, a.id)
where coalesce(m.minor, 0) <> case
    when a.status <> 'approved' then 0 when a.captured_minor > 0 then a.captured_minor else a.amount_minor end
"""


async def nothing_is_held_for_what_was_undone(database: Database) -> None:
    """The journal holds or has moved exactly what is approved or captured, payment by payment."""
    async with database.connection() as conn:
        assert [dict(row) for row in await conn.fetch(_MOVED_OTHERWISE)] == []
