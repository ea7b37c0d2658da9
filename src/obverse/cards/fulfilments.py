"""Cards of plastic: asked for, made, posted, arrived or returned (WA-4).

The plastic carries the very number of the card. Addresses are sealed and forgotten once the card is there;
numbers leave the house for the maker alone, on an operator's word and on record.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from obverse.cards import plastic, repository, rules
from obverse.cards.errors import (
    ClaimLinkExists,
    FulfilmentExists,
    FulfilmentMoved,
    FulfilmentNotFound,
    NotPhysical,
)
from obverse.cards.fulfilment_model import (
    STEPS,
    Address,
    Fulfilment,
    FulfilmentState,
    MakerLine,
    PlasticWish,
    check_address,
    check_tracking,
)
from obverse.cards.model import Card, CardState, Viewer
from obverse.cards.repository import fulfilments as rows
from obverse.cards.room import CardRoom
from obverse.kit import audit
from obverse.kit.audit import AuditEntry
from obverse.kit.database import Connection
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import AuditId, CardId, FulfilmentId, MemberId, to_text
from obverse.kit.paging import Page, PageRequest
from obverse.kit.resealing import Resealing
from obverse.kit.secret import Secret
from obverse.programmes import repository as programmes
from obverse.vault.service import Vault

RUN_MAX: Final = 1_000
"""Cards in one run of the maker's."""


