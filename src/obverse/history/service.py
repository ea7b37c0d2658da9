"""History as its readers see it, and as a file."""

from collections.abc import AsyncIterator, Sequence
from typing import Final, TypeAlias
from uuid import UUID

from obverse.cards import Card, Viewer
from obverse.history import repository, rules
from obverse.history.errors import CardNotInHistory
from obverse.history.model import Entry, Filter
from obverse.kit.database import Connection, Database
from obverse.kit.ids import MemberId
from obverse.kit.paging import Page, PageRequest, cut

_PART: Final = 5_000
"""Entries of a file that are in memory at once. Each part is looked for anew."""


_Subject: TypeAlias = MemberId | Card
"""Whose entries are read."""


class History:
    """What happened with cards and balances, newest first."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_member(
        self, member_id: MemberId, viewer: Viewer, wanted: Filter, page: PageRequest
    ) -> Page[Entry]:
        """A member's cards and points; of cards that they handed over, what is the member's to know (OT-8).

        Raises `InvalidRequest` for a period that ends before it begins.
        """
        return await self._page(member_id, viewer, rules.check_period(wanted), page)

    async def of_card(self, card: Card, viewer: Viewer, wanted: Filter, page: PageRequest) -> Page[Entry]:
        """One card, for whoever has it in hand, its member or an operator. Raises `InvalidRequest`,
        `CardNotInHistory` where the card is another's to look at."""
        return await self._page(_subject(card, viewer), viewer, _of(card, wanted), page)

    def each_of_member(
        self, member_id: MemberId, viewer: Viewer, wanted: Filter
    ) -> AsyncIterator[Sequence[Entry]]:
        """The same in parts, for a file; no more than one part is in memory. Refuses before the first."""
        return self._each(member_id, viewer, rules.check_period(wanted))

    def each_of_card(self, card: Card, viewer: Viewer, wanted: Filter) -> AsyncIterator[Sequence[Entry]]:
        """The same of one card."""
        return self._each(_subject(card, viewer), viewer, _of(card, wanted))

    async def _page(
        self, subject: _Subject, viewer: Viewer, wanted: Filter, page: PageRequest
    ) -> Page[Entry]:
        async with self._database.connection() as conn:
            found = await _entries(conn, subject, viewer, wanted, page.after, page.limit + 1)
        return cut(found, page, lambda entry: entry.id)

    async def _each(
        self, subject: _Subject, viewer: Viewer, wanted: Filter
    ) -> AsyncIterator[Sequence[Entry]]:
        after: UUID | None = None
        while True:
            async with self._database.connection() as conn:
                found = await _entries(conn, subject, viewer, wanted, after, _PART)
            if found:
                yield found
            if len(found) < _PART:
                return
            after = found[-1].id


def _subject(card: Card, viewer: Viewer) -> _Subject:
    """Whose balances are read: a member's points are behind all of their cards."""
    if viewer is Viewer.RECIPIENT:
        return card
    if viewer is Viewer.MEMBER and card.member_id is None:
        raise CardNotInHistory
    return card.member_id if card.member_id is not None else card


def _of(card: Card, wanted: Filter) -> Filter:
    return rules.check_period(Filter(wanted.since, wanted.until, card.id, wanted.kinds))


async def _entries(
    conn: Connection,
    subject: _Subject,
    viewer: Viewer,
    wanted: Filter,
    after: UUID | None,
    limit: int,
) -> list[Entry]:
    sees_all = viewer is Viewer.OPERATOR
    if isinstance(subject, Card):
        return await repository.of_card(conn, subject.id, wanted, after, limit, sees_all=sees_all)
    return await repository.of_member(conn, subject, wanted, after, limit, sees_all=sees_all)
