"""Ordering without an account: quoted, noted, paid, followed, revealed, set up (PP-1 to PP-3)."""

import asyncio
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from obverse.cards import Card, NewPin, Viewer
from obverse.cards import repository as card_rows
from obverse.kit import audit
from obverse.kit.audit import AuditEntry
from obverse.kit.database import Connection
from obverse.kit.errors import KeyReused
from obverse.kit.ids import AuditId, CardId, OrderId, PartitionId, to_text
from obverse.kit.paging import Page, PageRequest
from obverse.kit.secret import Secret, new_token
from obverse.merchants.rules import origin_of
from obverse.orders import file_format, rules
from obverse.orders.cancelling import Cancelling
from obverse.orders.errors import OrderNotFound
from obverse.orders.giving import Giving
from obverse.orders.model import (
    BulkWish,
    Line,
    Order,
    OrderKind,
    OrderState,
    OrderWish,
    Piece,
    PieceSight,
    PieceState,
    Placed,
    Quote,
    Revealed,
)
from obverse.orders.repository import orders, pieces
from obverse.programmes import repository as programmes
from obverse.sales import How, Means, SaleState, SaleWish, SubjectKind

BUYER_PREFIX: Final = "ob_order_"
_STORED_AT_ONCE: Final = 1_000
"""Pieces sealed and stored in one go: some milliseconds, in which nothing else runs in this process."""


