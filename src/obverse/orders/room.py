"""What the services of this room have in common."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from obverse.cards import Card, Cards, Pins, StoredValueCards
from obverse.kit import events
from obverse.kit.calendar import Calendar
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.events import Event
from obverse.kit.ids import EventId, NewId, OrderId, to_text
from obverse.letters import Letters
from obverse.orders import rules
from obverse.orders.errors import OrderNotFound, PieceNotFound
from obverse.orders.model import Order, Piece, PieceSight
from obverse.orders.repository import orders, pieces
from obverse.orders.seals import Seals
from obverse.orders.writing import Writer
from obverse.sales import Sale, Sales, SubjectKind
from obverse.treasury import BankAccount
from obverse.vault import Vault
from obverse.wallet import Balances


@dataclass(frozen=True, slots=True)
class Around:
    """What this room stands on. `own` is the account to which bank transfers go."""

    database: Database
    vault: Vault
    sales: Sales
    balances: Balances
    stored_cards: StoredValueCards
    cards: Cards
    pins: Pins
    letters: Letters
    calendar: Calendar
    clock: Clock
    new_id: NewId
    random_bytes: Callable[[int], bytes]
    own: BankAccount
    partitions: int = 1


class OrderRoom:
    """Orders found, held and told of.

    Who changes something of a piece locks its card first and then the order: what is read under both holds.
    """

    def __init__(self, around: Around) -> None:
        self._around = around
        self._database = around.database
        self._vault = around.vault
        self._clock = around.clock
        self._new_id = around.new_id
        self._seals = Seals(around.vault)
        self._writer = Writer(around.new_id, around.own)

    @property
    def own_account(self) -> BankAccount:
        """Where bank transfers go."""
        return self._around.own

    async def _lock(self, conn: Connection, order_id: OrderId) -> Order:
        found = await orders.lock(conn, [order_id])
        if order_id not in found:
            raise OrderNotFound
        return found[order_id]

    async def _piece(self, conn: Connection, order_id: OrderId, at: int) -> Piece:
        found = await pieces.find(conn, order_id, [at])
        if not found:
            raise PieceNotFound
        return found[0]

    async def _held(self, conn: Connection, order_id: OrderId, at: int) -> tuple[Piece, Card]:
        """A piece of an allocated order with its card, both held until the caller's commit.

        Raises `PieceNotFound`.
        """
        await self._vault.pin_keys(conn)
        piece = await self._piece(conn, order_id, at)
        assert piece.card_id is not None, "every piece of an allocated order has a card"
        card = await self._around.cards.lock(conn, piece.card_id)
        await self._lock(conn, order_id)
        return await self._piece(conn, order_id, at), card

    def _seen(self, piece: Piece, card: Card | None) -> PieceSight:
        """The piece as its buyer sees it: not the card of a recipient."""
        claimed = card is not None and rules.is_claimed(piece, card)
        return PieceSight(piece, self._seals.open_gift(piece), None if claimed else card, claimed)

    async def _sale(self, conn: Connection, order_id: OrderId) -> Sale:
        """The order's payment; every order has one."""
        return (await self._around.sales.of_subjects(conn, SubjectKind.ORDER, [order_id]))[order_id]

    async def _tell(self, conn: Connection, type_: str, order: Order, **data: Any) -> None:
        """One event about this order; `data` holds neither a name nor an address."""
        told = {"order": to_text("ord", order.id), **data}
        event = Event(EventId(self._new_id()), type_, order.id, told, self._clock.now())
        await events.append(conn, [event])

    async def _tell_all(self, conn: Connection, type_: str, found: Sequence[Order]) -> None:
        now = self._clock.now()
        news = [
            Event(EventId(self._new_id()), type_, order.id, {"order": to_text("ord", order.id)}, now)
            for order in found
        ]
        await events.append(conn, news)
