"""What operators decided of issuers and rates: told to who follows, and kept for who asks."""

from collections.abc import Mapping
from uuid import UUID

from obverse.kit import audit, events
from obverse.kit.audit import AuditEntry
from obverse.kit.clock import Clock
from obverse.kit.database import Connection
from obverse.kit.events import Event
from obverse.kit.ids import AuditId, EventId, NewId, PointsIssuerId, to_text
from obverse.merchants.model import Decision


class Journal:
    """Writes in the caller's commit: it is told if and only if it happened."""

    def __init__(self, clock: Clock, new_id: NewId) -> None:
        self._clock = clock
        self._new_id = new_id

    async def tell(
        self,
        conn: Connection,
        type_: str,
        subject: tuple[str, UUID],
        issuer_id: PointsIssuerId,
        decision: Decision,
        more: Mapping[str, str] | None = None,
    ) -> None:
        """One event and one audit entry about `subject`, a prefix and an id. `more` is terms, never a secret.

        Raises `InvalidRequest` for a reason that nobody could read.
        """
        reason, now = audit.check_reason(decision.reason), self._clock.now()
        prefix, id_ = subject
        told = {"issuer": to_text("pis", issuer_id), **(more or {})}
        await events.append(conn, [Event(EventId(self._new_id()), type_, id_, told, now)])
        entry = AuditEntry(
            AuditId(self._new_id()), decision.actor, type_, to_text(prefix, id_), reason, now, told
        )
        await audit.record(conn, [entry])
