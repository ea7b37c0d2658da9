"""What several questions have in common, as parts of statements."""

from typing import Final

from obverse.ledger.repository.entries import ENTRIES

PATIENCE_S: Final = 3_600
"""The whole journal is read."""

# What every account holds, debits less credits, for good: what is held is nobody's yet.
JOURNAL: Final = f"""{ENTRIES}, journal as (
    select partition_id, account_id, sum(case when is_debit then posted_minor else -posted_minor end) as minor
    from entries group by 1, 2
)"""

# What came in for an account, less what went out for it, by whosever hand. What is sent back is placed on its
# way out, where it counts as the transfer that it has become.
PLACED: Final = """placed as (
    select p.partition_id, p.account_id,
        sum(case r.direction when 'credit' then p.amount_minor else -p.amount_minor end) as minor
    from receipt_placements as p join receipts as r on r.id = p.receipt_id
    where not exists (select from bank_transfers as t where t.id = p.subject_id)
    group by 1, 2
)"""

# What card companies have still to be told of, leg by leg.
TO_PRESENT: Final = """to_present as (
    select a.partition_id, a.authorization_id, a.parts[l.position + 1]
        * case when a.kind in ('capture', 'dispute_won') then 1 else -1 end as minor
    from actions as a
    join legs as l on (l.partition_id, l.authorization_id) = (a.partition_id, a.authorization_id)
    where a.to_present and l.kind = 'linked_card'
)"""

PRESENTED_MINOR: Final = "case direction when 'debit' then amount_minor else -amount_minor end"
