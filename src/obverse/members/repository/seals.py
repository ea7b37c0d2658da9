"""Everything this room keeps sealed, place by place, as a change of keys sees it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from obverse.kit.database import Connection
from obverse.kit.secret import Sealed


@dataclass(frozen=True, slots=True)
class Place:
    """One sealed column; `context` is what binds its seals to their rows, before the row's id."""

    name: str
    context: str
    table: str
    id: str
    column: str

    def context_of(self, id_: UUID) -> bytes:
        return f"{self.context}:{id_}".encode()


ADDRESSES: Final = Place("addresses", "member_address", "members", "id", "address")
PERSONS: Final = Place("profiles", "member_person", "member_profiles", "member_id", "person")
CHANGES: Final = Place("changes of addresses", "member_change", "member_changes", "id", "value")
TOTP_SECRETS: Final = Place("one-time code secrets", "member_totp", "member_totp", "member_id", "secret")
PLACES: Final = (ADDRESSES, PERSONS, CHANGES, TOTP_SECRETS)


async def count_stale(conn: Connection, place: Place, key_version: int) -> int:
    """How many rows are sealed under an older key."""
    count: int = await conn.fetchval(
        f"select count(*) from {place.table} where {place.column}_key < $1", key_version
    )
    return count


async def lock_stale(
    conn: Connection, place: Place, key_version: int, limit: int
) -> list[tuple[UUID, Sealed]]:
    """Up to `limit` of them in id order, passing over what others hold."""
    rows = await conn.fetch(
        f"""
        select {place.id}, {place.column}_key, {place.column}_sealed from {place.table}
        where {place.column}_key < $1 order by {place.id} limit $2 for update skip locked
        """,
        key_version,
        limit,
    )
    return [(id_, Sealed(version, ciphertext)) for id_, version, ciphertext in rows]


async def reseal(conn: Connection, place: Place, fresh: Sequence[tuple[UUID, Sealed]]) -> None:
    await conn.execute(
        f"""
        update {place.table} set {place.column}_sealed = fresh.sealed, {place.column}_key = fresh.key_version
        from unnest($1::uuid[], $2::bytea[], $3::smallint[]) as fresh (id, sealed, key_version)
        where {place.table}.{place.id} = fresh.id
        """,
        [id_ for id_, _ in fresh],
        [sealed.ciphertext for _, sealed in fresh],
        [sealed.key_version for _, sealed in fresh],
    )
