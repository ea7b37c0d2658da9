"""Card number hashes that are to follow a change of keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from obverse.kit.database import Connection
from obverse.kit.ids import CardId, PartitionId, VaultCardId

COUNT_STALE: Final = "select count(*) from cards where number_hash_key < $1 and vault_card_id is null"

# `skip locked` never waits, so this cannot deadlock with payments in whatever order it locks. This order
# keeps it on the index: a scan of the table would pass over all the rows that earlier batches left behind.
LOCK_STALE: Final = """
select partition_id, id, bin, serial from cards where number_hash_key < $1 and vault_card_id is null
order by number_hash_key limit $2 for update skip locked
"""

COUNT_STALE_REGISTRATIONS: Final = """
select count(*) from cards where number_hash_key < $1 and vault_card_id is not null
"""

LOCK_STALE_REGISTRATIONS: Final = """
select partition_id, id, vault_card_id from cards where number_hash_key < $1 and vault_card_id is not null
order by number_hash_key limit $2 for update skip locked
"""

REHASH: Final = """
update cards set number_hash = fresh.number_hash, number_hash_key = $1
from unnest($2::smallint[], $3::uuid[], $4::bytea[]) as fresh (partition_id, id, number_hash)
where cards.partition_id = fresh.partition_id and cards.id = fresh.id
"""


@dataclass(frozen=True, slots=True)
class StaleCard:
    """A card whose number is still found under an older index key."""

    partition_id: PartitionId
    id: CardId
    bin: str
    serial: int


@dataclass(frozen=True, slots=True)
class StaleRegistration:
    """A registered card of which the same is true."""

    partition_id: PartitionId
    id: CardId
    vault_card_id: VaultCardId


async def count_stale(conn: Connection, key_version: int) -> int:
    count: int = await conn.fetchval(COUNT_STALE, key_version)
    return count


async def lock_stale(conn: Connection, key_version: int, limit: int) -> list[StaleCard]:
    """Up to `limit` cards hashed under a key before `key_version`, passing over what others hold."""
    return [StaleCard(*row.values()) for row in await conn.fetch(LOCK_STALE, key_version, limit)]


async def count_stale_registrations(conn: Connection, key_version: int) -> int:
    count: int = await conn.fetchval(COUNT_STALE_REGISTRATIONS, key_version)
    return count


async def lock_stale_registrations(conn: Connection, key_version: int, limit: int) -> list[StaleRegistration]:
    """Up to `limit` registered cards hashed under a key before `key_version`, as `lock_stale`."""
    rows = await conn.fetch(LOCK_STALE_REGISTRATIONS, key_version, limit)
    return [StaleRegistration(*row.values()) for row in rows]


async def rehash(
    conn: Connection,
    key_version: int,
    cards: Sequence[StaleCard | StaleRegistration],
    number_hashes: Sequence[bytes],
) -> None:
    """Store the hashes of these cards' numbers under this key."""
    await conn.execute(
        REHASH,
        key_version,
        [card.partition_id for card in cards],
        [card.id for card in cards],
        number_hashes,
    )
