"""Bringing rolled-up accounts up to date from the journal."""

from typing import Final

from obverse.kit.database import Connection
from obverse.kit.ids import PartitionId
from obverse.ledger.repository.entries import ENTRIES, SUMS

TAKE_TURN: Final = """
insert into ledger_rollups (partition_id, rolled_up_to) values ($1, '0')
on conflict (partition_id) do update set rolled_up_to = ledger_rollups.rolled_up_to
"""

# Everything below the oldest transaction still running is settled: no transfer can appear there any more.
HORIZON: Final = """
select rolled_up_to::text as since, pg_snapshot_xmin(pg_current_snapshot())::text as until
from ledger_rollups where partition_id = $1
"""

ROLL_UP: Final = f"""
with {ENTRIES}, sums as (
    select account_id, {SUMS}
    from entries
    where partition_id = $1 and txid >= $2::text::xid8 and txid < $3::text::xid8
    group by account_id
)
update accounts set
    debits_pending_minor = debits_pending_minor + sums.debits_pending,
    debits_posted_minor = debits_posted_minor + sums.debits_posted,
    credits_pending_minor = credits_pending_minor + sums.credits_pending,
    credits_posted_minor = credits_posted_minor + sums.credits_posted
from sums where accounts.partition_id = $1 and accounts.id = sums.account_id and accounts.rolled_up
"""

_PATIENCE_S: Final = 600
"""After an outage of this job there may be hours of transfers to add up."""

ADVANCE: Final = "update ledger_rollups set rolled_up_to = $2::text::xid8 where partition_id = $1"


async def roll_up(conn: Connection, partition_id: PartitionId) -> None:
    """Add what is settled since the last time to the rolled-up accounts of one partition.

    Transfers carry the transaction that wrote them; one roll-up takes those from where the last one
    stopped up to the oldest transaction still running, so that none is counted twice or missed.
    """
    await conn.execute(TAKE_TURN, partition_id)
    # A statement of its own: its snapshot is taken after the turn, not before.
    row = await conn.fetchrow(HORIZON, partition_id)
    assert row is not None, "taking the turn made the row"
    if row["since"] != row["until"]:
        await conn.execute(ROLL_UP, partition_id, row["since"], row["until"], timeout=_PATIENCE_S)
        await conn.execute(ADVANCE, partition_id, row["until"])
