"""Claim files and their reports."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import asyncpg

from obverse.clearing.claims.errors import AnswerStands
from obverse.clearing.claims.model import Bucket, ClaimFile, Count, FileProblem, FileState
from obverse.kit.database import Connection
from obverse.kit.ids import ClaimFileId, MerchantId
from obverse.kit.money import CurrencyCode
from obverse.kit.paging import NEWEST, Page, PageRequest, cut

_REPORT: Final = [f"{bucket}_{what}" for bucket in Bucket for what in ("lines", "minor")]
_COLUMNS: Final = f"""
id, merchant_id, state, problem, currency, size_bytes, lines, amount_minor, created_at, done_at, lines_done,
{", ".join(_REPORT)}
"""
_ADDED: Final = ", ".join(f"{name} = {name} + ${number}" for number, name in enumerate(_REPORT, 2))
"""The report's counts as parameters from $2 on."""

INSERT: Final = """
insert into claim_files (id, merchant_id, state, leased_until, created_at)
values ($1, $2, 'receiving', $3, $4)
"""

END_INTAKE: Final = f"""
update claim_files set state = $2, problem = $3, digest = $4, currency = $5, size_bytes = $6, lines = $7,
    amount_minor = $8, leased_until = $9
where id = $1 and state = 'receiving' returning {_COLUMNS}
"""

DISCARD: Final = """
update claim_files set state = 'discarded', leased_until = $2 where id = $1 and state = 'receiving'
"""

RENEW: Final = "update claim_files set leased_until = $2 where id = $1 and state = 'receiving'"

FIND: Final = f"""
select {_COLUMNS} from claim_files where id = $1 and state not in ('receiving', 'discarded')
"""

BY_DIGEST: Final = f"select {_COLUMNS} from claim_files where merchant_id = $1 and digest = $2"

PAGE: Final = f"""
select {_COLUMNS} from claim_files
where merchant_id = $3 and id < coalesce($1, {NEWEST}) and state not in ('receiving', 'discarded')
order by id desc limit $2
"""

PAGE_OF_ALL: Final = f"""
select {_COLUMNS} from claim_files
where id < coalesce($1, {NEWEST}) and state not in ('receiving', 'discarded') order by id desc limit $2
"""

TAKE: Final = f"""
update claim_files set leased_until = $2 where id = (
    select id from claim_files
    where state = 'processing' and leased_until <= $1 and ($3::uuid is null or id = $3)
    order by leased_until limit 1 for update skip locked
) returning {_COLUMNS}
"""

# Each line is told and counted by whoever moves the mark past it, and by nobody else.
ADVANCE: Final = """
update claim_files set lines_done = $3, leased_until = $4
where id = $1 and state = 'processing' and lines_done = $2
"""

ADD: Final = f"update claim_files set {_ADDED} where id = $1"

FINISH: Final = f"""
update claim_files set state = 'done', done_at = $2, leased_until = null
where id = $1 and state = 'processing' returning {_COLUMNS}
"""

TAKE_UNWANTED: Final = """
update claim_files set leased_until = $2, state = case state when 'refused' then state else 'discarded' end
where id = (
    select id from claim_files
    where state in ('receiving', 'refused', 'discarded') and leased_until <= $1
    order by leased_until limit 1 for update skip locked
) returning id, state
"""

PUT_AWAY: Final = "update claim_files set leased_until = null where id = $1"

DELETE: Final = "delete from claim_files where id = $1 and state = 'discarded'"


async def insert_file(conn: Connection, file: ClaimFile, leased_until: datetime) -> None:
    """A file that begins to come in."""
    await conn.execute(INSERT, file.id, file.merchant_id, leased_until, file.created_at)


async def end_intake(
    conn: Connection, file: ClaimFile, digest: bytes, leased_until: datetime
) -> ClaimFile | None:
    """Store what the whole file turned out to be; None where it was given up meanwhile.

    Raises `AnswerStands` where the merchant has sent the same file before.
    """
    try:
        row = await conn.fetchrow(
            END_INTAKE,
            file.id,
            file.state,
            file.problem,
            digest,
            file.currency,
            file.size_bytes,
            file.claims.lines,
            file.claims.amount_minor,
            leased_until,
        )
    except asyncpg.UniqueViolationError as violation:
        raise AnswerStands from violation
    return _file(row) if row else None


