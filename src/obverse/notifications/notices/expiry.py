"""Telling members what will expire, a month and a week before."""

from typing import Final

from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import LetterId, NewId
from obverse.letters import Letters
from obverse.notifications.notices import repository, rules
from obverse.notifications.ports import Contacts

AT_ONCE: Final = 500
"""Lots looked at in one commit."""


class ExpiryNotices:
    """Announces balances that end soon: each once with each notice (PP-14)."""

    def __init__(
        self, database: Database, contacts: Contacts, letters: Letters, *, clock: Clock, new_id: NewId
    ) -> None:
        self._database = database
        self._contacts = contacts
        self._letters = letters
        self._clock = clock
        self._new_id = new_id

    async def announce_due(self) -> int:
        """Tell of everything that comes near enough; returns how many letters. Processes take turns."""
        posted = 0
        for days in rules.ANNOUNCED:
            more = True
            while more:
                count, more = await self._announce_some(days)
                posted += count
        return posted

    async def _announce_some(self, days: int) -> tuple[int, bool]:
        now = self._clock.now()
        nearer, farther = rules.announced_between(days)
        async with self._database.transaction() as conn:
            expiring, more = await repository.expiring(conn, days, now + nearer, now + farther, AT_ONCE)
            contacts = await self._contacts.contacts(conn, sorted({each.member_id for each in expiring}))
            letters = [
                rules.about_expiry(LetterId(self._new_id()), each, days, contacts[each.member_id])
                for each in expiring
                if each.member_id in contacts
            ]
            posted = await self._letters.post(conn, [letter for letter in letters if letter is not None])
        return posted, more
