"""API keys in the database."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import asyncpg

from obverse.access.model import ApiKey, Scope
from obverse.kit.database import Connection
from obverse.kit.ids import ApiKeyId, MerchantId
from obverse.kit.paging import NEWEST, Page, PageRequest, cut

_COLUMNS: Final = """
id, last_four, name, merchant_id, scopes, live, created_at, revoked_at, ends_at, first_id, points_issuer_id
"""

INSERT: Final = """
insert into api_keys (id, token_hash, last_four, name, merchant_id, scopes, live, created_at, first_id,
    points_issuer_id)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""

FIND_VALID: Final = f"""
select token_hash, {_COLUMNS} from api_keys where token_hash = any($1::bytea[]) and revoked_at is null
"""

LOCK: Final = f"""
select {_COLUMNS} from api_keys
where id = any($1::uuid[]) and ($2::uuid is null or merchant_id = $2)
    and ($3::text[] is null or scopes <@ $3::text[])
order by id for no key update
"""

SET_END: Final = "update api_keys set revoked_at = $2, ends_at = $3 where id = $1"

PAGE: Final = f"""
select {_COLUMNS} from api_keys
where ($1::uuid is null or merchant_id = $1) and id < coalesce($2, {NEWEST})
order by id desc limit $3
"""


async def insert(conn: Connection, key: ApiKey, token_hash: bytes) -> None:
    await conn.execute(
        INSERT,
        key.id,
        token_hash,
        key.last_four,
        key.name,
        key.merchant_id,
        sorted(key.scopes),
        key.live,
        key.created_at,
        key.first_id,
        key.issuer_id,
    )


async def find_valid(conn: Connection, token_hashes: Sequence[bytes]) -> Mapping[bytes, ApiKey]:
    """The keys with these token hashes that are not revoked."""
    return {row["token_hash"]: _key(row) for row in await conn.fetch(FIND_VALID, token_hashes)}


async def lock(
    conn: Connection,
    ids: Sequence[ApiKeyId],
    merchant_id: MerchantId | None,
    within: Collection[Scope] | None,
) -> Mapping[ApiKeyId, ApiKey]:
    """Hold keys until the commit, of one merchant if given, with no scope outside of `within` if given."""
    scopes = None if within is None else sorted(within)
    return {row["id"]: _key(row) for row in await conn.fetch(LOCK, ids, merchant_id, scopes)}


async def set_end(conn: Connection, key: ApiKey) -> None:
    """Store when a key was revoked, and when it ends."""
    await conn.execute(SET_END, key.id, key.revoked_at, key.ends_at)


async def find_page(conn: Connection, page: PageRequest, merchant_id: MerchantId | None) -> Page[ApiKey]:
    """Keys, of one merchant if given, newest first, revoked ones included."""
    rows = await conn.fetch(PAGE, merchant_id, page.after, page.limit + 1)
    return cut([_key(row) for row in rows], page, lambda key: key.id)


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
        ends_at=row["ends_at"],
        first_id=row["first_id"],
        issuer_id=row["points_issuer_id"],
    )
