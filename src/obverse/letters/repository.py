"""Letters in the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from obverse.kit.database import Connection
from obverse.kit.ids import LetterId
from obverse.kit.paging import NEWEST, Page, PageRequest, cut
from obverse.kit.secret import Sealed
from obverse.letters.model import (
    Attempt,
    Channel,
    Due,
    Language,
    Letter,
    LetterState,
    LetterStatus,
    Problem,
    Progress,
)

_STATUS: Final = """
id, channel, template, language, member_id, subject_id, state, attempts, next_at, problem, reply, created_at,
over_at
"""

# In the order of `once`: two that post the same letters wait for each other in one order.
INSERT: Final = """
insert into letters (id, channel, template, language, member_id, subject_id, once, sealed, sealed_key,
    state, attempts, next_at, created_at)
select id, channel, template, language, member_id, subject_id, once, sealed, sealed_key, 'ready', 0, $10, $10
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $7::text[], $8::bytea[],
    $9::smallint[])
    as new (id, channel, template, language, member_id, subject_id, once, sealed, sealed_key)
order by once
on conflict (once) do nothing
"""

CLAIM: Final = """
with due as (
    select id from letters where channel = $1 and next_at <= $2
    order by next_at limit $4 for update skip locked
)
update letters set state = 'sending', attempts = attempts + 1, next_at = $3
from due where letters.id = due.id
returning letters.id, channel, template, language, subject_id, attempts, sealed, sealed_key, created_at
"""

# A letter that another courier has taken over meanwhile, because this one was too slow, is that one's.
SAVE: Final = """
update letters set state = new.state, attempts = new.attempts, next_at = new.next_at,
    problem = new.problem, reply = new.reply, over_at = case when new.next_at is null then $7::timestamptz end
from unnest($1::uuid[], $2::text[], $3::smallint[], $4::timestamptz[], $5::text[], $6::smallint[])
    as new (id, state, attempts, next_at, problem, reply)
