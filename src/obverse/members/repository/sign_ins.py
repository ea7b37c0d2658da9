"""Sessions, attempts at anything, and the history of signing in."""

from datetime import datetime
from typing import Any, Final

from obverse.kit.database import Connection
from obverse.kit.ids import MemberId, SessionId, SignInId
from obverse.kit.paging import NEWEST, Page, PageRequest, cut
from obverse.members.model import Attempts, Method, Outcome, Session, SignIn

_SESSION: Final = "id, member_id, method, origin, created_at, expires_at"

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

SWEEP_ATTEMPTS: Final = """
with swept as (
    delete from sign_in_attempts where last_at <= $1 and coalesce(locked_until <= $2, true) returning 1
)
select count(*) from swept
"""

INSERT_SESSION: Final = f"""
insert into member_sessions (token_hash, {_SESSION}) values ($1, $2, $3, $4, $5, $6, $7)
"""

FIND_SESSION: Final = f"select {_SESSION} from member_sessions where token_hash = $1 and expires_at > $2"

SESSIONS_OF: Final = f"""
select {_SESSION} from member_sessions
where member_id = $1 and expires_at > $2 and id < coalesce($3, {NEWEST})
order by id desc limit $4
"""

DELETE_SESSION: Final = "delete from member_sessions where token_hash = $1"

END_SESSION: Final = "delete from member_sessions where id = $1 and member_id = $2 returning id"

END_SESSIONS: Final = "delete from member_sessions where member_id = $1 and id is distinct from $2"

SWEEP_SESSIONS: Final = """
with swept as (delete from member_sessions where expires_at <= $1 returning 1) select count(*) from swept
"""

# The same statement whether or not there is such a member, so that both take as long.
NOTE_SIGN_IN: Final = """
insert into sign_ins (id, member_id, method, outcome, origin, created_at)
select $1, $2::uuid, $3, $4, $5, $6 where $2 is not null
"""

SETTLE_SIGN_IN: Final = "update sign_ins set method = $2, outcome = $3 where id = $1"

SIGN_INS_OF: Final = f"""
select id, method, outcome, origin, created_at from sign_ins
where member_id = $1 and id < coalesce($2, {NEWEST}) order by id desc limit $3
"""

SWEEP_SIGN_INS: Final = "delete from sign_ins where created_at <= $1"


async def lock_attempts(conn: Connection, subject_hash: bytes, now: datetime) -> Attempts:
    """The attempts at this so far, locked until the commit; none where there were none."""
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


async def sweep_attempts(conn: Connection, quiet_since: datetime, now: datetime) -> int:
    count: int = await conn.fetchval(SWEEP_ATTEMPTS, quiet_since, now)
    return count


async def insert_session(conn: Connection, token_hash: bytes, session: Session) -> None:
    await conn.execute(
        INSERT_SESSION,
        token_hash,
        session.id,
        session.member_id,
        session.method,
        session.origin,
        session.created_at,
        session.expires_at,
    )


async def find_session(conn: Connection, token_hash: bytes, now: datetime) -> Session | None:
    row = await conn.fetchrow(FIND_SESSION, token_hash, now)
    return _session(row) if row else None


async def sessions_of(
    conn: Connection, member_id: MemberId, now: datetime, page: PageRequest
) -> Page[Session]:
    """A member's open sessions, newest first."""
    rows = await conn.fetch(SESSIONS_OF, member_id, now, page.after, page.limit + 1)
    return cut([_session(row) for row in rows], page, lambda session: session.id)


async def delete_session(conn: Connection, token_hash: bytes) -> None:
    await conn.execute(DELETE_SESSION, token_hash)


async def end_session(conn: Connection, session_id: SessionId, member_id: MemberId) -> bool:
    """End one session of this member; False where there is none such."""
    return await conn.fetchval(END_SESSION, session_id, member_id) is not None


async def end_sessions(conn: Connection, member_id: MemberId, but: SessionId | None = None) -> None:
    """End every session of this member, `but` one."""
    await conn.execute(END_SESSIONS, member_id, but)


async def sweep_sessions(conn: Connection, now: datetime) -> int:
    count: int = await conn.fetchval(SWEEP_SESSIONS, now)
    return count


async def note_sign_in(conn: Connection, sign_in: SignIn, member_id: MemberId | None) -> None:
    """Write an attempt down; without a member, go through the same motions."""
    await conn.execute(
        NOTE_SIGN_IN,
        sign_in.id,
        member_id,
        sign_in.method,
        sign_in.outcome,
        sign_in.origin,
        sign_in.created_at,
    )


async def settle_sign_in(conn: Connection, id_: SignInId, method: Method, outcome: Outcome) -> None:
    await conn.execute(SETTLE_SIGN_IN, id_, method, outcome)


async def sign_ins_of(conn: Connection, member_id: MemberId, page: PageRequest) -> Page[SignIn]:
    """A member's history of signing in, newest first."""
    rows = await conn.fetch(SIGN_INS_OF, member_id, page.after, page.limit + 1)
    history = [
        SignIn(id_, Method(method), Outcome(outcome), origin, created_at)
        for id_, method, outcome, origin, created_at in rows
    ]
    return cut(history, page, lambda sign_in: sign_in.id)


async def sweep_sign_ins(conn: Connection, before: datetime) -> None:
    await conn.execute(SWEEP_SIGN_INS, before)


def _session(row: Any) -> Session:
    id_, member_id, method, origin, created_at, expires_at = row
    return Session(id_, member_id, Method(method), origin, created_at, expires_at)
