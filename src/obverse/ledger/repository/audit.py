"""Proof that the cached balances follow from the journal, and the trial balance. Reads only."""

from typing import Final

from obverse.kit.database import Connection
from obverse.ledger.model import Break, TrialBalanceLine
from obverse.ledger.repository.entries import ENTRIES, SUMS

# A rolled-up account stands where its last roll-up left it; later transfers are not in its balance yet.
WRONG_BALANCES: Final = f"""
with {ENTRIES}, journal as (
    select e.partition_id, e.account_id, {SUMS}
    from entries as e
    join accounts as a on a.partition_id = e.partition_id and a.id = e.account_id
    left join ledger_rollups as r on r.partition_id = e.partition_id
    where not a.rolled_up or e.txid < r.rolled_up_to
    group by e.partition_id, e.account_id
)
select a.partition_id, a.id
from accounts as a left join journal as j on j.partition_id = a.partition_id and j.account_id = a.id
where (a.debits_pending_minor, a.debits_posted_minor, a.credits_pending_minor, a.credits_posted_minor)
    is distinct from (coalesce(j.debits_pending, 0), coalesce(j.debits_posted, 0),
        coalesce(j.credits_pending, 0), coalesce(j.credits_posted, 0))
"""

# What foreign keys would have promised.
LOST_ENTRIES: Final = f"""
with {ENTRIES}
select distinct e.partition_id, e.account_id as id
from entries as e left join accounts as a on a.partition_id = e.partition_id and a.id = e.account_id
where a.id is null or a.currency <> e.currency
"""

WRONG_RESOLUTIONS: Final = """
select done.partition_id, done.id
from transfers as done
left join transfers as pending
    on pending.partition_id = done.partition_id and pending.id = done.pending_id and pending.kind = 'pending'
where done.pending_id is not null and (
    pending.id is null or pending.amount_minor <> done.pending_minor
    or pending.debit_account_id <> done.debit_account_id
    or pending.credit_account_id <> done.credit_account_id
    or done.resolved_before_minor <> (
        select coalesce(sum(earlier.amount_minor), 0) from transfers as earlier
        where earlier.partition_id = done.partition_id and earlier.pending_id = done.pending_id
            and earlier.resolved_before_minor < done.resolved_before_minor))
"""

TRIAL_BALANCE: Final = f"""
with {ENTRIES}
select e.currency, coalesce(a.kind, 'missing') as kind, {SUMS}
from entries as e left join accounts as a on a.partition_id = e.partition_id and a.id = e.account_id
group by 1, 2 order by 1, 2
"""


_QUESTIONS: Final = {
    "wrong_balance": WRONG_BALANCES,
    "lost_entry": LOST_ENTRIES,
    "wrong_resolution": WRONG_RESOLUTIONS,
}
_PATIENCE_S: Final = 3_600
"""The whole journal is read."""
_SIDES: Final = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")


async def find_breaks(conn: Connection) -> list[Break]:
    """Every balance, entry and resolution that contradicts the journal; the caller holds one snapshot."""
    return [
        Break(problem, row["partition_id"], row["id"])
        for problem, question in _QUESTIONS.items()
        for row in await conn.fetch(question, timeout=_PATIENCE_S)
    ]


async def trial_balance(conn: Connection) -> list[TrialBalanceLine]:
    """The journal added up by currency and kind of account."""
    return [
        TrialBalanceLine(row["currency"], row["kind"], *(int(row[side]) for side in _SIDES))
        for row in await conn.fetch(TRIAL_BALANCE, timeout=_PATIENCE_S)
    ]
