"""What issuers are told, for operators who look for what is stuck."""

from typing import Any, Final

from obverse.kit.database import Connection
from obverse.kit.paging import NEWEST, Page, PageRequest, cut
from obverse.points.model import MessageKind, MessageStatus

_SELECT: Final = """
select m.id, m.authorization_id, a.issuer_id, m.kind, m.reference, m.units, m.units_before, m.tries,
    m.created_at, m.next_at, m.done_at
from points_messages as m join points_accounts as a on a.id = m.source_id
"""

_PAGE: Final = f"m.id < coalesce($1, {NEWEST}) order by m.id desc limit $2"

ALL: Final = f"{_SELECT} where {_PAGE}"

# By the index of what is due: few are, among the many that were.
PENDING: Final = f"""
with m as materialized (select * from points_messages where done_at is null)
{_SELECT.replace("points_messages as m", "m")} where {_PAGE}
"""

DONE: Final = f"{_SELECT} where m.done_at is not null and {_PAGE}"


async def find_page(conn: Connection, page: PageRequest, *, pending: bool | None) -> Page[MessageStatus]:
    """Messages, newest first; with `pending`, those that are acknowledged, or are not."""
    query = ALL if pending is None else PENDING if pending else DONE
    rows = await conn.fetch(query, page.after, page.limit + 1)
    return cut([_status(row) for row in rows], page, lambda status: status.id)


def _status(row: Any) -> MessageStatus:
    return MessageStatus(
        id=row["id"],
        authorization_id=row["authorization_id"],
        issuer_id=row["issuer_id"],
        kind=MessageKind(row["kind"]),
        reference=row["reference"],
        units=row["units"],
        units_before=row["units_before"],
        tries=row["tries"],
        created_at=row["created_at"],
        next_at=row["next_at"],
        done_at=row["done_at"],
    )
