"""Claims, whatever road they came by."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from obverse.clearing.claims.errors import AnswerStands
from obverse.clearing.claims.model import ClaimKind, ClaimRecord, Outcome, Reason, Road, TerminalBatch
from obverse.kit.database import Connection, Table, insert_rows
from obverse.kit.ids import AuthorizationId, ClaimFileId, ClaimId, MerchantId
from obverse.kit.money import CurrencyCode
from obverse.kit.paging import Page, PageRequest, cut

CLAIMS: Final = Table(
    "claims",
    {
        "id": "uuid",
        "merchant_id": "uuid",
        "file_id": "uuid",
        "line": "int",
        "road": "text",
        "batch_no": "text",
        "kind": "text",
        "request_key": "text",
        "reference": "text",
        "terminal": "text",
        "last_four": "text",
        "approval_code": "text",
        "amount_minor": "bigint",
        "currency": "text",
        "claimed_at": "timestamptz",
        "final": "boolean",
        "partition_id": "smallint",
        "authorization_id": "uuid",
        "outcome": "text",
        "reason": "text",
        "broken_column": "text",
        "repeated": "boolean",
        "being_paid": "boolean",
        "created_at": "timestamptz",
    },
)
_COLUMNS: Final = ", ".join(CLAIMS.columns)

LINES: Final = f"select {_COLUMNS} from claims where file_id = $1 and line > $2 order by line limit $3"

FILE_PAGE: Final = f"""
select {_COLUMNS} from claims
where file_id = $1 and line > coalesce((select line from claims where id = $3 and file_id = $1), 0)
order by line limit $2
"""

# One look-up in the unique index per key, whatever the planner believes; see `authorization.payments.BY_KEY`.
STANDING: Final = f"""
select {_COLUMNS} from unnest($1::text[]) as asked (key)
cross join lateral (select * from claims where request_key = asked.key and standing limit 1) as earlier
"""

PAGE: Final = f"select {_COLUMNS} from claims where true"

EXCEPTIONS: Final = f"select {_COLUMNS} from claims where outcome = 'exception' and standing"

FIND: Final = f"select {_COLUMNS} from claims where id = $1"

# Repeats of a claim that waits are told what is decided about the first.
LOCK_WITH_REPEATS: Final = f"""
select {_COLUMNS} from claims where id = any(array(
    select id from claims where id = $1
    union
    select id from claims
    where request_key = (select request_key from claims where id = $1) and outcome = 'exception'
)) order by id for update
"""

IN_BATCH: Final = """
select exists (
    select from claims
    where merchant_id = $1 and terminal = $2 and batch_no = $3 and request_key = $4
        and authorization_id = $5 and outcome = 'paid'
)
"""

MARK_BEING_PAID: Final = "update claims set being_paid = $2 where id = $1 and outcome = 'exception'"

SAVE_VERDICT: Final = """
update claims set outcome = $2, reason = $3, repeated = $4, being_paid = false where id = any($1::uuid[])
"""

DELETE_LINES: Final = """
delete from claims where id = any(array(select id from claims where file_id = $1 limit $2))
"""


_OVERTAKEN: Final = (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError)
"""Another transaction has stored an answer under the same key, or two wanted the same ones in turn."""


async def insert(conn: Connection, records: Sequence[ClaimRecord]) -> None:
    """Store new claims. Raises `AnswerStands`."""
    try:
        await insert_rows(conn, CLAIMS, [_row(record) for record in records])
    except _OVERTAKEN as overtaken:
        raise AnswerStands from overtaken


async def find_lines(
    conn: Connection, file_id: ClaimFileId, after_line: int, limit: int
) -> list[ClaimRecord]:
    """The claims of a file behind this line, in the order of the file."""
    return [_record(row) for row in await conn.fetch(LINES, file_id, after_line, limit)]


async def find_file_page(conn: Connection, file_id: ClaimFileId, page: PageRequest) -> Page[ClaimRecord]:
    """The claims of a file in pages, in the order of the file."""
    rows = await conn.fetch(FILE_PAGE, file_id, page.limit + 1, page.after)
    return cut([_record(row) for row in rows], page, lambda record: record.id)


async def find_standing(conn: Connection, request_keys: Sequence[str]) -> dict[str, ClaimRecord]:
    """By request key, the claims whose answers are those of any repeat."""
    records = [_record(row) for row in await conn.fetch(STANDING, request_keys)]
    return {record.request_key: record for record in records if record.request_key is not None}


async def find_page(
    conn: Connection,
    page: PageRequest,
    *,
    merchant_id: MerchantId | None = None,
    outcome: Outcome | None = None,
) -> Page[ClaimRecord]:
    """Claims of every road, newest first, narrowed by what is given."""
    return await _page(conn, PAGE, page, {"merchant_id =": merchant_id, "outcome =": outcome})


async def find_exceptions(
    conn: Connection, page: PageRequest, merchant_id: MerchantId | None = None
) -> Page[ClaimRecord]:
    """Claims that wait for an operator, newest first; a repeat of one that waits is not listed again."""
    return await _page(conn, EXCEPTIONS, page, {"merchant_id =": merchant_id})


async def _page(
    conn: Connection, statement: str, page: PageRequest, filters: dict[str, object]
) -> Page[ClaimRecord]:
    # A statement of its own for every set of filters, as for payments: one plan does not fit all.
    given = {
        comparison: value
        for comparison, value in {"id <": page.after, **filters}.items()
        if value is not None
    }
    narrowed = "".join([f" and {comparison} ${number}" for number, comparison in enumerate(given, 2)])
    rows = await conn.fetch(
        f"{statement}{narrowed} order by id desc limit $1", page.limit + 1, *given.values()
    )
    return cut([_record(row) for row in rows], page, lambda record: record.id)


async def find(conn: Connection, claim_id: ClaimId) -> ClaimRecord | None:
    row = await conn.fetchrow(FIND, claim_id)
    return _record(row) if row else None


async def lock_with_repeats(conn: Connection, claim_id: ClaimId) -> list[ClaimRecord]:
    """A claim, and those that wait for an operator under its key, locked in id order."""
    return [_record(row) for row in await conn.fetch(LOCK_WITH_REPEATS, claim_id)]


async def mark_being_paid(conn: Connection, claim_id: ClaimId, *, being_paid: bool) -> None:
    """Note whether the money of a claim that waits may be moving."""
    await conn.execute(MARK_BEING_PAID, claim_id, being_paid)


async def is_in_batch(conn: Connection, batch: TerminalBatch, record: ClaimRecord) -> bool:
    """Whether this claim is counted in this batch already."""
    return bool(await conn.fetchval(IN_BATCH, *batch, record.request_key, record.authorization_id))


async def save_verdicts(conn: Connection, records: Sequence[ClaimRecord]) -> None:
    """Store what became of claims: one statement for all of which the same is said. Raises `AnswerStands`."""
    said: dict[tuple[Outcome, Reason | None, bool], list[ClaimId]] = defaultdict(list)
    for record in records:
        said[record.outcome, record.reason, record.repeated].append(record.id)
    try:
        for verdict, ids in said.items():
            await conn.execute(SAVE_VERDICT, ids, *verdict)
    except _OVERTAKEN as overtaken:
        raise AnswerStands from overtaken


async def delete_lines(conn: Connection, file_id: ClaimFileId, limit: int) -> int:
    """Forget lines of a file that was not taken; returns how many."""
    return int((await conn.execute(DELETE_LINES, file_id, limit)).rpartition(" ")[2])


def _row(record: ClaimRecord) -> tuple[object, ...]:
    return (
        record.id,
        record.merchant_id,
        record.file_id,
        record.line,
        record.road,
        record.batch_no,
        record.kind,
        record.request_key,
        record.reference,
        record.terminal,
        record.last_four,
        record.approval_code,
        record.amount_minor,
        record.currency,
        record.claimed_at,
        record.final,
        record.partition_id,
        record.authorization_id,
        record.outcome,
        record.reason,
        record.column,
        record.repeated,
        record.being_paid,
        record.created_at,
    )


def _record(row: Any) -> ClaimRecord:
    return ClaimRecord(
        id=ClaimId(row["id"]),
        road=Road(row["road"]),
        kind=ClaimKind(row["kind"]),
        outcome=Outcome(row["outcome"]),
        created_at=row["created_at"],
        merchant_id=MerchantId(row["merchant_id"]) if row["merchant_id"] else None,
        file_id=ClaimFileId(row["file_id"]) if row["file_id"] else None,
        line=row["line"],
        batch_no=row["batch_no"],
        request_key=row["request_key"],
        reference=row["reference"],
        terminal=row["terminal"],
        last_four=row["last_four"],
        approval_code=row["approval_code"],
        amount_minor=row["amount_minor"],
        currency=CurrencyCode(row["currency"]) if row["currency"] else None,
        claimed_at=row["claimed_at"],
        final=row["final"],
        partition_id=row["partition_id"],
        authorization_id=AuthorizationId(row["authorization_id"]) if row["authorization_id"] else None,
        reason=Reason(row["reason"]) if row["reason"] else None,
        column=row["broken_column"],
        repeated=row["repeated"],
        being_paid=row["being_paid"],
    )
