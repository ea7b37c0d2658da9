"""Members' points accounts in the database: known by hashes, their handles sealed."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from obverse.kit.database import Connection
from obverse.kit.ids import MemberId, PointsIssuerId, SourceId
from obverse.kit.secret import Sealed
from obverse.points.model import Account, AccountState

_COLUMNS: Final = """
id, partition_id, member_id, issuer_id, last_four, card_id, link, tries, state, created_at, expires_at
"""

INSERT: Final = f"""
insert into points_accounts ({_COLUMNS}, account_hash, request_key, request_fingerprint)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""

FIND_REQUEST: Final = f"""
select {_COLUMNS}, request_fingerprint from points_accounts where request_key = $1
"""

LOCK_TWINS: Final = f"""
select {_COLUMNS} from points_accounts
where issuer_id = $1 and account_hash = $2 and member_id = $3 order by id for update
"""

END_PENDING: Final = """
update points_accounts set state = 'ended' where id = any($1::uuid[]) and state = 'pending'
"""

OWNER: Final = """
select member_id from points_accounts
where issuer_id = $1 and state = 'proved' and (account_hash = $2 or handle_hash = $3)
"""

HASH_OF: Final = "select account_hash from points_accounts where id = $1"

COUNT_SINCE: Final = "select count(*) from points_accounts where member_id = $1 and created_at > $2"

LOAD: Final = f"select {_COLUMNS} from points_accounts where id = any($1::uuid[])"

LOCK: Final = f"{LOAD} order by id for update"

OF_MEMBER: Final = f"""
select {_COLUMNS} from points_accounts where member_id = $1 and state in ('pending', 'proved') order by id
"""

SAVE: Final = """
update points_accounts set state = $2, tries = $3, link = $4, card_id = $5, expires_at = $6 where id = $1
"""

SAVE_HANDLE: Final = """
update points_accounts set handle_key = $2, handle_sealed = $3, handle_hash = $4 where id = $1
"""

END_EXPIRED: Final = """
update points_accounts set state = 'ended' where state = 'pending' and expires_at <= $1
"""

COUNT_STALE: Final = "select count(*) from points_accounts where handle_key < $1"

LOCK_STALE: Final = """
select id, handle_key, handle_sealed from points_accounts
where handle_key < $1 order by id limit $2 for update skip locked
"""

RESEAL: Final = """
update points_accounts as a set handle_key = n.key, handle_sealed = n.sealed
from unnest($1::uuid[], $2::integer[], $3::bytea[]) as n (id, key, sealed) where a.id = n.id
"""


async def insert(
    conn: Connection,
    account: Account,
    account_hash: bytes,
    request_key: str | None,
    fingerprint: bytes | None,
) -> None:
    """Store a new one. Violates `points_accounts_request` where a twin was stored at the same moment."""
    await conn.execute(
        INSERT,
        account.id,
        account.partition_id,
        account.member_id,
        account.issuer_id,
        account.last_four,
        account.card_id,
        account.link,
        account.tries,
        account.state,
        account.created_at,
        account.expires_at,
        account_hash,
        request_key,
        fingerprint,
    )


async def find_by_request(conn: Connection, request_key: str) -> tuple[Account, bytes] | None:
    """What an earlier request with this key began, and the request's fingerprint."""
    row = await conn.fetchrow(FIND_REQUEST, request_key)
    return (_account(row), row["request_fingerprint"]) if row else None


async def lock_twins(
    conn: Connection, issuer_id: PointsIssuerId, account_hash: bytes, member_id: MemberId
) -> dict[SourceId, Account]:
    """Every link of the very account that this member ever began, locked in id order until the commit."""
    rows = await conn.fetch(LOCK_TWINS, issuer_id, account_hash, member_id)
    return {row["id"]: _account(row) for row in rows}


async def end_pending(conn: Connection, ids: Sequence[SourceId]) -> None:
    """End those of them that were not proved yet."""
    await conn.execute(END_PENDING, ids)


async def owner_of(
    conn: Connection, issuer_id: PointsIssuerId, account_hash: bytes, handle_hash: bytes | None = None
) -> MemberId | None:
    """Behind whom a proved account stands, found by either hash."""
    owner: MemberId | None = await conn.fetchval(OWNER, issuer_id, account_hash, handle_hash)
    return owner


async def hash_of(conn: Connection, id_: SourceId) -> bytes:
    """Under which hash an account that is there is known."""
    account_hash: bytes = await conn.fetchval(HASH_OF, id_)
    return account_hash


async def count_since(conn: Connection, member_id: MemberId, since: datetime) -> int:
    """How many this member has begun to link since then."""
    count: int = await conn.fetchval(COUNT_SINCE, member_id, since)
    return count


async def load(conn: Connection, ids: Iterable[SourceId]) -> dict[SourceId, Account]:
    return {row["id"]: _account(row) for row in await conn.fetch(LOAD, list(ids))}


async def lock(conn: Connection, ids: Iterable[SourceId]) -> dict[SourceId, Account]:
    """The same, locked in id order until the commit."""
    return {row["id"]: _account(row) for row in await conn.fetch(LOCK, list(ids))}


async def of_member(conn: Connection, member_id: MemberId) -> list[Account]:
    """What a member has linked or is about to, oldest first."""
    return [_account(row) for row in await conn.fetch(OF_MEMBER, member_id)]


async def save(conn: Connection, account: Account) -> None:
    """Store what may change of a locked one. Violates `points_accounts_account` and
    `points_accounts_handle` where somebody has proved the very account."""
    await conn.execute(
        SAVE, account.id, account.state, account.tries, account.link, account.card_id, account.expires_at
    )


async def save_handle(conn: Connection, id_: SourceId, handle: Sealed, handle_hash: bytes) -> None:
    """Store how its issuer names a locked account; it stays after the account was removed, as units may
    have to go back to it."""
    await conn.execute(SAVE_HANDLE, id_, handle.key_version, handle.ciphertext, handle_hash)


async def end_expired(conn: Connection, now: datetime) -> None:
    await conn.execute(END_EXPIRED, now)


async def count_stale(conn: Connection, key_version: int) -> int:
    count: int = await conn.fetchval(COUNT_STALE, key_version)
    return count


async def lock_stale(conn: Connection, key_version: int, limit: int) -> list[tuple[SourceId, Sealed]]:
    """Some whose handle is sealed under an older key; what somebody else holds is left out."""
    rows = await conn.fetch(LOCK_STALE, key_version, limit)
    return [(row[0], Sealed(row[1], row[2])) for row in rows]


async def reseal(conn: Connection, fresh: Sequence[tuple[SourceId, Sealed]]) -> None:
    await conn.execute(
        RESEAL,
        [id_ for id_, _ in fresh],
        [sealed.key_version for _, sealed in fresh],
        [sealed.ciphertext for _, sealed in fresh],
    )


def _account(row: Any) -> Account:
    id_, partition_id, member_id, issuer_id, last_four, card_id, link, tries, state, *rest = row
    created_at, expires_at, *_ = rest
    return Account(
        id=id_,
        partition_id=partition_id,
        member_id=member_id,
        issuer_id=issuer_id,
        last_four=last_four,
        card_id=card_id,
        link=link,
        tries=tries,
        state=AccountState(state),
        created_at=created_at,
        expires_at=expires_at,
    )