class Fulfilments(CardRoom):
    """The queue of cards to make and post."""

    async def ask(self, card_id: CardId, wish: PlasticWish) -> Fulfilment:
        """Ask for a member's card in plastic. Asking again for the same changes nothing.

        Raises `CardNotFound`, `CardHandedOver`, `ClaimLinkExists`, `NotPhysical`, `FulfilmentExists`,
        `InvalidRequest`.
        """
        plastic.check_design(wish.design)
        check_address(wish.address)
        name = plastic.embossed_name(wish.embossed_name)
        async with self._database.transaction() as conn:
            card = await self.lock(conn, card_id)
            rules.check_holder(card, Viewer.MEMBER)
            await self._check_physical(conn, card)
            under_way = await rows.live(conn, card_id)
            if under_way is not None:
                return self._same(under_way, wish, name)
            # Whoever claims the card gets another number, which would not be on the plastic.
            links = await repository.links_of_cards(conn, [card_id])
            if any(rules.is_live(link, self._clock.now()) for link in links):
                raise ClaimLinkExists(card_id)
            return await self._insert(conn, card, wish, name)

    async def _check_physical(self, conn: Connection, card: Card) -> None:
        found = await programmes.load(conn, [card.programme_id]) if card.programme_id is not None else {}
        physical = any(programme.physical for programme in found.values())
        if not physical or card.state is CardState.CLOSED or card.member_id is None:
            raise NotPhysical(card.id)

    def _same(self, under_way: Fulfilment, wish: PlasticWish, name: str) -> Fulfilment:
        same = (under_way.design, under_way.embossed_name, under_way.place) == (wish.design, name, wish.place)
        if not same or self._open(under_way) != wish.address:
            raise FulfilmentExists(under_way.card_id)
        return under_way

    async def _insert(self, conn: Connection, card: Card, wish: PlasticWish, name: str) -> Fulfilment:
        assert card.member_id is not None, "checked before"
        now, id_ = self._clock.now(), FulfilmentId(self._new_id())
        await self._vault.pin_keys(conn)
        fulfilment = Fulfilment(
            id=id_,
            partition_id=card.partition_id,
            card_id=card.id,
            member_id=card.member_id,
            state=FulfilmentState.ORDERED,
            design=wish.design,
            embossed_name=name,
            place=wish.place,
            address=self._vault.seal(_written(wish.address), fulfilment_context(id_)),
            run=None,
            tracking=None,
            created_at=now,
            moved_at=now,
        )
        await rows.insert(conn, fulfilment)
        await self._announce(conn, "card.plastic_ordered", [card], now)
        return fulfilment

    # the operators' queue ----------------------------------------------------------------------------------

    async def list(
        self,
        page: PageRequest,
        *,
        state: FulfilmentState | None = None,
        card_id: CardId | None = None,
        member_id: MemberId | None = None,
        run: int | None = None,
    ) -> Page[Fulfilment]:
        """Newest first; what is None restricts nothing."""
        async with self._database.connection() as conn:
            return await rows.find_page(conn, page, state, card_id, member_id, run)

    async def get(self, id_: FulfilmentId) -> Fulfilment:
        """Raises `FulfilmentNotFound`."""
        async with self._database.connection() as conn:
            found = await rows.load(conn, id_)
        if found is None:
            raise FulfilmentNotFound
        return found

    async def take(self, count: int, *, actor: str) -> Sequence[Fulfilment]:
        """Take the next cards that wait, the oldest first, as one run for the maker; maybe none.

        Raises `InvalidRequest`.
        """
        if not 1 <= count <= RUN_MAX:
            raise InvalidRequest(f"A run has 1 to {RUN_MAX} cards.", "count")
        async with self._database.transaction() as conn:
            taken = await rows.take(conn, count, self._clock.now())
            if taken:
                run = str(taken[0].run)
                told = {"run": run, "cards": str(len(taken))}
                await self._record(conn, actor, "fulfilment.taken", f"run {run}", "next in turn", told)
        return taken

    async def export(self, run: int, *, actor: str, reason: str) -> Sequence[MakerLine]:
        """What the maker needs for a run, numbers included; that it was given out is on record before.

        Raises `FulfilmentNotFound`, `InvalidRequest`.
        """
        reason = audit.check_reason(reason)
        async with self._database.transaction() as conn:
            found = [f for f in await rows.of_run(conn, run) if f.state is FulfilmentState.MAKING]
            if not found:
                raise FulfilmentNotFound
            cards = await repository.load(conn, self._partitions, [f.card_id for f in found])
            told = {"run": str(run), "cards": str(len(found))}
            await self._record(conn, actor, "fulfilment.exported", f"run {run}", reason, told)
        return [self._line(fulfilment, cards[fulfilment.card_id]) for fulfilment in found]

    def _line(self, fulfilment: Fulfilment, card: Card) -> MakerLine:
        number = self._vault.card_number(card.bin, card.serial)
        expiry = rules.face_expiry(card.created_at)
        return MakerLine(fulfilment, number, expiry, self._vault.cvv(number, expiry), self._open(fulfilment))

    async def move(
        self,
        id_: FulfilmentId,
        state: FulfilmentState,
        *,
        actor: str,
        reason: str,
        tracking: str | None = None,
    ) -> Fulfilment:
        """Say that a card was posted, with the post's number, has arrived, or has come back.

        The address of a card that arrived is forgotten; one that comes back is suspended. Repeating a step
        changes nothing. Raises `FulfilmentNotFound`, `FulfilmentMoved`, `InvalidRequest`.
        """
        reason = audit.check_reason(reason)
        tracking = check_tracking(tracking) if tracking is not None else None
        if state is FulfilmentState.POSTED and tracking is None:
            raise InvalidRequest("What is posted has a tracking number.", "tracking")
        card_id = (await self.get(id_)).card_id
        async with self._database.transaction() as conn:
            card = await self.lock(conn, card_id)
            fulfilment = await rows.lock(conn, id_)
            assert fulfilment is not None, "none is ever deleted"
            if fulfilment.state is state and tracking in (None, fulfilment.tracking):
                return fulfilment
            if fulfilment.state is not STEPS[state]:
                raise FulfilmentMoved(fulfilment.state)
            moved = replace(
                fulfilment,
                state=state,
                tracking=tracking or fulfilment.tracking,
                address=None if state is FulfilmentState.DELIVERED else fulfilment.address,
                moved_at=self._clock.now(),
            )
            await rows.move(conn, moved)
            told = {"tracking": moved.tracking or ""}
            await self._record(conn, actor, f"fulfilment.{state}", to_text("ful", id_), reason, told)
            await self._announce(conn, f"card.plastic_{state}", [card], moved.moved_at)
            if state is FulfilmentState.RETURNED and card.state is CardState.ACTIVE:
                await repository.set_state(conn, card.partition_id, [card.id], CardState.SUSPENDED)
                await self._announce(conn, "card.suspended", [card], moved.moved_at)
        return moved

    async def _record(
        self, conn: Connection, actor: str, action: str, subject: str, reason: str, told: dict[str, str]
    ) -> None:
        entry = AuditEntry(
            id=AuditId(self._new_id()),
            actor=actor,
            action=action,
            subject=subject,
            reason=reason,
            created_at=self._clock.now(),
            data=told,
        )
        await audit.record(conn, [entry])

    def _open(self, fulfilment: Fulfilment) -> Address:
        assert fulfilment.address is not None, "it is kept until the card has arrived"
        opened = self._vault.open(fulfilment.address, fulfilment_context(fulfilment.id))
        recipient, address, postal_code = msgspec.json.decode(opened.reveal(), type=tuple[str, str, str])
        return Address(Secret(recipient), Secret(address), Secret(postal_code))


def fulfilments_rekey(vault: Vault) -> Resealing[FulfilmentId]:
    """Addresses of cards on their way follow when keys change."""
    return Resealing("delivery addresses", vault, rows, fulfilment_context)


def fulfilment_context(id_: FulfilmentId) -> bytes:
    """What binds a sealed address to its row."""
    return f"fulfilment:{id_}".encode()


def _written(address: Address) -> Secret:
    said = [address.recipient.reveal(), address.address.reveal(), address.postal_code.reveal()]
    return Secret(msgspec.json.encode(said).decode())
