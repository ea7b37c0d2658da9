"""Taking an order back: before it is paid, or card by card while nothing of them was used.

What was paid for a card goes back to where it came from, in one commit with the card's end: its balance is
emptied, its claim link is over, it is closed.
"""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from obverse.cards import Card, CardState
from obverse.cards import repository as card_rows
from obverse.cards.rules import own_source
from obverse.kit.database import Connection
from obverse.kit.ids import CardId, TransferId
from obverse.ledger import repository as ledger
from obverse.ledger.model import Transfer, TransferKind
from obverse.ledger.service import enter
from obverse.orders import rules
from obverse.orders.errors import OrderNotOpen, PieceNotFound, PieceNotOpen
from obverse.orders.model import GIFTS, Order, OrderState, Piece, PieceState, Placed
from obverse.orders.repository import orders, pieces
from obverse.orders.room import OrderRoom
from obverse.sales import PAYABLE
from obverse.wallet import LotBalance


class Cancelling(OrderRoom):
    """The part of `Orders` that takes back what buyers no longer want."""

    async def cancel(self, order: Order, numbers: Sequence[int] | None = None) -> Placed:
        """Cancel an order that nobody has paid yet, or cards of one that is allocated: these, or all.

        All of them or none: a card that was used, claimed or made a member's own is named. What is cancelled
        already stays so. Raises `OrderNotOpen`, `PieceNotFound`, `PieceNotOpen`, `SaleNotCancellable`.
        """
        async with self._database.transaction() as conn:
            fresh = (await orders.load(conn, [order.id]))[order.id]
            if fresh.state is OrderState.UNPAID and numbers is None:
                fresh = await self._cancel_unpaid(conn, fresh)
            elif fresh.state is not OrderState.CANCELLED:
                rules.check_open(fresh)
                fresh = await self._cancel_cards(conn, fresh, numbers)
            sale = await self._sale(conn, order.id)
        return Placed(fresh, sale)

    async def withdraw(self, order: Order, at: int) -> Placed:
        """Take a gift back that nobody has claimed (PP-3); otherwise like `cancel`."""
        async with self._database.connection() as conn:
            piece = await self._piece(conn, order.id, at)
        if piece.state not in GIFTS and piece.state is not PieceState.CANCELLED:
            raise PieceNotOpen(at)
        return await self.cancel(order, [at])

    async def _cancel_unpaid(self, conn: Connection, order: Order) -> Order:
        await self._around.sales.cancel(conn, (await self._sale(conn, order.id)).id)
        order = await self._lock(conn, order.id)
        if order.state is not OrderState.UNPAID:
            raise OrderNotOpen
        order = replace(order, state=OrderState.CANCELLED)
        await orders.save(conn, order)
        await self._tell(conn, "order.cancelled", order, amount=order.total_minor, currency=order.currency)
        return order

    async def _cancel_cards(self, conn: Connection, order: Order, numbers: Sequence[int] | None) -> Order:
        await self._vault.pin_keys(conn)
        first = await pieces.find(conn, order.id, numbers)
        if numbers is not None and len(first) < len(set(numbers)):
            raise PieceNotFound
        ids = [piece.card_id for piece in first if piece.card_id is not None]
        cards = {card.id: card for card in await card_rows.lock(conn, order.partition_id, [], ids)}
        # As they are now that their cards are held: whoever changes a piece holds its card.
        unwanted = [
            piece
            for piece in await pieces.find(conn, order.id, [piece.at for piece in first])
            if piece.state is not PieceState.CANCELLED
        ]
        if not unwanted:
            return await self._lock(conn, order.id)
        await self._empty(conn, order, unwanted, cards)
        back_minor = sum(piece.amount_minor for piece in unwanted)
        sale = await self._sale(conn, order.id)
        await self._around.sales.give_back(conn, sale.id, back_minor)
        order = rules.after_cancel(await self._lock(conn, order.id), back_minor)
        await self._close(conn, order, unwanted, cards)
        await orders.save(conn, order)
        await self._tell(
            conn, "order.pieces_cancelled", order, pieces=[piece.at for piece in unwanted],
            amount=back_minor, currency=order.currency,
        )  # fmt: skip
        return order

    async def _empty(
        self, conn: Connection, order: Order, unwanted: Sequence[Piece], cards: Mapping[CardId, Card]
    ) -> None:
        """Move what is in these cards back to where it was allocated from; all of it must be there."""
        balances = self._around.balances
        sources = [own_source(_card_of(piece, cards)) for piece in unwanted]
        accounts = [b.lot.account_id for lots in (await balances.of(conn, sources)).values() for b in lots]
        await ledger.lock_accounts(conn, order.partition_id, sorted(accounts))
        held = await balances.of(conn, sources)
        transfers: list[Transfer] = []
        for piece, source in zip(unwanted, sources, strict=True):
            rules.check_unused(piece, _card_of(piece, cards), held[source])
            transfers += [self._back(order, lot) for lot in held[source] if lot.available_minor > 0]
        for refused in await enter(conn, order.partition_id, transfers):
            if refused is not None:
                raise refused

    def _back(self, order: Order, balance: LotBalance) -> Transfer:
        return Transfer(
            id=TransferId(self._new_id()),
            kind=TransferKind.POSTED,
            debit_account_id=balance.lot.account_id,
            credit_account_id=PAYABLE,
            amount_minor=balance.available_minor,
            currency=order.currency,
            subject_id=order.id,
            created_at=self._clock.now(),
        )

    async def _close(
        self, conn: Connection, order: Order, unwanted: Sequence[Piece], cards: Mapping[CardId, Card]
    ) -> None:
        gifts = [_card_of(piece, cards) for piece in unwanted if piece.state in GIFTS]
        await self._around.cards.withdraw_in(conn, gifts)
        ids = [_card_of(piece, cards).id for piece in unwanted]
        await card_rows.set_state(conn, order.partition_id, ids, CardState.CLOSED)
        cancelled = [replace(piece, state=PieceState.CANCELLED, pin=None) for piece in unwanted]
        await pieces.save(conn, order.id, cancelled)


def _card_of(piece: Piece, cards: Mapping[CardId, Card]) -> Card:
    assert piece.card_id is not None, "every piece of an allocated order has a card"
    return cards[piece.card_id]
