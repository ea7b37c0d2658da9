"""What this room tells: events for everybody who follows, audit entries for who asks who decided."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from obverse.kit import audit, events
from obverse.kit.audit import AuditEntry
from obverse.kit.clock import Clock
from obverse.kit.database import Connection
from obverse.kit.events import Event
from obverse.kit.ids import AuditId, EventId, NewId, to_text
from obverse.merchants.model import Decision

_NOUNS: Final = {"mer": "merchant", "app": "application"}


class Journal:
    """Writes in the caller's commit: it is told if and only if it happened."""

    def __init__(self, clock: Clock, new_id: NewId) -> None:
        self._clock = clock
        self._new_id = new_id

    async def tell(
        self,
        conn: Connection,
        type_: str,
        prefix: str,
        subject_id: UUID,
        more: Mapping[str, str] | None = None,
        decision: Decision | None = None,
    ) -> None:
        """One event, and with a decision one audit entry. Raises `InvalidRequest` for an unreadable reason.

        `more` is ids and terms, never a secret.
        """
        subject, more, now = to_text(prefix, subject_id), more or {}, self._clock.now()
        event = Event(EventId(self._new_id()), type_, subject_id, {_NOUNS[prefix]: subject, **more}, now)
        await events.append(conn, [event])
        if decision is not None:
            reason = audit.check_reason(decision.reason)
            entry = AuditEntry(AuditId(self._new_id()), decision.actor, type_, subject, reason, now, more)
            await audit.record(conn, [entry])
