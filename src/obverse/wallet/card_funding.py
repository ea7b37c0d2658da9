"""Which sources pay behind a card, and in which order, as its member wants it (PR-5, PP-8)."""

from collections.abc import Sequence

from msgspec.structs import replace

from obverse.cards import repository as card_rows
from obverse.cards.errors import CardIsClosed
from obverse.cards.model import Card, CardState, Viewer
from obverse.cards.room import of_member
from obverse.cards.rules import check_holder
from obverse.cards.service import Cards
from obverse.kit import events
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.events import Event
from obverse.kit.ids import CardId, EventId, MemberId, NewId, SourceId
from obverse.wallet import repository, rules


class CardFunding:
    """Puts points, linked cards, credit and a card's own balance in their order."""

    def __init__(self, database: Database, cards: Cards, *, clock: Clock, new_id: NewId) -> None:
        self._database = database
        self._cards = cards
        self._clock = clock
        self._new_id = new_id

    async def set_order(self, card_id: CardId, member_id: MemberId, wanted: Sequence[SourceId]) -> Card:
        """Let these sources of a card's member pay, in this order; those left out pay no more.

        What is under way or was paid is not touched: a refund goes back to where it came from. Raises
        `CardNotFound`, `CardHandedOver`, `CardIsClosed`, `InvalidRequest`, `SourceNotFound`,
        `SourceNotActive`.
        """
        async with self._database.transaction() as conn:
            card = await self._cards.lock(conn, card_id, member_id)
            check_holder(card, Viewer.MEMBER)
            if card.state is CardState.CLOSED:
                raise CardIsClosed(card_id)
            sources = await repository.sources_of_member(conn, member_id)
            funding = rules.reordered(card, sources, wanted)
            if funding == card.funding:
                return card
            card = replace(card, funding=funding)
            await card_rows.set_funding(conn, card)
            news = Event(
                EventId(self._new_id()), "card.funding_changed", card.id, of_member(card), self._clock.now()
            )
            await events.append(conn, [news])
        return card