async def discard(conn: Connection, file_id: ClaimFileId, now: datetime) -> None:
    """Give up a file that is still coming in."""
    await conn.execute(DISCARD, file_id, now)


async def renew(conn: Connection, file_id: ClaimFileId, leased_until: datetime) -> bool:
    """Go on receiving a file for a while; False where it was given up meanwhile."""
    return bool(await conn.execute(RENEW, file_id, leased_until) == "UPDATE 1")


async def find_file(conn: Connection, file_id: ClaimFileId) -> ClaimFile | None:
    row = await conn.fetchrow(FIND, file_id)
    return _file(row) if row else None


async def find_by_digest(conn: Connection, merchant_id: MerchantId, digest: bytes) -> ClaimFile | None:
    """The first file of this merchant with this content."""
    row = await conn.fetchrow(BY_DIGEST, merchant_id, digest)
    return _file(row) if row else None


async def find_files(conn: Connection, page: PageRequest, merchant_id: MerchantId | None) -> Page[ClaimFile]:
    """Files, newest first; of one merchant or of all."""
    if merchant_id is None:
        rows = await conn.fetch(PAGE_OF_ALL, page.after, page.limit + 1)
    else:
        rows = await conn.fetch(PAGE, page.after, page.limit + 1, merchant_id)
    return cut([_file(row) for row in rows], page, lambda file: file.id)


async def take(
    conn: Connection, now: datetime, leased_until: datetime, file_id: ClaimFileId | None = None
) -> tuple[ClaimFile, int] | None:
    """A file to carry out that nobody is at, this one or any, and up to which line it is done."""
    row = await conn.fetchrow(TAKE, now, leased_until, file_id)
    return (_file(row), row["lines_done"]) if row else None


async def advance(
    conn: Connection, file_id: ClaimFileId, done: int, now_done: int, leased_until: datetime
) -> bool:
    """Move the mark of what is done; False where somebody else has moved it from there."""
    return bool(await conn.execute(ADVANCE, file_id, done, now_done, leased_until) == "UPDATE 1")


async def add_to_report(conn: Connection, file_id: ClaimFileId, change: Mapping[Bucket, Count]) -> None:
    """Count a line of a file otherwise from now on."""
    await conn.execute(ADD, file_id, *_counts(change))


async def finish(conn: Connection, file_id: ClaimFileId, now: datetime) -> ClaimFile | None:
    """Every line is carried out; None where somebody else has said so."""
    row = await conn.fetchrow(FINISH, file_id, now)
    return _file(row) if row else None


async def take_unwanted(
    conn: Connection, now: datetime, leased_until: datetime
) -> tuple[ClaimFileId, FileState] | None:
    """A file whose lines are of no use: refused as a whole, discarded, or never received to its end."""
    row = await conn.fetchrow(TAKE_UNWANTED, now, leased_until)
    return (ClaimFileId(row["id"]), FileState(row["state"])) if row else None


async def put_away(conn: Connection, file_id: ClaimFileId) -> None:
    """Nothing is left to do for this file."""
    await conn.execute(PUT_AWAY, file_id)


async def delete_file(conn: Connection, file_id: ClaimFileId) -> None:
    """Forget a file that nobody was told of."""
    await conn.execute(DELETE, file_id)


def _counts(change: Mapping[Bucket, Count]) -> list[int]:
    counts = [change.get(bucket, Count()) for bucket in Bucket]
    return [number for count in counts for number in (count.lines, count.amount_minor)]


def _file(row: Any) -> ClaimFile:
    return ClaimFile(
        id=ClaimFileId(row["id"]),
        merchant_id=MerchantId(row["merchant_id"]),
        state=FileState(row["state"]),
        created_at=row["created_at"],
        currency=CurrencyCode(row["currency"]) if row["currency"] else None,
        problem=FileProblem(row["problem"]) if row["problem"] else None,
        size_bytes=row["size_bytes"],
        claims=Count(row["lines"], row["amount_minor"]),
        report={bucket: Count(row[f"{bucket}_lines"], row[f"{bucket}_minor"]) for bucket in Bucket},
        done_at=row["done_at"],
    )
