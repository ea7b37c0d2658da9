"""Linked cards in the database, and the locks that order changes of keys and of cards."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from obverse.kit.database import Connection
from obverse.kit.ids import VaultCardId
from obverse.kit.secret import Sealed
from obverse.vault.model import KeyedHash, VaultCard

KEYS_LOCK: Final = (0x0B5E, 1)
"""Advisory lock (two-int space): shared by transactions that write under the active keys, exclusive to
change which keys there are."""


SHARE_KEYS: Final = "select pg_advisory_xact_lock_shared($1, $2)"

TAKE_KEYS: Final = "select pg_advisory_xact_lock($1, $2)"

LOCK_NUMBER: Final = "select pg_advisory_xact_lock($1)"

FIND: Final = "select id, fingerprint from vault_cards where fingerprint = any($1::bytea[])"

INSERT: Final = """
insert into vault_cards (id, ciphertext, encryption_key, fingerprint, fingerprint_key, first_six, last_four,
                         exp_month, exp_year, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (fingerprint) do nothing
returning true
"""

LOAD: Final = """
select id, ciphertext, encryption_key, first_six, last_four, exp_month, exp_year, created_at
from vault_cards where id = any($1::uuid[])
"""

SET_EXPIRY: Final = "update vault_cards set exp_month = $2, exp_year = $3 where id = $1"

# Not `<>`, which no index serves.
_OUTDATED: Final = """
(encryption_key < $1 or encryption_key > $1 or fingerprint_key < $2 or fingerprint_key > $2)
"""

COUNT_OUTDATED: Final = f"select count(*) from vault_cards where {_OUTDATED}"

LOCK_OUTDATED: Final = f"""
select id, ciphertext, encryption_key from vault_cards where {_OUTDATED} limit $3 for update skip locked
"""

SAVE_REKEYED: Final = """
update vault_cards
set ciphertext = fresh.ciphertext, encryption_key = fresh.encryption_key,
    fingerprint = fresh.fingerprint, fingerprint_key = fresh.fingerprint_key
from unnest($1::uuid[], $2::bytea[], $3::smallint[], $4::bytea[], $5::smallint[])
     as fresh (id, ciphertext, encryption_key, fingerprint, fingerprint_key)
where vault_cards.id = fresh.id
"""


class SealedCard(NamedTuple):
    """A stored card with its closed number."""

    card: VaultCard
    sealed: Sealed


class Rekeyed(NamedTuple):
    """What a rotation changes of a row."""

    id: VaultCardId
    sealed: Sealed
    fingerprint: KeyedHash


async def share_keys_lock(conn: Connection) -> None:
    await conn.execute(SHARE_KEYS, *KEYS_LOCK)


async def take_keys_lock(conn: Connection) -> None:
    await conn.execute(TAKE_KEYS, *KEYS_LOCK)


async def lock_number(conn: Connection, lock: int) -> None:
    """Wait until nobody else stores the same number; `lock` is a signed 64-bit keyed digest of it."""
    await conn.execute(LOCK_NUMBER, lock)


async def find_cards(conn: Connection, fingerprints: Sequence[bytes]) -> Mapping[bytes, VaultCardId]:
    """The stored cards among these fingerprints."""
    return {row["fingerprint"]: VaultCardId(row["id"]) for row in await conn.fetch(FIND, fingerprints)}


async def insert_card(conn: Connection, row: SealedCard, fingerprint: KeyedHash) -> bool:
    """Store one card; False where the fingerprint is there already."""
    card, sealed = row
    inserted = await conn.fetchval(
        INSERT,
        card.id,
        sealed.ciphertext,
        sealed.key_version,
        fingerprint.digest,
        fingerprint.key_version,
        card.first_six,
        card.last_four,
        card.exp_month,
        card.exp_year,
        card.created_at,
    )
    return inserted is not None


async def load_cards(conn: Connection, ids: Sequence[VaultCardId]) -> Sequence[SealedCard]:
    """The stored cards among these ids, without a lock."""
    rows = await conn.fetch(LOAD, ids)
    return [
        SealedCard(
            VaultCard(
                id=VaultCardId(row["id"]),
                first_six=row["first_six"],
                last_four=row["last_four"],
                exp_month=row["exp_month"],
                exp_year=row["exp_year"],
                created_at=row["created_at"],
            ),
            Sealed(row["encryption_key"], row["ciphertext"]),
        )
        for row in rows
    ]


async def set_expiry(conn: Connection, id_: VaultCardId, exp_month: int, exp_year: int) -> None:
    await conn.execute(SET_EXPIRY, id_, exp_month, exp_year)


async def count_outdated(conn: Connection, encryption: int, index: int) -> int:
    """How many rows are on another version than these two."""
    count: int = await conn.fetchval(COUNT_OUTDATED, encryption, index)
    return count


async def lock_outdated(
    conn: Connection, encryption: int, index: int, limit: int
) -> Sequence[tuple[VaultCardId, Sealed]]:
    """Up to `limit` rows on another version than these two, locked; rows that others hold are passed over."""
    rows = await conn.fetch(LOCK_OUTDATED, encryption, index, limit)
    return [(VaultCardId(row["id"]), Sealed(row["encryption_key"], row["ciphertext"])) for row in rows]


async def save_rekeyed(conn: Connection, rows: Sequence[Rekeyed]) -> None:
    await conn.execute(
        SAVE_REKEYED,
        [row.id for row in rows],
        [row.sealed.ciphertext for row in rows],
        [row.sealed.key_version for row in rows],
        [row.fingerprint.digest for row in rows],
        [row.fingerprint.key_version for row in rows],
    )
