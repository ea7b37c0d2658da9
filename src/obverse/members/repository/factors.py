"""Passkeys, one-time codes and recovery codes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg

from obverse.kit.database import Connection
from obverse.kit.ids import MemberId, PasskeyId
from obverse.kit.secret import Sealed
from obverse.members.errors import PasskeyRefused
from obverse.members.model import Passkey, Totp

_PASSKEY: Final = "id, member_id, credential_id, public_key, sign_count, name, created_at, last_used_at"

INSERT_PASSKEY: Final = f"insert into member_passkeys ({_PASSKEY}) values ($1, $2, $3, $4, $5, $6, $7, $8)"

PASSKEYS_OF: Final = f"select {_PASSKEY} from member_passkeys where member_id = $1 order by id desc"

LOCK_PASSKEY: Final = f"select {_PASSKEY} from member_passkeys where credential_id = $1 for update"

USE_PASSKEY: Final = "update member_passkeys set sign_count = $2, last_used_at = $3 where id = $1"

DELETE_PASSKEY: Final = "delete from member_passkeys where id = $1"

USE_CHALLENGE: Final = """
insert into passkey_challenges (challenge_hash, expires_at, used_for) values ($1, $2, $3)
on conflict do nothing returning true
"""

WAS_USED_FOR: Final = """
select exists (select from passkey_challenges where challenge_hash = $1 and used_for = $2)
"""

SWEEP_CHALLENGES: Final = "delete from passkey_challenges where expires_at <= $1"

# A confirmed generator is not replaced by another one.
SAVE_TOTP: Final = """
insert into member_totp (member_id, secret_sealed, secret_key) values ($1, $2, $3)
on conflict (member_id) do update set secret_sealed = excluded.secret_sealed, secret_key = excluded.secret_key
where not member_totp.confirmed
returning true
"""

LOCK_TOTP: Final = """
select member_id, secret_key, secret_sealed, confirmed, last_step from member_totp
where member_id = $1 for update
"""

HAS_TOTP: Final = "select exists (select from member_totp where member_id = $1 and confirmed)"

USE_STEP: Final = "update member_totp set last_step = $2, confirmed = true where member_id = $1"

DELETE_TOTP: Final = "delete from member_totp where member_id = $1"

INSERT_CODES: Final = """
insert into member_recovery_codes (code_hash, member_id) select unnest($1::bytea[]), $2
"""

USE_CODE: Final = (
    "delete from member_recovery_codes where code_hash = $1 and member_id = $2 returning code_hash"
)

DELETE_CODES: Final = "delete from member_recovery_codes where member_id = $1"


async def insert_passkey(conn: Connection, passkey: Passkey) -> None:
    """Raises `PasskeyRefused` where somebody has registered this credential already."""
    try:
        await conn.execute(
            INSERT_PASSKEY,
            passkey.id,
            passkey.member_id,
            passkey.credential_id,
            passkey.public_key,
            passkey.sign_count,
            passkey.name,
            passkey.created_at,
            passkey.last_used_at,
        )
    except asyncpg.UniqueViolationError as violation:
        raise PasskeyRefused from violation


async def passkeys_of(conn: Connection, member_id: MemberId) -> list[Passkey]:
    """A member's passkeys, newest first."""
    return [_passkey(row) for row in await conn.fetch(PASSKEYS_OF, member_id)]


async def lock_passkey(conn: Connection, credential_id: bytes) -> Passkey | None:
    """The passkey with this credential, locked until the commit."""
    row = await conn.fetchrow(LOCK_PASSKEY, credential_id)
    return _passkey(row) if row else None


async def use_passkey(conn: Connection, id_: PasskeyId, sign_count: int, now: datetime) -> None:
    await conn.execute(USE_PASSKEY, id_, sign_count, now)


async def delete_passkey(conn: Connection, id_: PasskeyId) -> None:
    await conn.execute(DELETE_PASSKEY, id_)


async def use_challenge(
    conn: Connection, challenge_hash: bytes, expires_at: datetime, used_for: bytes | None = None
) -> bool:
    """Use a challenge up; False where it was used before. It is kept in mind until `expires_at`."""
    return await conn.fetchval(USE_CHALLENGE, challenge_hash, expires_at, used_for) is not None


async def was_used_for(conn: Connection, challenge_hash: bytes, used_for: bytes) -> bool:
    """Whether that was what a challenge was used for."""
    return bool(await conn.fetchval(WAS_USED_FOR, challenge_hash, used_for))


async def sweep_challenges(conn: Connection, now: datetime) -> None:
    await conn.execute(SWEEP_CHALLENGES, now)


async def save_totp(conn: Connection, member_id: MemberId, secret: Sealed) -> bool:
    """Keep a new generator, unconfirmed; False where a confirmed one stands in its way."""
    return await conn.fetchval(SAVE_TOTP, member_id, secret.ciphertext, secret.key_version) is not None


async def lock_totp(conn: Connection, member_id: MemberId) -> Totp | None:
    """The member's generator, confirmed or not, locked until the commit."""
    row = await conn.fetchrow(LOCK_TOTP, member_id)
    if row is None:
        return None
    member, key_version, ciphertext, confirmed, last_step = row.values()
    return Totp(MemberId(member), Sealed(key_version, ciphertext), confirmed, last_step)


async def has_totp(conn: Connection, member_id: MemberId) -> bool:
    return bool(await conn.fetchval(HAS_TOTP, member_id))


async def use_step(conn: Connection, member_id: MemberId, step: int) -> None:
    """Use up this time step and all before it; the generator has shown that it works."""
    await conn.execute(USE_STEP, member_id, step)


async def delete_totp(conn: Connection, member_id: MemberId) -> None:
    await conn.execute(DELETE_TOTP, member_id)


async def insert_codes(conn: Connection, member_id: MemberId, code_hashes: Sequence[bytes]) -> None:
    await conn.execute(INSERT_CODES, code_hashes, member_id)


async def use_code(conn: Connection, member_id: MemberId, code_hash: bytes) -> bool:
    """Use up a recovery code; False where this member has none such."""
    return await conn.fetchval(USE_CODE, code_hash, member_id) is not None


async def delete_codes(conn: Connection, member_id: MemberId) -> None:
    await conn.execute(DELETE_CODES, member_id)


def _passkey(row: Any) -> Passkey:
    return Passkey(*row)
