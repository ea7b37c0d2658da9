"""Telling members of each use of their cards, as soon as it has happened."""

from typing import Final

from obverse.kit import outbox
from obverse.kit.database import Connection, Database
from obverse.kit.ids import LetterId, NewId
from obverse.kit.outbox import Position, Reader
from obverse.letters import Letters
from obverse.notifications.notices import repository, rules
from obverse.notifications.ports import Contacts

BATCH: Final = 1_000
"""Events looked at in one commit."""


class Receipts:
    """Follows the events of payments in the order of their transactions, as webhooks do."""

    def __init__(self, database: Database, contacts: Contacts, letters: Letters, *, new_id: NewId) -> None:
        self._database = database
        self._contacts = contacts
        self._letters = letters
        self._new_id = new_id

    async def run(self) -> int:
        """Tell of everything that is settled; returns how many letters. Processes take turns."""
        posted = 0
        while True:
            async with self._database.transaction() as conn:
                if not await outbox.take_turn(conn, Reader.NOTICES):
                    return posted
                outstanding = await outbox.outstanding(conn, Reader.NOTICES)
                if outstanding is None:
                    return posted
                payments = await repository.are_payments_told(conn)
                if payments:
                    last = await repository.last_of_batch(conn, outstanding, BATCH)
                else:
                    last = await repository.end_of(conn, outstanding)
                if last is None:
                    return posted
                posted += await self._tell(conn, outstanding.since, last, payments=payments)
                await outbox.advance(conn, Reader.NOTICES, last)

    async def _tell(self, conn: Connection, since: Position, last: Position, *, payments: bool) -> int:
        uses = await repository.charges(conn, since, last)
        uses += await repository.tried_codes(conn, since, last)
        if payments:
            uses += await repository.uses(conn, since, last, rules.OF_PAYMENTS)
        if not uses:
            return 0
        contacts = await self._contacts.contacts(conn, sorted({use.member_id for use in uses}))
        letters = [
            rules.about_use(LetterId(self._new_id()), use, contacts[use.member_id])
            for use in uses
            if use.member_id in contacts
        ]
        return await self._letters.post(conn, [letter for letter in letters if letter is not None])
