"""Presentments one by one and by file: what was said of them, and what operators decide."""

from collections.abc import Sequence
from typing import Final

from obverse.clearing.presentments.model import Presentment, PresentmentState
from obverse.clearing.presentments.repository.rows import COLUMNS, PATIENCE_S, from_row
from obverse.kit.database import Connection
from obverse.kit.ids import PresentmentFileId, PresentmentId
from obverse.kit.paging import NEWEST, Page, PageRequest, cut

MEMBERS: Final = f"select {COLUMNS} from presentments where file_id = $1 order by arn"

LOCK_NAMED: Final = f"""
select {COLUMNS} from presentments
where file_id = $1 and arn = any($2::text[]) and state = 'presented' order by id for update
"""

REJECT: Final = """
update presentments set state = 'rejected', reject_reason = said.reason
from unnest($2::text[], $3::text[]) as said (arn, reason)
where presentments.file_id = $1 and presentments.arn = said.arn and presentments.state = 'presented'
"""

ACCEPT_REST: Final = "update presentments set state = 'accepted' where file_id = $1 and state = 'presented'"

REJECT_ALL: Final = """
update presentments set state = 'rejected', reject_reason = $2 where file_id = $1 and state = 'presented'
"""

GET: Final = f"select {COLUMNS} from presentments where id = $1"

LOCK: Final = f"select {COLUMNS} from presentments where id = any($1::uuid[]) order by id for update"

LOCK_REJECTED_OF: Final = f"""
select {COLUMNS} from presentments where file_id = $1 and state = 'rejected' order by id for update
"""

MAKE_READY: Final = """
update presentments set state = 'ready', file_id = null, reject_reason = null where id = any($1::uuid[])
"""

WRITE_OFF: Final = "update presentments set state = 'written_off' where id = any($1::uuid[])"

PAGE: Final = f"select {COLUMNS} from presentments where id < coalesce($1, {NEWEST})"


async def members(conn: Connection, id_: PresentmentFileId) -> list[Presentment]:
    """All presentments of a file, in the order in which they stand in it."""
    return [from_row(row) for row in await conn.fetch(MEMBERS, id_, timeout=PATIENCE_S)]


async def lock_named(conn: Connection, id_: PresentmentFileId, arns: Sequence[str]) -> list[Presentment]:
    """The presentments of this file that an acknowledgement names."""
    rows = await conn.fetch(LOCK_NAMED, id_, arns, timeout=PATIENCE_S)
    return [from_row(row) for row in rows]


async def reject(conn: Connection, id_: PresentmentFileId, reasons: Sequence[tuple[str, str]]) -> None:
    """Mark members, by `(arn, reason)`, as rejected."""
    arns, whys = [arn for arn, _ in reasons], [reason for _, reason in reasons]
    await conn.execute(REJECT, id_, arns, whys, timeout=PATIENCE_S)


async def accept_rest(conn: Connection, id_: PresentmentFileId) -> None:
    await conn.execute(ACCEPT_REST, id_, timeout=PATIENCE_S)


async def reject_all(conn: Connection, id_: PresentmentFileId, reason: str) -> None:
    await conn.execute(REJECT_ALL, id_, reason, timeout=PATIENCE_S)


async def get(conn: Connection, id_: PresentmentId) -> Presentment | None:
    row = await conn.fetchrow(GET, id_)
    return from_row(row) if row else None


async def lock(conn: Connection, ids: Sequence[PresentmentId]) -> list[Presentment]:
    return [from_row(row) for row in await conn.fetch(LOCK, ids)]


async def lock_rejected_of(conn: Connection, id_: PresentmentFileId) -> list[Presentment]:
    rows = await conn.fetch(LOCK_REJECTED_OF, id_, timeout=PATIENCE_S)
    return [from_row(row) for row in rows]


async def make_ready(conn: Connection, ids: Sequence[PresentmentId]) -> None:
    """Let the next file carry them again."""
    await conn.execute(MAKE_READY, ids, timeout=PATIENCE_S)


async def write_off(conn: Connection, ids: Sequence[PresentmentId]) -> None:
    await conn.execute(WRITE_OFF, ids)


async def find_page(
    conn: Connection,
    page: PageRequest,
    file_id: PresentmentFileId | None = None,
    state: PresentmentState | None = None,
) -> Page[Presentment]:
    """Presentments, newest first: all, those of one file, or those in one state."""
    # A text of its own per filter: one that takes any would be planned for none. A state is written out, for
    # an index of the rejected ones serves nobody who does not say so.
    given = () if file_id is None else (file_id,)
    of_file = " and file_id = $3" if given else ""
    in_state = "" if state is None else f" and state = '{PresentmentState(state)}'"
    query = f"{PAGE}{of_file}{in_state} order by id desc limit $2"
    rows = await conn.fetch(query, page.after, page.limit + 1, *given)
    return cut([from_row(row) for row in rows], page, lambda presentment: presentment.id)
