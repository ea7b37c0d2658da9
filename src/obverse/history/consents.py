"""A member's consent to have their purchases counted, given and taken back (WA-15)."""

from obverse.history.model import Consent
from obverse.history.repository import consents
from obverse.kit import events
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.events import Event
from obverse.kit.ids import ConsentId, EventId, MemberId, NewId, to_text


class Consents:
    """Who agrees to be counted. Both steps may be repeated."""

    def __init__(self, database: Database, *, clock: Clock, new_id: NewId) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id

    async def of(self, member_id: MemberId) -> Consent | None:
        """The newest, withdrawn or not; None where this member never gave any."""
        async with self._database.connection() as conn:
            return await consents.latest(conn, member_id)

    async def set(self, member_id: MemberId, *, given: bool) -> Consent | None:
        """Give consent for what is bought from now on, or take it back.

        What is taken back counts from now on: nothing more is counted of this member, not even what was
        bought before, unless its month has been counted already.
        """
        now = self._clock.now()
        async with self._database.transaction() as conn:
            before = await consents.latest(conn, member_id)
            if given:
                await consents.give(conn, ConsentId(self._new_id()), member_id, now)
            else:
                await consents.withdraw(conn, member_id, now)
            after = await consents.latest(conn, member_id)
            if after != before:
                type_ = f"consent.{'given' if given else 'withdrawn'}"
                data = {"member": to_text("mem", member_id)}
                await events.append(conn, [Event(EventId(self._new_id()), type_, member_id, data, now)])
        return after
