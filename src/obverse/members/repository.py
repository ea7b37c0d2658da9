"""Members, their sessions and their sign-in attempts in the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg

from obverse.kit.database import Connection
from obverse.kit.ids import MemberId
from obverse.kit.secret import Sealed
from obverse.members.errors import AlreadyRegistered
from obverse.members.model import Applicant, Attempts, Member, SealedAddress, Session, Standing

_COLUMNS: Final = "id, partition_id, standing, created_at"

INSERT: Final = """
insert into members (id, partition_id, standing, created_at, identity_hash, password_hash, address_sealed,
                     address_key)
values ($1, $2, $3, $4, $5, $6, $7, $8)
"""

LOAD: Final = f"select {_COLUMNS} from members where id = any($1::uuid[])"

# Several of a member's own requests may go on side by side; only a change of standing has to wait for them.
SHARE: Final = LOAD + " order by id for share"

EXISTS: Final = "select exists (select from members where identity_hash = $1)"

SIGN_IN_HASH: Final = "select password_hash from members where id = $1"

SET_STANDING: Final = f"update members set standing = $2 where id = any($1::uuid[]) returning {_COLUMNS}"

# So that there is a row to lock: without one, the first guesses of a burst would not see each other.
BEGIN_ATTEMPTS: Final = """
insert into sign_in_attempts (subject_hash, failures, last_at) values ($1, 0, $2) on conflict do nothing
"""

LOCK_ATTEMPTS: Final = """
select failures, locked_until, last_at from sign_in_attempts where subject_hash = $1 for update
"""

SAVE_ATTEMPTS: Final = """
insert into sign_in_attempts (subject_hash, failures, locked_until, last_at) values ($1, $2, $3, $4)
on conflict (subject_hash) do update
set failures = excluded.failures, locked_until = excluded.locked_until, last_at = excluded.last_at
"""

FORGET_ATTEMPTS: Final = "delete from sign_in_attempts where subject_hash = $1"

INSERT_SESSION: Final = """
insert into member_sessions (token_hash, member_id, created_at, expires_at) values ($1, $2, $3, $4)
"""

FIND_SESSION: Final = """
select member_id, expires_at from member_sessions where token_hash = $1 and expires_at > $2
"""

DELETE_SESSION: Final = "delete from member_sessions where token_hash = $1"

SWEEP_SESSIONS: Final = """
with swept as (delete from member_sessions where expires_at <= $1 returning 1) select count(*) from swept
"""

SWEEP_ATTEMPTS: Final = """
with swept as (
    delete from sign_in_attempts where last_at <= $1 and coalesce(locked_until <= $2, true) returning 1
)
select count(*) from swept
"""

COUNT_STALE: Final = "select count(*) from members where address_key < $1"

LOCK_STALE: Final = """
select id, address_key, address_sealed from members where address_key < $1
order by id limit $2 for update skip locked
"""

RESEAL: Final = """
update members set address_sealed = fresh.sealed, address_key = fresh.key_version
from unnest($1::uuid[], $2::bytea[], $3::smallint[]) as fresh (id, sealed, key_version)
where members.id = fresh.id
"""


async def insert(conn: Connection, member: Member, applicant: Applicant, address: Sealed) -> None:
    """Store a new member. Raises `AlreadyRegistered` where the identity number is a member's already."""
    try:
        await conn.execute(
            INSERT,
            member.id,
            member.partition_id,
            member.standing,
            member.created_at,
            applicant.identity_hash,
            applicant.password_hash,
            address.ciphertext,
            address.key_version,
        )
    except asyncpg.UniqueViolationError as violation:
        raise AlreadyRegistered from violation


async def load(conn: Connection, ids: Sequence[MemberId]) -> dict[MemberId, Member]:
    """The members with these ids. Unknown ids are simply absent."""
    return {member.id: member for member in map(_member, await conn.fetch(LOAD, ids))}


async def share(conn: Connection, ids: Sequence[MemberId]) -> dict[MemberId, Member]:
    """The same, with their standing held as it is until the commit."""
    return {member.id: member for member in map(_member, await conn.fetch(SHARE, ids))}


async def identity_exists(conn: Connection, identity_hash: bytes) -> bool:
    return bool(await conn.fetchval(EXISTS, identity_hash))


async def password_hash(conn: Connection, member_id: MemberId) -> str | None:
    found: str | None = await conn.fetchval(SIGN_IN_HASH, member_id)
    return found


async def set_standing(conn: Connection, ids: Sequence[MemberId], standing: Standing) -> list[Member]:
    return [_member(row) for row in await conn.fetch(SET_STANDING, ids, standing)]


async def lock_attempts(conn: Connection, subject_hash: bytes, now: datetime) -> Attempts:
    """The attempts for this ID so far, locked until the commit; none where there were none."""
    await conn.execute(BEGIN_ATTEMPTS, subject_hash, now)
    row = await conn.fetchrow(LOCK_ATTEMPTS, subject_hash)
    # A right password may have deleted the row between the two statements; saving brings it back.
    return Attempts(*row.values()) if row else Attempts(0, None, now)


async def save_attempts(conn: Connection, subject_hash: bytes, attempts: Attempts) -> None:
    await conn.execute(
        SAVE_ATTEMPTS, subject_hash, attempts.failures, attempts.locked_until, attempts.last_at
    )


async def forget_attempts(conn: Connection, subject_hash: bytes) -> None:
    await conn.execute(FORGET_ATTEMPTS, subject_hash)


async def insert_session(conn: Connection, token_hash: bytes, session: Session, now: datetime) -> None:
    await conn.execute(INSERT_SESSION, token_hash, session.member_id, now, session.expires_at)


async def find_session(conn: Connection, token_hash: bytes, now: datetime) -> Session | None:
    row = await conn.fetchrow(FIND_SESSION, token_hash, now)
    return Session(*row.values()) if row else None


async def delete_session(conn: Connection, token_hash: bytes) -> None:
    await conn.execute(DELETE_SESSION, token_hash)


async def sweep_sessions(conn: Connection, now: datetime) -> int:
    count: int = await conn.fetchval(SWEEP_SESSIONS, now)
    return count


async def sweep_attempts(conn: Connection, quiet_since: datetime, now: datetime) -> int:
    count: int = await conn.fetchval(SWEEP_ATTEMPTS, quiet_since, now)
    return count


async def count_stale(conn: Connection, key_version: int) -> int:
    """How many addresses are sealed under an older key."""
    count: int = await conn.fetchval(COUNT_STALE, key_version)
    return count


async def lock_stale(conn: Connection, key_version: int, limit: int) -> list[SealedAddress]:
    """Up to `limit` of them in id order, passing over what others hold."""
    rows = await conn.fetch(LOCK_STALE, key_version, limit)
    return [SealedAddress(id_, Sealed(version, ciphertext)) for id_, version, ciphertext in rows]


async def reseal(conn: Connection, addresses: Sequence[SealedAddress]) -> None:
    await conn.execute(
        RESEAL,
        [address.member_id for address in addresses],
        [address.sealed.ciphertext for address in addresses],
        [address.sealed.key_version for address in addresses],
    )


def _member(row: Any) -> Member:
    id_, partition_id, standing, created_at = row
    return Member(id_, partition_id, Standing(standing), created_at)
