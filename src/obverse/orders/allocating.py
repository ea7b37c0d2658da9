"""What happens to orders by themselves: paid ones get their cards, unpaid ones end (PP-2)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from obverse.cards import Card, CardKind, CardState, StoredValueOrder
from obverse.cards.rules import controls_of, own_source
from obverse.kit.database import Connection
from obverse.kit.ids import CardId, OrderId, ProgrammeId, SaleId
from obverse.kit.money import Money
from obverse.letters import Letter
from obverse.orders import rules
from obverse.orders.model import Order, OrderState, Piece, PieceState
from obverse.orders.repository import orders, pieces
from obverse.orders.room import OrderRoom
from obverse.programmes import Programme
from obverse.programmes import repository as programmes
from obverse.sales import PAYABLE, SaleState, SubjectKind
from obverse.sales import repository as sales
from obverse.wallet import Funding, LotKind

CHUNK: Final = 1_000
"""Cards made in one commit; an order of fewer is one commit."""
_AT_A_TIME: Final = 250
"""Of these, made in one go: some milliseconds, in which no payment is decided in this process."""
_AT_ONCE: Final = 100


class Allocation(OrderRoom):
    """Makes the cards of what was paid, in the commits that count them: a kill costs nothing but time."""

    async def allocate(self) -> int:
        """Allocate every order that is paid; returns how many were taken up.

        One that cannot be allocated does not hold up the others; its trouble is raised at the end.
        """
        async with self._database.transaction() as conn:
            paid = await self._around.sales.take_paid(conn, SubjectKind.ORDER, _AT_ONCE)
        troubles = [trouble for sale in paid if (trouble := await self._allocate(sale.id)) is not None]
        if troubles:
            raise troubles[0]
        return len(paid)

    async def _allocate(self, sale_id: SaleId) -> Exception | None:
        try:
            while await self._allocate_some(sale_id):
                continue
        except Exception as trouble:  # noqa: BLE001 - raised by the caller, after the others had their turn
            return trouble
        return None

    async def _allocate_some(self, sale_id: SaleId) -> bool:
        """One chunk, from where the order's row says, in one commit; whether there is more."""
        async with self._database.transaction() as conn:
            sale = (await sales.lock(conn, [sale_id]))[sale_id]
            if sale.state is not SaleState.PAID:
                return False
            order = await self._lock(conn, OrderId(sale.subject_id))
            await self._vault.pin_keys(conn)
            found = await pieces.find_after(conn, order.id, order.done, CHUNK)
            in_hand: list[Card] = []
            for start in range(0, len(found), _AT_A_TIME):
                in_hand += await self._hand_out(conn, order, found[start : start + _AT_A_TIME])
            order = self._after(order, len(found))
            if order.state is OrderState.ALLOCATED:
                await self._around.sales.done(conn, [sale_id])
                await self._around.letters.post(conn, [self._delivered(order, in_hand)])
                await self._tell(conn, "order.allocated", order, pieces=order.pieces)
            await orders.save(conn, order)
        return order.state is OrderState.PAID

    async def _hand_out(self, conn: Connection, order: Order, found: Sequence[Piece]) -> list[Card]:
        """Cards for these pieces: some are the buyer's, which are returned, some go out as gifts."""
        made, cards = await self._make(conn, order, found)
        made, letters = await self._give(conn, order, made, cards)
        await pieces.save(conn, order.id, made)
        await self._around.letters.post(conn, letters)
        return [cards[p.card_id] for p in made if p.state is PieceState.READY and p.card_id is not None]

    def _after(self, order: Order, count: int) -> Order:
        now, done = self._clock.now(), order.done + count
        paid = replace(order, state=OrderState.PAID, done=done, paid_at=order.paid_at or now)
        if done < order.pieces:
            return paid
        return replace(paid, state=OrderState.ALLOCATED, allocated_at=now)

    async def _make(
        self, conn: Connection, order: Order, found: Sequence[Piece]
    ) -> tuple[list[Piece], dict[CardId, Card]]:
        """A card, a balance and its money for each piece; what is in the buyer's hand also has a PIN."""
        known = await programmes.load(conn, {piece.programme_id for piece in found})
        alike: dict[tuple[ProgrammeId, int, bool], list[Piece]] = defaultdict(list)
        for piece in found:
            alike[piece.programme_id, piece.amount_minor, _is_gift(piece, known)].append(piece)
        made: list[Piece] = []
        cards: dict[CardId, Card] = {}
        fundings: list[Funding] = []
        for (programme_id, _, as_gift), group in alike.items():
            fresh = await self._make_alike(conn, order, group, known[programme_id], as_gift=as_gift)
            for piece, card in fresh:
                made.append(piece)
                cards[card.id] = card
                fundings.append(_funding(order, piece, card, as_gift=as_gift))
        await self._around.balances.fund(conn, order.partition_id, fundings)
        return made, cards

    async def _make_alike(
        self, conn: Connection, order: Order, group: Sequence[Piece], programme: Programme, *, as_gift: bool
    ) -> list[tuple[Piece, Card]]:
        around = self._around
        sources = await around.balances.open(conn, order.partition_id, order.currency, len(group))
        pins = None if as_gift else rules.drawn_pins(len(group), around.random_bytes)
        wish = StoredValueOrder(
            partition_id=order.partition_id,
            kind=CardKind.GIFT if as_gift else CardKind.PREPAID,
            programme_id=programme.id,
            currency=order.currency,
            controls=controls_of(programme),
            expires_at=around.calendar.months_on(self._clock.now(), programme.validity_months),
            state=CardState.INACTIVE,
            face_value_minor=group[0].amount_minor,
        )
        cards = await around.stored_cards.make(conn, wish, [source.id for source in sources], pins)
        return [
            (
                replace(
                    piece,
                    state=PieceState.GIVEN if as_gift else PieceState.READY,
                    card_id=card.id,
                    pin=self._seals.seal_pin(piece, pins[at]) if pins is not None else None,
                ),
                card,
            )
            for at, (piece, card) in enumerate(zip(group, cards, strict=True))
        ]

    async def _give(
        self, conn: Connection, order: Order, made: Sequence[Piece], cards: Mapping[CardId, Card]
    ) -> tuple[list[Piece], list[Letter]]:
        """A claim link for each gift, and the mail that carries it (PP-3)."""
        gifts = [
            (piece, cards[piece.card_id])
            for piece in made
            if piece.state is PieceState.GIVEN and piece.card_id
        ]
        links = await self._around.cards.hand_over_in(
            conn, [card for _, card in gifts], lifetime=rules.LINK_LIFETIME
        )
        letters: dict[int, Letter] = {}
        for (piece, _), (link, token) in zip(gifts, links, strict=True):
            gift = self._seals.open_gift(piece)
            assert gift is not None, "a piece is given to somebody"
            amount = Money(piece.amount_minor, order.currency)
            letters[piece.at] = self._writer.gift(order, gift, amount, token, link.expires_at)
        given = [
            replace(piece, letter_id=letters[piece.at].id) if piece.at in letters else piece for piece in made
        ]
        return given, list(letters.values())

    def _delivered(self, order: Order, in_hand: Sequence[Card]) -> Letter:
        buyer, token = self._seals.open_buyer(order.id, order.buyer)
        return self._writer.delivered(order, buyer, token, in_hand)

    # those that nobody pays --------------------------------------------------------------------------------

    async def end_unpaid(self) -> int:
        """End orders whose payment was declined, or did not come in time; returns how many."""
        ended = 0
        while True:
            async with self._database.transaction() as conn:
                over = await self._around.sales.take_ended(conn, SubjectKind.ORDER, _AT_ONCE)
                state_of = {OrderId(sale.subject_id): sale.state for sale in over}
                found = [
                    replace(order, state=_ended(state_of[order.id]))
                    for order in await orders.lock_unpaid(conn, sorted(state_of))
                ]
                await orders.save_states(conn, found)
                for state in (OrderState.DECLINED, OrderState.LAPSED):
                    await self._tell_all(conn, f"order.{state}", [o for o in found if o.state is state])
            ended += len(found)
            if len(over) < _AT_ONCE:
                return ended


def _is_gift(piece: Piece, known: Mapping[ProgrammeId, Programme]) -> bool:
    """A gift goes out, unless its programme stopped being for gifts meanwhile: then it is the buyer's."""
    return piece.gift is not None and known[piece.programme_id].giftable


def _funding(order: Order, piece: Piece, card: Card, *, as_gift: bool) -> Funding:
    return Funding(
        source_id=own_source(card),
        kind=LotKind.GIVEN if as_gift else LotKind.BOUGHT,
        amount=Money(piece.amount_minor, order.currency),
        from_account_id=PAYABLE,
        expires_at=card.expires_at,
        subject_id=order.id,
    )


def _ended(state: SaleState) -> OrderState:
    return OrderState.DECLINED if state is SaleState.DECLINED else OrderState.LAPSED
