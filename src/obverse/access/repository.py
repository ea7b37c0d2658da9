"""The SQL of access: table api_keys."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from obverse.access.model import ApiKey, Scope
from obverse.kit.database import Connection
from obverse.kit.ids import ApiKeyId, MerchantId

_COLUMNS = "id, last_four, name, merchant_id, scopes, live, created_at, revoked_at"


async def insert_key(conn: Connection, key: ApiKey, token_hash: bytes) -> None:
    await conn.execute(
        """
        insert into api_keys (id, token_hash, last_four, name, merchant_id, scopes, live, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        key.id,
        token_hash,
        key.last_four,
        key.name,
        key.merchant_id,
        sorted(key.scopes),
        key.live,
        key.created_at,
    )


async def find_valid(conn: Connection, token_hashes: Sequence[bytes]) -> Mapping[bytes, ApiKey]:
    """The keys with these token hashes that are not revoked."""
    rows = await conn.fetch(
        f"select token_hash, {_COLUMNS} from api_keys"
        " where token_hash = any($1::bytea[]) and revoked_at is null",
        token_hashes,
    )
    return {row["token_hash"]: _key(row) for row in rows}


async def revoke(
    conn: Connection, ids: Sequence[ApiKeyId], merchant_id: MerchantId | None, now: datetime
) -> Mapping[ApiKeyId, ApiKey]:
    """Revoke keys, of one merchant if given; a key revoked before keeps its time. Returns those found."""
    rows = await conn.fetch(
        f"""
        update api_keys set revoked_at = coalesce(revoked_at, $3)
        where id = any($1::uuid[]) and ($2::uuid is null or merchant_id = $2)
        returning {_COLUMNS}
        """,
        ids,
        merchant_id,
        now,
    )
    return {ApiKeyId(row["id"]): _key(row) for row in rows}


async def list_keys(
    conn: Connection, merchant_id: MerchantId | None, after: UUID | None, limit: int
) -> Sequence[ApiKey]:
    """Keys, of one merchant if given, newest first, older than `after`."""
    rows = await conn.fetch(
        f"""
        select {_COLUMNS} from api_keys
        where ($1::uuid is null or merchant_id = $1) and ($2::uuid is null or id < $2)
        order by id desc limit $3
        """,
        merchant_id,
        after,
        limit,
    )
    return [_key(row) for row in rows]


def _key(row: asyncpg.Record) -> ApiKey:
    return ApiKey(
        id=ApiKeyId(row["id"]),
        name=row["name"],
        last_four=row["last_four"],
        merchant_id=row["merchant_id"],
        scopes=frozenset(Scope(scope) for scope in row["scopes"]),
        live=row["live"],
        created_at=row["created_at"],
        revoked_at=row["revoked_at"],
    )
