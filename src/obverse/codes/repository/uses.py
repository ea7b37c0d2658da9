"""What the engine does with payment codes, and guesses at them, in the database."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from obverse.codes.model import Code, Guesses
from obverse.kit.database import Connection
from obverse.kit.ids import MerchantId, PartitionId

_COLUMNS: Final = "code_hash, card_id, device_id, valid_from, expires_at, used_by, pin_tries, member_id"

FIND: Final = f"""
select {_COLUMNS} from payment_codes where partition_id = $1 and code_hash = any($2::bytea[])
"""

# Before cards and after authorizations, in the order of their hashes: the same order everywhere.
LOCK: Final = f"{FIND} order by code_hash for update"

SAVE_USES: Final = """
update payment_codes as c set used_by = used.used_by, pin_tries = used.pin_tries
from unnest($2::bytea[], $3::uuid[], $4::smallint[]) as used (code_hash, used_by, pin_tries)
where c.partition_id = $1 and c.code_hash = used.code_hash
"""

GUESSES: Final = (
    "select merchant_id, terminal, sum(count)::int from code_guesses where hour = $1 group by 1, 2"
)

NOTE_GUESSES: Final = """
insert into code_guesses (partition_id, hour, merchant_id, terminal, count)
select $1, $2, * from unnest($3::uuid[], $4::text[], $5::int[]) as tried (merchant_id, terminal, count)
order by merchant_id, terminal
on conflict (hour, merchant_id, terminal, partition_id) do update
set count = code_guesses.count + excluded.count
"""


async def lock(conn: Connection, partition_id: PartitionId, hashes: Sequence[bytes]) -> dict[bytes, Code]:
    """The codes with these hashes, held until the commit; unknown ones are absent."""
    return {code.hash: code for code in map(_code, await conn.fetch(LOCK, partition_id, hashes))}


async def find(conn: Connection, partition_id: PartitionId, hashes: Sequence[bytes]) -> dict[bytes, Code]:
    """The same, without a lock."""
    return {code.hash: code for code in map(_code, await conn.fetch(FIND, partition_id, hashes))}


async def save_uses(conn: Connection, partition_id: PartitionId, codes: Sequence[Code]) -> None:
    """Store what payments have left of codes; the caller holds their locks."""
    await conn.execute(
        SAVE_USES,
        partition_id,
        [code.hash for code in codes],
        [code.used_by for code in codes],
        [code.pin_tries for code in codes],
    )


async def guesses(conn: Connection, now: datetime) -> Guesses:
    """What was tried in vain within this hour."""
    rows = await conn.fetch(GUESSES, hour_of(now))
    of_merchants: dict[MerchantId, int] = {}
    for merchant_id, _, count in rows:
        of_merchants[merchant_id] = of_merchants.get(merchant_id, 0) + count
    return Guesses(
        of_terminals={(merchant_id, terminal): count for merchant_id, terminal, count in rows},
        of_merchants=of_merchants,
        overall=sum(of_merchants.values()),
    )


async def note_guesses(
    conn: Connection,
    partition_id: PartitionId,
    tried: Mapping[tuple[MerchantId, str], int],
    now: datetime,
) -> None:
    """Count codes that were tried and never made, last of all that a commit does."""
    await conn.execute(
        NOTE_GUESSES,
        partition_id,
        hour_of(now),
        [merchant_id for merchant_id, _ in tried],
        [terminal for _, terminal in tried],
        list(tried.values()),
    )


def hour_of(now: datetime) -> datetime:
    """The hour within which guesses are counted together."""
    return now.replace(minute=0, second=0, microsecond=0)


def _code(row: Any) -> Code:
    return Code(*row)
