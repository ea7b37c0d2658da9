"""Gifts of an order: given, sent again, corrected after a mail has come back (PP-3).

A gift has one live claim link at a time. Sending it again makes another and ends the one before: a mail is
sent again because the first one got lost or into the wrong hands, and what lies in a stranger's mailbox must
not be worth money.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from msgspec.structs import replace

from obverse.cards import Card
from obverse.kit.database import Connection
from obverse.kit.ids import OrderId, first_id_of
from obverse.kit.money import Money
from obverse.orders import rules
from obverse.orders.errors import PieceNotOpen
from obverse.orders.model import GIFTS, Gift, Order, Piece, PieceSight, PieceState
from obverse.orders.repository import orders, pieces
from obverse.orders.room import OrderRoom

_BOUNCES_AT_ONCE: Final = 500
_LETTERS_END_WITHIN: Final = timedelta(days=35)
"""A letter is tried for three days, and may be sent once more within thirty."""


class Giving(OrderRoom):
    """The part of `Orders` that gives: what buyers do about gifts that nobody has claimed yet."""

    async def give(self, order: Order, at: int, gift: Gift) -> PieceSight:
        """Give a card of this order, or have its gift sent elsewhere; the same again changes nothing.

        Raises `OrderNotOpen`, `PieceNotFound`, `PieceNotOpen`, `CardNotGiveable`, `SentJustNow`,
        `InvalidRequest`.
        """
        rules.check_open(order)
        gift = rules.checked_gift(gift)
        async with self._database.transaction() as conn:
            piece, card = await self._held(conn, order.id, at)
            if piece.state is not PieceState.GIVEN or self._seals.open_gift(piece) != gift:
                piece = replace(piece, gift=self._seals.seal_gift(order.id, at, gift))
                await pieces.save_gift(conn, piece)
                piece = await self._send(conn, order, piece, card)
        return self._seen(piece, card)

    async def send_again(self, order: Order, at: int, *, key: str | None = None) -> PieceSight:
        """Send a gift's mail once more, with a new claim link; the link before is over.

        With a `key`, repeats send nothing (P6). Raises `OrderNotOpen`, `PieceNotFound`, `PieceNotOpen`,
        `SentJustNow`.
        """
        rules.check_open(order)
        async with self._database.transaction() as conn:
            piece, card = await self._held(conn, order.id, at)
            if key is None or piece.sent_key != key:
                if piece.state not in GIFTS:
                    raise PieceNotOpen(at)
                piece = await self._send(conn, order, replace(piece, sent_key=key), card)
        return self._seen(piece, card)

    async def _send(self, conn: Connection, order: Order, piece: Piece, card: Card) -> Piece:
        """End the gift's link, if it has one, and have a mail with another sent, in the caller's commit."""
        rules.check_give(piece, card, self._clock.now())
        await self._around.cards.withdraw_in(conn, [card])
        ((link, token),) = await self._around.cards.hand_over_in(conn, [card], lifetime=rules.LINK_LIFETIME)
        gift = self._seals.open_gift(piece)
        assert gift is not None, "whoever sends a gift has said to whom"
        amount = Money(piece.amount_minor, order.currency)
        letter = self._writer.gift(order, gift, amount, token, link.expires_at)
        await self._around.letters.post(conn, [letter])
        piece = replace(piece, state=PieceState.GIVEN, letter_id=letter.id, pin=None)
        await pieces.save(conn, order.id, [piece])
        await self._tell(conn, "gift.sent", order, piece=piece.at)
        return piece

    # mail that comes back ----------------------------------------------------------------------------------

    async def note_bounces(self) -> int:
        """Tell buyers of gifts whose mail came back or could not be sent; returns how many gifts these were.

        Of an older mail nobody is told: it was sent again, or elsewhere, since.
        """
        after = first_id_of(self._clock.now() - _LETTERS_END_WITHIN)
        noted = 0
        while True:
            async with self._database.transaction() as conn:
                found = await pieces.find_bounced(conn, after, _BOUNCES_AT_ONCE)
                locked = await orders.lock(conn, sorted({piece.order_id for piece in found}))
                news: dict[OrderId, list[int]] = defaultdict(list)
                for order_id, at in await pieces.mark_undelivered(conn, [p.letter_id for p in found]):
                    news[order_id].append(at)
                for order_id, numbers in news.items():
                    await self._tell_undelivered(conn, locked[order_id], numbers)
            noted += sum(map(len, news.values()))
            if len(found) < _BOUNCES_AT_ONCE:
                return noted

    async def _tell_undelivered(self, conn: Connection, order: Order, numbers: Sequence[int]) -> None:
        buyer, token = self._seals.open_buyer(order.id, order.buyer)
        await self._around.letters.post(conn, [self._writer.undelivered(order, buyer, token, numbers)])
        await self._tell(conn, "gift.undelivered", order, pieces=list(numbers))