where letters.id = new.id and letters.state = 'sending' and letters.next_at = $8
returning letters.id
"""

PUT_BACK: Final = """
update letters set state = 'ready', attempts = attempts - 1, next_at = $2
where id = any($1::uuid[]) and state = 'sending' and next_at = $3
"""

PAGE: Final = f"""
select {_STATUS} from letters
where id < coalesce($1, {NEWEST}) and ($3::text is null or state = $3) order by id desc limit $2
"""

LOAD: Final = f"select {_STATUS} from letters where id = any($1::uuid[]) order by id"

LOCK: Final = f"select {_STATUS}, sealed is not null as is_kept from letters where id = $1 for update"

MAKE_DUE: Final = """
update letters set state = 'ready', attempts = 0, next_at = $2, over_at = null where id = $1
"""

FORGET: Final = """
update letters set sealed = null, sealed_key = null
where id in (
    select id from letters where sealed is not null and over_at < $1 limit $2 for update skip locked
)
"""

COUNT_STALE: Final = "select count(*) from letters where sealed_key < $1"

LOCK_STALE: Final = """
select id, sealed, sealed_key from letters where sealed_key < $1
order by sealed_key limit $2 for update skip locked
"""

RESEAL: Final = """
update letters set sealed = fresh.sealed, sealed_key = fresh.key
from unnest($1::uuid[], $2::bytea[], $3::smallint[]) as fresh (id, sealed, key) where letters.id = fresh.id
"""


async def insert(conn: Connection, letters: Sequence[tuple[Letter, Sealed]], now: datetime) -> int:
    """Store letters that are due at once; returns how many had no `once` that is known already."""
    stored = await conn.execute(
        INSERT,
        [letter.id for letter, _ in letters],
        [letter.channel for letter, _ in letters],
        [letter.template for letter, _ in letters],
        [letter.language for letter, _ in letters],
        [letter.member_id for letter, _ in letters],
        [letter.subject_id for letter, _ in letters],
        [letter.once for letter, _ in letters],
        [sealed.ciphertext for _, sealed in letters],
        [sealed.key_version for _, sealed in letters],
        now,
    )
    return _count(stored)


async def claim(conn: Connection, channel: Channel, now: datetime, until: datetime, limit: int) -> list[Due]:
    """Take up to `limit` letters in hand until `until`, passing over what others are taking."""
    rows = await conn.fetch(CLAIM, channel, now, until, limit)
    return [
        Due(
            id=row["id"],
            channel=Channel(row["channel"]),
            template=row["template"],
            language=Language(row["language"]),
            subject_id=row["subject_id"],
            attempts=row["attempts"],
            sealed=Sealed(row["sealed_key"], row["sealed"]),
            created_at=row["created_at"],
        )
        for row in rows
    ]


async def save(
    conn: Connection, progress: Sequence[Progress], now: datetime, until: datetime
) -> set[LetterId]:
    """Note what came of letters that were taken in hand until `until`; returns those that still were."""
    rows = await conn.fetch(
        SAVE,
        [each.id for each in progress],
        [each.state for each in progress],
        [each.attempts for each in progress],
        [each.next_at for each in progress],
        [each.last.problem for each in progress],
        [each.last.reply for each in progress],
        now,
        until,
    )
    return {row["id"] for row in rows}


async def put_back(conn: Connection, ids: Sequence[LetterId], next_at: datetime, until: datetime) -> None:
    """Letters that were taken in hand until `until` and not tried: the attempt does not count."""
    await conn.execute(PUT_BACK, ids, next_at, until)


async def find_page(conn: Connection, page: PageRequest, state: LetterState | None) -> Page[LetterStatus]:
    """Letters, newest first."""
    rows = await conn.fetch(PAGE, page.after, page.limit + 1, state)
    return cut([_status(row) for row in rows], page, lambda letter: letter.id)


async def load(conn: Connection, ids: Sequence[LetterId]) -> list[LetterStatus]:
    """These letters, in the order of their ids; unknown ids are simply absent."""
    return [_status(row) for row in await conn.fetch(LOAD, ids)]


async def lock(conn: Connection, id_: LetterId) -> tuple[LetterStatus, bool] | None:
    """A letter, locked until the commit, and whether its address and contents are still kept."""
    row = await conn.fetchrow(LOCK, id_)
    return (_status(row), row["is_kept"]) if row else None


async def make_due(conn: Connection, id_: LetterId, now: datetime) -> None:
    """Begin a new round of attempts; the caller holds the lock."""
    await conn.execute(MAKE_DUE, id_, now)


async def forget(conn: Connection, before: datetime, limit: int) -> int:
    """Forget address and contents of letters that were over before that moment; returns how many."""
    return _count(await conn.execute(FORGET, before, limit))


async def count_stale(conn: Connection, key_version: int) -> int:
    count: int = await conn.fetchval(COUNT_STALE, key_version)
    return count


async def lock_stale(conn: Connection, key_version: int, limit: int) -> list[tuple[LetterId, Sealed]]:
    """Up to `limit` letters that are sealed under an older key, passing over what others hold."""
    rows = await conn.fetch(LOCK_STALE, key_version, limit)
    return [(row["id"], Sealed(row["sealed_key"], row["sealed"])) for row in rows]


async def reseal(conn: Connection, fresh: Sequence[tuple[LetterId, Sealed]]) -> None:
    await conn.execute(
        RESEAL,
        [id_ for id_, _ in fresh],
        [sealed.ciphertext for _, sealed in fresh],
        [sealed.key_version for _, sealed in fresh],
    )


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])


def _status(row: asyncpg.Record) -> LetterStatus:
    problem, reply = row["problem"], row["reply"]
    return LetterStatus(
        id=row["id"],
        channel=Channel(row["channel"]),
        template=row["template"],
        language=Language(row["language"]),
        member_id=row["member_id"],
        subject_id=row["subject_id"],
        state=LetterState(row["state"]),
        attempts=row["attempts"],
        next_at=row["next_at"],
        last=Attempt(Problem(problem), reply) if problem is not None else None,
        created_at=row["created_at"],
        over_at=row["over_at"],
    )
