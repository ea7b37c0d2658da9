"""The audit log: what people decided, who, when and why; written in the commit of the decision.

Events tell what happened; this tells who answers for it. Operators' decisions about money go in here with a
reason: a merchant approved, an exception settled, a break explained, a dispute decided.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from obverse.kit.database import Connection, Table, insert_rows
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import AuditId
from obverse.kit.paging import NEWEST, Page, PageRequest, cut

REASON_LENGTH_MAX: Final = 500


class AuditEntry(msgspec.Struct, frozen=True):
    """`actor` did `action` to `subject`, for this `reason`.

    `actor` and `subject` are ids as the outside writes them (`key_01j...`, `mer_01j...`), `action` is
    `<room's noun>.<past tense>` like an event's type. `data` never holds a secret.
    """

    id: AuditId
    actor: str
    action: str
    subject: str
    reason: str
    created_at: datetime
    data: Mapping[str, str] = msgspec.field(default_factory=dict)


_AUDIT_LOG: Final = Table(
    "audit_log",
    {
        "id": "uuid",
        "actor": "text",
        "action": "text",
        "subject": "text",
        "reason": "text",
        "data": "jsonb",
        "created_at": "timestamptz",
    },
)

READ_PAGE: Final = f"""
select id, actor, action, subject, reason, data::text, created_at from audit_log
where id < coalesce($1, {NEWEST}) and ($3::text is null or subject = $3) order by id desc limit $2
"""


def check_reason(reason: str) -> str:
    """A reason that somebody can read later. Raises `InvalidRequest`."""
    if not 1 <= len(reason.strip()) <= REASON_LENGTH_MAX or not reason.isprintable():
        raise InvalidRequest(f"Give a reason of 1 to {REASON_LENGTH_MAX} printable characters.", "reason")
    return reason.strip()


async def record(conn: Connection, entries: Sequence[AuditEntry]) -> None:
    """Write entries in the caller's transaction."""
    rows = [
        (e.id, e.actor, e.action, e.subject, e.reason, msgspec.json.encode(e.data).decode(), e.created_at)
        for e in entries
    ]
    await insert_rows(conn, _AUDIT_LOG, rows)


async def read_page(conn: Connection, page: PageRequest, subject: str | None = None) -> Page[AuditEntry]:
    """Entries, newest first; with `subject`, those about it."""
    rows = await conn.fetch(READ_PAGE, page.after, page.limit + 1, subject)
    entries = [
        AuditEntry(
            id=AuditId(row["id"]),
            actor=row["actor"],
            action=row["action"],
            subject=row["subject"],
            reason=row["reason"],
            created_at=row["created_at"],
            data=msgspec.json.decode(row["data"]),
        )
        for row in rows
    ]
    return cut(entries, page, lambda entry: entry.id)
