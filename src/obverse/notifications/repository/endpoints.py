"""Endpoints and their signing secrets."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from obverse.kit.database import Connection
from obverse.kit.ids import EndpointId, MerchantId
from obverse.kit.paging import NEWEST, Page, PageRequest, cut
from obverse.kit.secret import Sealed
from obverse.notifications.model import Endpoint, EndpointState, SealedSecret

_COLUMNS: Final = "id, merchant_id, url, event_types, description, state, failing_since, created_at"

# One who registers waits for another of the same merchant, so that the count below stays true.
QUEUE_UP: Final = "select pg_advisory_xact_lock(hashtextextended('webhook endpoints of ' || $1::text, 0))"

COUNT: Final = """
select count(*) from webhook_endpoints where merchant_id is not distinct from $1 and deleted_at is null
"""

INSERT: Final = """
insert into webhook_endpoints (id, merchant_id, url, event_types, description, state, created_at)
values ($1, $2, $3, $4, $5, $6, $7)
"""

_OWN: Final = "id = $1 and ($2::uuid is null or merchant_id = $2) and deleted_at is null"

FIND: Final = f"select {_COLUMNS} from webhook_endpoints where {_OWN}"

LOCK: Final = FIND + " for update"

PAGE: Final = f"""
select {_COLUMNS} from webhook_endpoints
where ($1::uuid is null or merchant_id = $1) and ($2::text is null or state = $2) and deleted_at is null
    and id < coalesce($3, {NEWEST})
order by id desc limit $4
"""

UPDATE: Final = "update webhook_endpoints set url = $2, event_types = $3, description = $4 where id = $1"

# What happened while it was disabled is history to it: only what commits from now on is sent by itself.
ENABLE: Final = """
update webhook_endpoints
set state = 'enabled', failing_since = null, listens_from = pg_snapshot_xmin(pg_current_snapshot())
where id = $1
"""

DISABLE: Final = """
update webhook_endpoints set state = 'disabled'
where id in (select id from webhook_endpoints where id = any($1::uuid[]) and state = 'enabled'
             order by id for update)
    and failing_since <= coalesce($2, 'infinity'::timestamptz)
returning id, merchant_id
"""

DISABLE_BY_HAND: Final = "update webhook_endpoints set state = 'disabled' where id = $1"

DELETE: Final = "update webhook_endpoints set state = 'disabled', deleted_at = $2 where id = $1"

# Only what changes is written: an endpoint that works is not touched by its thousand deliveries a second.
SET_HEALTH: Final = """
with found as (
    select id, through from webhook_endpoints
    join unnest($1::uuid[], $2::boolean[]) as tried (id, through) using (id)
    where through = (failing_since is not null)
    order by id for update of webhook_endpoints
)
update webhook_endpoints set failing_since = case when through then null else $3::timestamptz end
from found where webhook_endpoints.id = found.id
"""

INSERT_SIGNING: Final = """
insert into webhook_secrets (id, endpoint_id, ciphertext, encryption_key) values ($1, $2, $3, $4)
"""

# Of the old ones only the newest lives on, however often the secret is changed in a day.
FORGET_OLD_SECRETS: Final = "delete from webhook_secrets where endpoint_id = $1 and expires_at is not null"

EXPIRE_SIGNING: Final = """
update webhook_secrets set expires_at = $2 where endpoint_id = $1 and expires_at is null
"""

FORGET_SECRETS: Final = "delete from webhook_secrets where endpoint_id = $1"

FORGET_REPLAYS: Final = "delete from webhook_replays where endpoint_id = $1"

LOAD_SIGNING: Final = """
select id, endpoint_id, encryption_key, ciphertext from webhook_secrets
where endpoint_id = any($1::uuid[]) and (expires_at is null or expires_at > $2)
order by expires_at nulls first
"""

COUNT_STALE_SECRETS: Final = "select count(*) from webhook_secrets where encryption_key <> $1"

LOCK_STALE_SECRETS: Final = """
select id, endpoint_id, encryption_key, ciphertext from webhook_secrets where encryption_key <> $1
limit $2 for update skip locked
"""

RESEAL: Final = """
update webhook_secrets set encryption_key = fresh.encryption_key, ciphertext = fresh.ciphertext
from unnest($1::uuid[], $2::smallint[], $3::bytea[]) as fresh (id, encryption_key, ciphertext)
where webhook_secrets.id = fresh.id
"""

SWEEP_SECRETS: Final = "delete from webhook_secrets where expires_at <= $1"

SWEEP_DELETED: Final = """
delete from webhook_endpoints where deleted_at <= $1
    and not exists (select 1 from webhook_deliveries where endpoint_id = webhook_endpoints.id)
"""


async def queue_up(conn: Connection, merchant_id: MerchantId | None) -> None:
    """Wait for others who register an endpoint of the same merchant."""
    await conn.execute(QUEUE_UP, str(merchant_id))


async def count(conn: Connection, merchant_id: MerchantId | None) -> int:
    """How many endpoints there are of this merchant; with None, of the platform itself."""
    found: int = await conn.fetchval(COUNT, merchant_id)
    return found


async def insert(conn: Connection, endpoint: Endpoint) -> None:
    await conn.execute(
        INSERT,
        endpoint.id,
        endpoint.merchant_id,
        endpoint.url,
        endpoint.event_types,
        endpoint.description,
        endpoint.state,
        endpoint.created_at,
    )


async def find(conn: Connection, id_: EndpointId, merchant_id: MerchantId | None) -> Endpoint | None:
    """The endpoint, if there is one and it is this merchant's; with None, whosever it is."""
    row = await conn.fetchrow(FIND, id_, merchant_id)
    return _endpoint(row) if row else None


