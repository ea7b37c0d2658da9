"""Requests to recover an ID or a password, and the tokens that were sent for them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from obverse.kit.database import Connection
from obverse.kit.ids import MemberId

REQUEST: Final = "insert into recovery_requests (id, mail_hash) values ($1, $2)"

TAKE_REQUESTS: Final = """
delete from recovery_requests
where id in (select id from recovery_requests order by id limit $1 for update skip locked)
returning mail_hash
"""

# Without a question there is nothing to ask, and so nothing to recover by.
RECOVERABLE: Final = """
select member_id, mail_hash from member_profiles
where mail_hash = any($1::bytea[]) and answer_hash is not null order by member_id
"""

INSERT: Final = """
insert into member_recoveries (token_hash, member_id, expires_at)
select token_hash, member_id, $3 from unnest($1::bytea[], $2::uuid[]) as new (token_hash, member_id)
"""

FIND: Final = "select member_id from member_recoveries where token_hash = $1 and expires_at > $2"

LOCK: Final = FIND + " for update"

DELETE_OF: Final = "delete from member_recoveries where member_id = $1"

SWEEP: Final = "delete from member_recoveries where expires_at <= $1"


async def request(conn: Connection, id_: UUID, mail_hash: bytes) -> None:
    """Write down that somebody with this mail address wants back in, whether or not anybody has it."""
    await conn.execute(REQUEST, id_, mail_hash)


async def take_requests(conn: Connection, limit: int) -> list[bytes]:
    """Mail hashes of requests that nobody has dealt with; they are gone with the caller's commit."""
    return [row["mail_hash"] for row in await conn.fetch(TAKE_REQUESTS, limit)]


async def recoverable(conn: Connection, mail_hashes: Sequence[bytes]) -> list[tuple[MemberId, bytes]]:
    """Who has one of these mail addresses, and a question."""
    return [(member_id, hash_) for member_id, hash_ in await conn.fetch(RECOVERABLE, mail_hashes)]


async def insert(
    conn: Connection, token_hashes: Sequence[bytes], members: Sequence[MemberId], expires_at: datetime
) -> None:
    await conn.execute(INSERT, token_hashes, members, expires_at)


async def find(conn: Connection, token_hash: bytes, now: datetime) -> MemberId | None:
    """Whose token this is, unless it is over."""
    found: MemberId | None = await conn.fetchval(FIND, token_hash, now)
    return found


async def lock(conn: Connection, token_hash: bytes, now: datetime) -> MemberId | None:
    """The same, locked: of two who redeem one token, the second finds it used."""
    found: MemberId | None = await conn.fetchval(LOCK, token_hash, now)
    return found


async def delete_of(conn: Connection, member_id: MemberId) -> None:
    """End this token and every other of the member's."""
    await conn.execute(DELETE_OF, member_id)


async def sweep(conn: Connection, now: datetime) -> None:
    await conn.execute(SWEEP, now)
