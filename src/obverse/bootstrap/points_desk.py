"""Points as tills ask for them: a terminal knows a card, the points room what stands behind it."""

from collections.abc import Collection, Mapping

from obverse.cards import Cards
from obverse.cards.model import CardKind
from obverse.kit.ids import CardId, SourceId
from obverse.merchants import Merchant
from obverse.points import Directory, Issuer, Quotes
from obverse.points.quotes import Shown


class PointsDesk:
    """Implements `doors.acquirer.ports.PointsDesk`."""

    def __init__(self, cards: Cards, quotes: Quotes, directory: Directory) -> None:
        self._cards = cards
        self._quotes = quotes
        self._directory = directory

    async def quote(self, card_id: CardId, merchant: Merchant) -> Shown | None:
        """A registered card is in it without any points, too: its holder is to be told just that (PR-2)."""
        card = await self._cards.get(card_id)
        shown = await self._quotes.quote(card, merchant)
        return shown if shown.lines or card.kind is CardKind.REGISTERED else None

    async def issuers(self, sources: Collection[SourceId]) -> Mapping[SourceId, Issuer]:
        return await self._directory.of_accounts(sources)