async def lock(conn: Connection, id_: EndpointId, merchant_id: MerchantId | None) -> Endpoint | None:
    """The same, locked until the commit."""
    row = await conn.fetchrow(LOCK, id_, merchant_id)
    return _endpoint(row) if row else None


async def find_page(
    conn: Connection, page: PageRequest, merchant_id: MerchantId | None, state: EndpointState | None
) -> Page[Endpoint]:
    """Endpoints, newest first; with `merchant_id`, those of that merchant."""
    rows = await conn.fetch(PAGE, merchant_id, state, page.after, page.limit + 1)
    return cut([_endpoint(row) for row in rows], page, lambda endpoint: endpoint.id)


async def update(conn: Connection, endpoint: Endpoint) -> None:
    """Store what its owner may change of an endpoint."""
    await conn.execute(UPDATE, endpoint.id, endpoint.url, endpoint.event_types, endpoint.description)


async def enable(conn: Connection, id_: EndpointId) -> None:
    await conn.execute(ENABLE, id_)


async def disable(conn: Connection, id_: EndpointId) -> None:
    await conn.execute(DISABLE_BY_HAND, id_)


async def disable_failing(
    conn: Connection, ids: Sequence[EndpointId], failing_before: datetime | None
) -> Mapping[EndpointId, MerchantId | None]:
    """Disable those of these that have failed since before a moment (None: since whenever); returns them."""
    rows = await conn.fetch(DISABLE, ids, failing_before)
    return {row["id"]: row["merchant_id"] for row in rows}


async def delete(conn: Connection, id_: EndpointId, now: datetime) -> None:
    """Make an endpoint look missing, and forget its secrets and replays. Its deliveries are swept later."""
    await conn.execute(DELETE, id_, now)
    await conn.execute(FORGET_SECRETS, id_)
    await conn.execute(FORGET_REPLAYS, id_)


async def set_health(conn: Connection, through: Mapping[EndpointId, bool], now: datetime) -> None:
    """Note which endpoints began to fail, and which are well again."""
    await conn.execute(SET_HEALTH, list(through), list(through.values()), now)


async def insert_secret(conn: Connection, secret: SealedSecret) -> None:
    """Store the current secret of an endpoint that has none."""
    await conn.execute(
        INSERT_SIGNING, secret.id, secret.endpoint_id, secret.sealed.ciphertext, secret.sealed.key_version
    )


async def replace_secret(conn: Connection, secret: SealedSecret, old_until: datetime) -> None:
    """Make this the current secret; the one before signs until `old_until`, earlier ones no more."""
    await conn.execute(FORGET_OLD_SECRETS, secret.endpoint_id)
    await conn.execute(EXPIRE_SIGNING, secret.endpoint_id, old_until)
    await insert_secret(conn, secret)


async def load_secrets(
    conn: Connection, ids: Sequence[EndpointId], now: datetime
) -> Mapping[EndpointId, Sequence[SealedSecret]]:
    """The secrets that sign at this moment, the current one first."""
    found: dict[EndpointId, list[SealedSecret]] = {}
    for row in await conn.fetch(LOAD_SIGNING, ids, now):
        found.setdefault(row["endpoint_id"], []).append(_secret(row))
    return found


async def sweep_secrets(conn: Connection, now: datetime) -> None:
    """Delete secrets that sign no more."""
    await conn.execute(SWEEP_SECRETS, now)


async def sweep_deleted(conn: Connection, deleted_before: datetime) -> None:
    """Forget endpoints that were deleted long ago, once their deliveries are swept."""
    await conn.execute(SWEEP_DELETED, deleted_before)


async def count_stale_secrets(conn: Connection, encryption: int) -> int:
    """How many secrets are sealed under another key version than this."""
    found: int = await conn.fetchval(COUNT_STALE_SECRETS, encryption)
    return found


async def lock_stale_secrets(conn: Connection, encryption: int, limit: int) -> Sequence[SealedSecret]:
    """Up to `limit` of them, locked; those that others hold are passed over."""
    return [_secret(row) for row in await conn.fetch(LOCK_STALE_SECRETS, encryption, limit)]


async def reseal(conn: Connection, secrets: Sequence[SealedSecret]) -> None:
    await conn.execute(
        RESEAL,
        [secret.id for secret in secrets],
        [secret.sealed.key_version for secret in secrets],
        [secret.sealed.ciphertext for secret in secrets],
    )


def _endpoint(row: asyncpg.Record) -> Endpoint:
    return Endpoint(
        id=EndpointId(row["id"]),
        merchant_id=row["merchant_id"],
        url=row["url"],
        event_types=tuple(row["event_types"]) if row["event_types"] is not None else None,
        description=row["description"],
        state=EndpointState(row["state"]),
        failing_since=row["failing_since"],
        created_at=row["created_at"],
    )


def _secret(row: asyncpg.Record) -> SealedSecret:
    id_: UUID = row["id"]
    return SealedSecret(id_, row["endpoint_id"], Sealed(row["encryption_key"], row["ciphertext"]))