class Orders(Giving, Cancelling):
    """Orders, as their buyers see them. The token of an order is all that its buyer needs."""

    # ordering ----------------------------------------------------------------------------------------------

    async def quote(self, lines: Sequence[Line]) -> Quote:
        """What these would cost (PP-1). Raises `InvalidRequest`, `ProgrammeNotSold`, `NotGiftable`."""
        async with self._database.connection() as conn:
            known = await programmes.load(conn, {line.programme_id for line in lines})
        return rules.quote(rules.checked_lines(lines), known)

    async def place(self, wish: OrderWish, *, origin: str, key: str | None = None) -> Placed:
        """Take an order and ask for its payment (PP-2). Safe to repeat with the same `key` (P6).

        A card has answered by then or stays silent; a bank transfer is for the buyer to make. Nothing is
        allocated before it is paid. `origin` is the address it comes from, kept as a keyed hash for an hour.

        Raises `InvalidRequest`, `ProgrammeNotSold`, `NotGiftable`, `TooManyOrders`, `KeyReused`,
        `CardNotVerified`, `Unavailable`.
        """
        wish = replace(wish, buyer=rules.checked_buyer(wish.buyer), lines=rules.checked_lines(wish.lines))
        fingerprint = self._vault.token_hash(rules.fingerprint(wish))
        if (earlier := await self._placed_before(key, fingerprint)) is not None:
            return earlier
        quote = await self.quote(wish.lines)
        await self._check(wish.how, origin)
        return await self._place(OrderKind.LINES, wish, quote, key, fingerprint)

    async def place_bulk(self, wish: BulkWish, *, origin: str, key: str | None = None) -> Placed:
        """The same for a company's list, a gift on each line: taken whole, or not at all.

        Raises `BulkRefused` with every line that is wrong, and what `place` raises.
        """
        wish = replace(wish, buyer=rules.checked_buyer(wish.buyer))
        fingerprint = self._vault.token_hash(rules.fingerprint(wish))
        if (earlier := await self._placed_before(key, fingerprint)) is not None:
            return earlier
        # Twenty thousand lines take a while, in which others are to be answered.
        rows, problems = await asyncio.to_thread(file_format.read, wish.file.reveal(), wish.terms)
        async with self._database.connection() as conn:
            known = await programmes.load(conn, {row.line.programme_id for row in rows})
        lines = await asyncio.to_thread(file_format.check, rows, problems, known)
        quote = rules.quote_bulk(lines, known)
        await self._check(wish.how, origin)
        return await self._place(OrderKind.BULK, wish, quote, key, fingerprint)

    async def _check(self, how: How, origin: str) -> None:
        """Count the try before any card company hears of it: cards must not be tried out by way of us."""
        now = self._clock.now()
        origin_hash = self._vault.token_hash(Secret(f"order from:{origin_of(origin)}"))
        async with self._database.transaction() as conn:
            tries = await orders.count_attempt(conn, origin_hash, now, now - rules.ORIGIN_WINDOW)
        rules.check_room(tries)
        await self._around.sales.check(how)

    def _new(
        self, kind: OrderKind, wish: OrderWish | BulkWish, token: Secret, quote: Quote, fingerprint: bytes
    ) -> Order:
        id_ = OrderId(self._new_id())
        return Order(
            id=id_,
            partition_id=PartitionId(id_.int % self._around.partitions),
            state=OrderState.UNPAID,
            kind=kind,
            language=wish.language,
            currency=quote.total.currency,
            total_minor=quote.total.amount_minor,
            pieces=quote.pieces,
            buyer=self._seals.seal_buyer(id_, wish.buyer, token),
            fingerprint=fingerprint,
            created_at=self._clock.now(),
        )

    async def _place(
        self, kind: OrderKind, wish: OrderWish | BulkWish, quote: Quote, key: str | None, fingerprint: bytes
    ) -> Placed:
        token = new_token(BUYER_PREFIX, self._around.random_bytes)
        async with self._database.transaction() as conn:
            await self._vault.pin_keys(conn)
            order = self._new(kind, wish, token, quote, fingerprint)
            stored = await orders.insert(conn, order, self._vault.token_hash(token), key)
            if stored:
                await self._store_pieces(conn, order, quote)
                sale = await self._around.sales.open(
                    conn,
                    SaleWish(SubjectKind.ORDER, order.id, order.partition_id, quote.total, wish.how),
                )
                if sale.means is Means.BANK_TRANSFER:
                    letter = self._writer.awaiting(order, wish.buyer, token, sale)
                    await self._around.letters.post(conn, [letter])
                await self._tell(
                    conn, "order.placed", order, pieces=order.pieces, amount=order.total_minor,
                    currency=order.currency, means=sale.means,
                )  # fmt: skip
        if not stored:
            earlier = await self._placed_before(key, fingerprint)
            assert earlier is not None, "a twin has stored it, and orders are never deleted"
            return earlier
        return Placed(order, await self._around.sales.pay(sale.id), token)

    async def _store_pieces(self, conn: Connection, order: Order, quote: Quote) -> None:
        ordered = rules.pieces_of(order, [priced.line for priced in quote.lines])
        for start in range(0, len(ordered), _STORED_AT_ONCE):
            await pieces.insert(
                conn,
                [
                    replace(piece, gift=self._seals.seal_gift(order.id, piece.at, gift)) if gift else piece
                    for piece, gift in ordered[start : start + _STORED_AT_ONCE]
                ],
            )

    async def _placed_before(self, key: str | None, fingerprint: bytes) -> Placed | None:
        """What an earlier request with this key made; its payment is asked for if nobody has come to that."""
        if key is None:
            return None
        async with self._database.connection() as conn:
            order = await orders.find_by_key(conn, key)
            if order is None:
                return None
            if order.fingerprint != fingerprint:
                raise KeyReused
            sale = await self._sale(conn, order.id)
        if sale.state is SaleState.OPEN:
            sale = await self._around.sales.pay(sale.id)
        _, token = self._seals.open_buyer(order.id, order.buyer)
        return Placed(order, sale, token, repeated=True)

    # following ---------------------------------------------------------------------------------------------

    async def of_token(self, token: Secret) -> Order:
        """The order of whoever holds this token. Raises `OrderNotFound`."""
        async with self._database.connection() as conn:
            order = await orders.find_by_token(conn, self._vault.token_hash(token))
        if order is None:
            raise OrderNotFound
        return order

    async def get(self, order_id: OrderId) -> Placed:
        """An order and how far its payment got. Raises `OrderNotFound`."""
        async with self._database.connection() as conn:
            found = await orders.load(conn, [order_id])
            if order_id not in found:
                raise OrderNotFound
            return Placed(found[order_id], await self._sale(conn, order_id))

    async def list(self, page: PageRequest, state: OrderState | None = None) -> Page[Placed]:
        """Orders, newest first; with `state`, those in it."""
        async with self._database.connection() as conn:
            found = await orders.find_page(conn, page, state)
            ids = [order.id for order in found.items]
            sales = await self._around.sales.of_subjects(conn, SubjectKind.ORDER, ids)
        return Page([Placed(order, sales[order.id]) for order in found.items], found.next_after)

    async def pieces(self, order: Order, *, after: int = 0, limit: int) -> Sequence[PieceSight]:
        """The pieces of an order behind this one, in their order, each with the card it has."""
        async with self._database.connection() as conn:
            found = await pieces.find_after(conn, order.id, after, limit)
            cards = await self._cards(conn, order, found)
        return [self._seen(piece, cards.get(piece.card_id) if piece.card_id else None) for piece in found]

    async def piece(self, order: Order, at: int) -> PieceSight:
        """One piece of an order. Raises `PieceNotFound`."""
        async with self._database.connection() as conn:
            piece = await self._piece(conn, order.id, at)
            cards = await self._cards(conn, order, [piece])
        return self._seen(piece, cards.get(piece.card_id) if piece.card_id else None)

    async def _cards(self, conn: Connection, order: Order, found: Sequence[Piece]) -> dict[CardId, Card]:
        ids = [piece.card_id for piece in found if piece.card_id is not None]
        return {card.id: card for card in await card_rows.find(conn, order.partition_id, [], ids)}

    # the cards that the buyer has in hand ------------------------------------------------------------------

    async def reveal(self, order: Order) -> Sequence[Revealed]:
        """Numbers and PINs of the cards that the buyer has in hand, made anew; that it was asked is noted.

        Gifts are their recipients' to see. Raises `OrderNotOpen`.
        """
        rules.check_open(order)
        async with self._database.transaction() as conn:
            own = await pieces.find_in(conn, order.id, (PieceState.READY, PieceState.SET_UP))
            cards = await self._cards(conn, order, own)
            shown = [
                Revealed(
                    piece.at, self._around.cards.reveal(card, Viewer.RECIPIENT), self._seals.open_pin(piece)
                )
                for piece in own
                if piece.card_id is not None and (card := cards[piece.card_id]).member_id is None
            ]
            await self._tell(conn, "order.revealed", order, cards=len(shown))
            id_ = to_text("ord", order.id)
            entry = AuditEntry(
                AuditId(self._new_id()), id_, "order.revealed", id_, "asked for by its buyer",
                self._clock.now(), {"cards": str(len(shown))},
            )  # fmt: skip
            await audit.record(conn, [entry])
        return shown

    async def set_up(self, order: Order, at: int, new: NewPin) -> tuple[PieceSight, Secret]:
        """Make a card one's own: its PIN is set and it becomes active (PP-3).

        Returns it with the token by which its holder is known. Once more sets the PIN anew and gives another
        token; the one before is over.

        Raises `OrderNotOpen`, `PieceNotFound`, `PieceNotOpen`, `InvalidRequest`.
        """
        rules.check_open(order)
        async with self._database.transaction() as conn:
            piece, card = await self._held(conn, order.id, at)
            rules.check_set_up(piece, card)
            card = await self._around.pins.set_first(conn, card, new)
            card, token = await self._around.cards.hold(conn, card)
            piece = replace(piece, state=PieceState.SET_UP, pin=None)
            await pieces.save(conn, order.id, [piece])
        return self._seen(piece, card), token
