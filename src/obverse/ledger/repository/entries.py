"""Transfers as account entries: what both `rollup` and `audit` add up."""

from typing import Final

# Every transfer seen from both of its accounts, with the sign its kind has on pending and posted.
ENTRIES: Final = """
entries as (
    select t.partition_id, t.txid, t.currency, side.account_id, side.is_debit,
        t.amount_minor * case t.kind when 'pending' then 1 when 'posted' then 0 else -1 end as pending_minor,
        t.amount_minor * case t.kind when 'posted' then 1 when 'post' then 1 else 0 end as posted_minor
    from transfers as t
    cross join lateral (values (t.debit_account_id, true), (t.credit_account_id, false))
        as side (account_id, is_debit)
)"""

SUMS: Final = """
    coalesce(sum(pending_minor) filter (where is_debit), 0) as debits_pending,
    coalesce(sum(posted_minor) filter (where is_debit), 0) as debits_posted,
    coalesce(sum(pending_minor) filter (where not is_debit), 0) as credits_pending,
    coalesce(sum(posted_minor) filter (where not is_debit), 0) as credits_posted
"""
