"""Presentment files in the database."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

from obverse.clearing.presentments.model import Direction, FileState, PresentmentFile, Totals
from obverse.clearing.presentments.repository.rows import PATIENCE_S
from obverse.kit.database import Connection
from obverse.kit.ids import PresentmentFileId
from obverse.kit.money import CurrencyCode
from obverse.kit.paging import NEWEST, Page, PageRequest, cut

TAKE_TURN: Final = "select pg_advisory_xact_lock($1, $2)"
_TURN: Final = (0x0B5E, 7)
"""Advisory lock: files are made one after another, so that each gets a sequence of its own."""

FILL_FILE: Final = """
with filled as (
    update presentments set state = 'presented', file_id = $1
    where id in (select id from presentments where state = 'ready' order by id limit $2 for update)
    returning direction, amount_minor
)
select direction, count(*) as number, sum(amount_minor)::bigint as minor from filled group by direction
"""

MADE_SINCE: Final = """
select exists (select from presentment_files where business_day = $1 and created_at >= $2)
"""

INSERT_FILE: Final = """
insert into presentment_files (id, reference, business_day, sequence, currency, debit_count, debit_minor,
    credit_count, credit_minor, state, next_try_at, created_at)
select $1, $2, $3, coalesce(max(sequence), 0) + 1, $4, $5, $6, $7, $8, 'made', $9, $9
from presentment_files where business_day = $3
returning sequence
"""

_FILE_COLUMNS: Final = """
id, reference, business_day, sequence, currency, debit_count, debit_minor, credit_count, credit_minor, state,
problem, next_try_at, sha256, rejected_count, accepted_minor, carried_minor, received_minor, created_at,
acknowledged_at
"""

# Only the oldest open file is worked on: the next one leaves when it is answered.
LOCK_OLDEST_OPEN: Final = f"""
select {_FILE_COLUMNS} from presentment_files
where state in ('made', 'unknown', 'sent') order by id limit 1 for update
"""

LOCK_FILE: Final = f"select {_FILE_COLUMNS} from presentment_files where id = $1 for update"

LOCK_FILES: Final = f"""
select {_FILE_COLUMNS} from presentment_files where reference = any($1::text[]) order by id for update
"""

GET_FILE: Final = f"select {_FILE_COLUMNS} from presentment_files where id = $1"

SAVE_FILE: Final = """
update presentment_files set state = $2, problem = $3, next_try_at = $4, sha256 = $5, rejected_count = $6,
    accepted_minor = $7, carried_minor = $8, acknowledged_at = $9
where id = $1
"""

SAVE_RECEIVED: Final = """
update presentment_files set received_minor = paid.received_minor
from unnest($1::uuid[], $2::bigint[]) as paid (id, received_minor) where presentment_files.id = paid.id
"""

CARRIED_OVER: Final = """
select least(0, accepted_minor + carried_minor) from presentment_files
where state = 'acknowledged' order by id desc limit 1
"""

FILE_PAGE: Final = f"""
select {_FILE_COLUMNS} from presentment_files where id < coalesce($1, {NEWEST}) order by id desc limit $2
"""


async def take_turn(conn: Connection) -> None:
    """Wait until nobody else makes a file; until this transaction ends."""
    await conn.execute(TAKE_TURN, *_TURN)


async def made_since(conn: Connection, day: date, since: datetime) -> bool:
    """Whether this business day has a file that was made at this moment or later."""
    made: bool = await conn.fetchval(MADE_SINCE, day, since)
    return made


async def make_file(
    conn: Connection,
    id_: PresentmentFileId,
    reference: str,
    day: date,
    currency: CurrencyCode,
    now: datetime,
    limit: int,
) -> PresentmentFile | None:
    """Put the oldest ready presentments into a new file; None where there are none. It is your turn."""
    filled = await conn.fetch(FILL_FILE, id_, limit, timeout=PATIENCE_S)
    sums = {row["direction"]: (row["number"], row["minor"]) for row in filled}
    if not sums:
        return None
    added_up = Totals(*sums.get(Direction.DEBIT, (0, 0)), *sums.get(Direction.CREDIT, (0, 0)))
    sequence = await conn.fetchval(
        INSERT_FILE,
        id_,
        reference,
        day,
        currency,
        added_up.debit_count,
        added_up.debit_minor,
        added_up.credit_count,
        added_up.credit_minor,
        now,
    )
    return PresentmentFile(id_, reference, day, sequence, currency, added_up, FileState.MADE, now, now)


async def lock_oldest_open(conn: Connection) -> PresentmentFile | None:
    """The file whose turn it is, locked."""
    row = await conn.fetchrow(LOCK_OLDEST_OPEN)
    return _file(row) if row else None


async def lock_file(conn: Connection, id_: PresentmentFileId) -> PresentmentFile | None:
    row = await conn.fetchrow(LOCK_FILE, id_)
    return _file(row) if row else None


async def lock_files(conn: Connection, references: Sequence[str]) -> list[PresentmentFile]:
    """The files with these references, locked in id order."""
    return [_file(row) for row in await conn.fetch(LOCK_FILES, references)]


async def get_file(conn: Connection, id_: PresentmentFileId) -> PresentmentFile | None:
    row = await conn.fetchrow(GET_FILE, id_)
    return _file(row) if row else None


async def save_file(conn: Connection, file: PresentmentFile) -> None:
    """Store what the exchange changes of a file; the caller holds its lock."""
    await conn.execute(
        SAVE_FILE,
        file.id,
        file.state,
        file.problem,
        file.next_try_at,
        file.sha256,
        file.rejected_count,
        file.accepted_minor,
        file.carried_minor,
        file.acknowledged_at,
    )


async def save_received(conn: Connection, files: Sequence[PresentmentFile]) -> None:
    """Store what has been received for these files; the caller holds their locks."""
    await conn.execute(SAVE_RECEIVED, [file.id for file in files], [file.received_minor for file in files])


async def carried_over(conn: Connection) -> int:
    """What the last acknowledged file left for the next one to deduct: zero or negative."""
    carried: int | None = await conn.fetchval(CARRIED_OVER)
    return carried or 0


async def find_files(conn: Connection, page: PageRequest) -> Page[PresentmentFile]:
    """All files, newest first."""
    rows = await conn.fetch(FILE_PAGE, page.after, page.limit + 1)
    return cut([_file(row) for row in rows], page, lambda file: file.id)


def _file(row: Any) -> PresentmentFile:
    return PresentmentFile(
        id=row["id"],
        reference=row["reference"],
        business_day=row["business_day"],
        sequence=row["sequence"],
        currency=CurrencyCode(row["currency"]),
        totals=Totals(row["debit_count"], row["debit_minor"], row["credit_count"], row["credit_minor"]),
        state=FileState(row["state"]),
        next_try_at=row["next_try_at"],
        created_at=row["created_at"],
        problem=row["problem"],
        sha256=row["sha256"],
        rejected_count=row["rejected_count"],
        accepted_minor=row["accepted_minor"],
        carried_minor=row["carried_minor"],
        received_minor=row["received_minor"],
        acknowledged_at=row["acknowledged_at"],
    )
