"""Members in the database."""

from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from obverse.kit.database import Connection
from obverse.kit.ids import MemberId
from obverse.kit.secret import Sealed
from obverse.members.errors import AlreadyRegistered
from obverse.members.model import Applicant, Credentials, Member, Standing

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

# By either name in one statement, so that an ID that is none costs what one that is costs.
CREDENTIALS: Final = """
select id, password_hash from members
where id = coalesce($1, (select member_id from member_profiles where lower(chosen_id) = $2))
"""

SHARE_HASH: Final = "select password_hash from members where id = $1 for share"

LOCK_HASH: Final = "select id, password_hash from members where id = $1 for update"

SET_HASH: Final = "update members set password_hash = $2 where id = $1"

SET_STANDING: Final = f"update members set standing = $2 where id = any($1::uuid[]) returning {_COLUMNS}"


async def insert(conn: Connection, member: Member, applicant: Applicant, address: Sealed | None) -> None:
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
            address and address.ciphertext,
            address and address.key_version,
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


async def credentials(conn: Connection, member_id: MemberId | None, chosen_key: str) -> Credentials:
    """Who signs in under this id or, without one, under this member ID of their choice."""
    row = await conn.fetchrow(CREDENTIALS, member_id, chosen_key)
    return Credentials(*row.values()) if row else Credentials(None, None)


async def lock_password(conn: Connection, member_id: MemberId) -> str | None:
    """The hash of a member's password, if any; their means of signing in are held until the commit."""
    row = await conn.fetchrow(LOCK_HASH, member_id)
    return row["password_hash"] if row else None


async def share_password(conn: Connection, member_id: MemberId) -> str | None:
    """The same, while others may sign in side by side; who changes it waits until the commit."""
    found: str | None = await conn.fetchval(SHARE_HASH, member_id)
    return found


async def set_password(conn: Connection, member_id: MemberId, password_hash: str | None) -> None:
    await conn.execute(SET_HASH, member_id, password_hash)


async def set_standing(conn: Connection, ids: Sequence[MemberId], standing: Standing) -> list[Member]:
    return [_member(row) for row in await conn.fetch(SET_STANDING, ids, standing)]


def _member(row: Any) -> Member:
    id_, partition_id, standing, created_at = row
    return Member(id_, partition_id, Standing(standing), created_at)
