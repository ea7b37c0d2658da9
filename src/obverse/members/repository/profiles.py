"""Profiles of wallet members, and changes of their addresses that wait for a code."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg

from obverse.kit.database import Connection
from obverse.kit.ids import ChangeId, MemberId
from obverse.kit.secret import Sealed
from obverse.letters.model import Language
from obverse.members.errors import MemberIdTaken, NicknameTaken, ProfileExists
from obverse.members.model import ContactChange, ContactKind, Profile, Statements

INSERT: Final = """
insert into member_profiles (member_id, chosen_id, nickname, nickname_key, person_sealed, person_key,
                             mail_hash, answer_hash, language, time_zone, statements)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""

UPDATE: Final = """
update member_profiles
set nickname = $2, nickname_key = $3, person_sealed = $4, person_key = $5, mail_hash = $6,
    answer_hash = coalesce($7, answer_hash), language = $8, time_zone = $9, statements = $10
where member_id = $1
"""

LOAD: Final = """
select member_id, chosen_id, nickname, person_key, person_sealed, language, time_zone, statements
from member_profiles where member_id = any($1::uuid[])
"""

LOCK: Final = LOAD + " for update"

TAKEN: Final = """
select exists (select from member_profiles where lower(chosen_id) = $1),
       exists (select from member_profiles where nickname_key = $2)
"""

ANSWER_HASH: Final = "select answer_hash from member_profiles where member_id = $1"

SAVE_CHANGE: Final = """
insert into member_changes (id, member_id, kind, value_sealed, value_key, code_hash, expires_at)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (member_id, kind) do update
set id = excluded.id, value_sealed = excluded.value_sealed, value_key = excluded.value_key,
    code_hash = excluded.code_hash, expires_at = excluded.expires_at
"""

TAKE_CHANGE: Final = """
delete from member_changes where member_id = $1 and kind = $2 and code_hash = $3 and expires_at > $4
returning id, member_id, kind, value_key, value_sealed, code_hash, expires_at
"""

SWEEP_CHANGES: Final = "delete from member_changes where expires_at <= $1"


class StoredProfile:
    """A row with everything but the person opened, which is for the vault to do."""

    __slots__ = ("chosen_id", "language", "member_id", "nickname", "person", "statements", "time_zone")

    def __init__(self, row: Any) -> None:
        self.member_id, self.chosen_id, self.nickname, key, ciphertext, language, zone, statements = row
        self.person = Sealed(key, ciphertext)
        self.language = Language(language)
        self.time_zone: str = zone
        self.statements = Statements(statements)


async def insert(
    conn: Connection,
    member_id: MemberId,
    profile: Profile,
    nickname_key: str,
    person: Sealed,
    mail_hash: bytes,
    answer_hash: str | None,
) -> None:
    """Store a new profile. Raises `ProfileExists`, `MemberIdTaken`, `NicknameTaken`."""
    try:
        await conn.execute(
            INSERT,
            member_id,
            profile.chosen_id,
            profile.nickname,
            nickname_key,
            person.ciphertext,
            person.key_version,
            mail_hash,
            answer_hash,
            profile.language,
            profile.time_zone,
            profile.statements,
        )
    except asyncpg.UniqueViolationError as violation:
        raise _TAKEN[violation.constraint_name]() from violation


async def update(
    conn: Connection,
    member_id: MemberId,
    profile: Profile,
    nickname_key: str,
    person: Sealed,
    mail_hash: bytes,
    answer_hash: str | None,
) -> None:
    """Store a changed profile; without an answer the one there is stays. Raises `NicknameTaken`."""
    try:
        await conn.execute(
            UPDATE,
            member_id,
            profile.nickname,
            nickname_key,
            person.ciphertext,
            person.key_version,
            mail_hash,
            answer_hash,
            profile.language,
            profile.time_zone,
            profile.statements,
        )
    except asyncpg.UniqueViolationError as violation:
        raise _TAKEN[violation.constraint_name]() from violation


_TAKEN: Final[dict[str | None, Any]] = {
    "member_profiles_pkey": ProfileExists,
    "member_profiles_chosen_id": MemberIdTaken,
    "member_profiles_nickname": NicknameTaken,
}


async def load(conn: Connection, ids: Sequence[MemberId]) -> list[StoredProfile]:
    """The profiles of these members; who has none is absent."""
    return [StoredProfile(row) for row in await conn.fetch(LOAD, ids)]


async def lock(conn: Connection, member_id: MemberId) -> StoredProfile | None:
    """One member's profile, locked until the commit."""
    rows = await conn.fetch(LOCK, [member_id])
    return StoredProfile(rows[0]) if rows else None


async def are_taken(conn: Connection, chosen_key: str, nickname_key: str) -> tuple[bool, bool]:
    """Whether somebody has this member ID, and whether somebody has this nickname."""
    [(chosen, nickname)] = await conn.fetch(TAKEN, chosen_key, nickname_key)
    return chosen, nickname


async def answer_hash(conn: Connection, member_id: MemberId) -> str | None:
    found: str | None = await conn.fetchval(ANSWER_HASH, member_id)
    return found


async def save_change(conn: Connection, change: ContactChange) -> None:
    """Keep a change until its code comes back; it takes the place of an earlier one of its kind."""
    await conn.execute(
        SAVE_CHANGE,
        change.id,
        change.member_id,
        change.kind,
        change.value.ciphertext,
        change.value.key_version,
        change.code_hash,
        change.expires_at,
    )


async def take_change(
    conn: Connection, member_id: MemberId, kind: ContactKind, code_hash: bytes, now: datetime
) -> ContactChange | None:
    """The change that this code proves, which is used up with it."""
    row = await conn.fetchrow(TAKE_CHANGE, member_id, kind, code_hash, now)
    if row is None:
        return None
    id_, member, _, key_version, ciphertext, hash_, expires_at = row.values()
    return ContactChange(
        ChangeId(id_), MemberId(member), kind, Sealed(key_version, ciphertext), hash_, expires_at
    )


async def sweep_changes(conn: Connection, now: datetime) -> None:
    await conn.execute(SWEEP_CHANGES, now)
