"""Rolling up the accounts that everybody hits, so that no payment waits for another at the same merchant."""

from collections.abc import Sequence

from obverse.kit.database import Database
from obverse.kit.ids import PartitionId
from obverse.ledger.repository import rollup


async def roll_up(database: Database, partition_ids: Sequence[PartitionId]) -> None:
    """Bring the rolled-up accounts up to date, one partition and commit at a time.

    Every few seconds is often enough; several processes may do it, they take turns.
    """
    for partition_id in partition_ids:
        async with database.transaction() as conn:
            await rollup.roll_up(conn, partition_id)
