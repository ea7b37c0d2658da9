"""Issuing cards, showing them to their holder, and what may be changed of them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from obverse.cards import repository, rules
from obverse.cards.errors import CardNotFound
from obverse.cards.handing_over import LINK_LIFETIME, HandingOver
from obverse.cards.model import (
    CHUNK,
    Card,
    CardFace,
    CardKind,
    CardState,
    Controls,
    HeldBy,
    Issued,
    Order,
    Registration,
    RequestKey,
    SpentOn,
    Viewer,
    row_keys,
)
from obverse.cards.ports import HandBalance
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import InvalidRequest, KeyReused
from obverse.kit.ids import CardId, MemberId, NewId, PartitionId, VaultCardId
from obverse.kit.paging import Page, PageRequest
from obverse.kit.secret import Secret
from obverse.merchants.errors import MerchantNotFound
from obverse.merchants.service import Merchants
from obverse.vault.service import Vault

LIFETIME: Final = timedelta(hours=24)
"""How long a one-time card lives unless the member says otherwise."""

COUNT_MAX: Final = 100_000
"""Cards in one order."""


class Cards(HandingOver):
    """The stand-ins of this platform; how they change hands is told in `HandingOver`."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        merchants: Merchants,
        hand_balance: HandBalance,
        *,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        new_id: NewId,
        bin_: str,
        partitions: int = 1,
        lifetime: timedelta = LIFETIME,
        link_lifetime: timedelta = LINK_LIFETIME,
    ) -> None:
        super().__init__(
            database,
            vault,
            hand_balance,
            clock=clock,
            random_bytes=random_bytes,
            new_id=new_id,
            bin_=bin_,
            partitions=partitions,
            link_lifetime=link_lifetime,
        )
        self._merchants = merchants
        self._lifetime = lifetime

    # issuing -----------------------------------------------------------------------------------------------

    async def issue(self, order: Order, *, count: int = 1, request: RequestKey | None = None) -> Issued:
        """Issue `count` cards that are alike but for their numbers, in one commit (OT-6, OT-7).

        The wallet calls this after it has checked whose the funding sources are. With a `request`, repeats
        and parallel twins get the cards of the first, as long as the order itself is still in order.

        Raises `InvalidRequest`, `MerchantNotFound`, `KeyReused`, `NumbersExhausted`.
        """
        now = self._clock.now()
        await self._check(order, count, now)
        async with self._database.transaction() as conn:
            cards = await self._insert(conn, order, count, request, now)
            await self._announce(conn, "card.issued", cards, now)
        if request is not None and not cards:
            return await self._issued_before(order.partition_id, request, count)
        return Issued(cards)

    async def find_issued(
        self, partition_id: PartitionId, request: RequestKey, count: int = 1
    ) -> Issued | None:
        """What an earlier order with this key issued. Raises `KeyReused` if that was a different order."""
        async with self._database.connection() as conn:
            found = await repository.find_by_request(conn, partition_id, row_keys(request, count))
        if not found:
            return None
        if any(fingerprint != request.fingerprint for _, fingerprint in found):
            raise KeyReused
        return Issued([card for card, _ in found], repeated=True)

    async def _issued_before(self, partition_id: PartitionId, request: RequestKey, count: int) -> Issued:
        issued = await self.find_issued(partition_id, request, count)
        if issued is None:
            raise AssertionError("The insert met these keys, and cards are never deleted.")
        return issued

    async def _check(self, order: Order, count: int, now: datetime) -> None:
        rules.check_order(order, now)
        if not 1 <= count <= COUNT_MAX:
            raise InvalidRequest(f"count must be between 1 and {COUNT_MAX}.", "count")
        if order.controls.merchant_id is not None:
            try:
                await self._merchants.get(order.controls.merchant_id)
            except MerchantNotFound:
                raise MerchantNotFound("controls.merchant") from None

    async def _insert(
        self, conn: Connection, order: Order, count: int, request: RequestKey | None, now: datetime
    ) -> list[Card]:
        """Store the cards, or none where this request has stored them before."""
        await self._vault.pin_keys(conn)
        keys = row_keys(request, count) if request else [None] * count
        serials = await self._next_serials(conn, order.partition_id, count)
        cards: list[Card] = []
        for start in range(0, count, CHUNK):
            chunk = [self._make(order, serial, now) for serial in serials[start : start + CHUNK]]
            stored = await repository.insert(
                conn,
                chunk,
                self._vault.active_index,
                keys[start : start + CHUNK],
                request.fingerprint if request else None,
            )
            if stored == 0 and not cards:
                return []
            if stored < len(chunk):
                # The same key with another count; what we have stored so far is rolled back.
                raise KeyReused
            cards += chunk
        return cards

    def _make(self, order: Order, serial: int, now: datetime) -> Card:
        number = self._vault.card_number(self._bin, serial)
        return Card(
            partition_id=order.partition_id,
            id=CardId(self._new_id()),
            kind=CardKind.ONE_TIME,
            state=CardState.ACTIVE,
            bin=self._bin,
            serial=serial,
            last_four=number.reveal()[-4:],
            number_hash=self._vault.number_hashes(number)[0].digest,
            member_id=order.member_id,
            held_by=HeldBy.MEMBER,
            currency=order.currency,
            controls=order.controls,
            uses_left=order.controls.uses,
            spent_minor=0,
            expires_at=order.expires_at or now + self._lifetime,
            funding=order.funding,
            created_at=now,
            metadata=order.metadata,
        )

    # finding and showing -----------------------------------------------------------------------------------

    async def get(self, card_id: CardId) -> Card:
        """Any card; whether the caller may see it is the door's question. Raises `CardNotFound`."""
        async with self._database.connection() as conn:
            card = await repository.get(conn, self._partitions, card_id)
        if card is None:
            raise CardNotFound
        return card

    async def of_holder(self, token: Secret) -> Card:
        """The card of the recipient who holds this token. Raises `CardNotFound`."""
        async with self._database.connection() as conn:
            card = await repository.of_holder(conn, self._vault.token_hash(token))
        if card is None:
            raise CardNotFound
        return card

    async def list(self, member_id: MemberId, page: PageRequest) -> Page[Card]:
        """A member's cards, newest first, handed-over ones included."""
        async with self._database.connection() as conn:
            return await repository.find_page(conn, page, member_id)

    def reveal(self, card: Card, viewer: Viewer = Viewer.MEMBER) -> CardFace:
        """Number, expiry and CVV, made anew, for whoever holds the card and for nobody else.

        `card` comes fresh from `get` or `of_holder`. Raises `CardHandedOver`, `CardNotFound`, `CardNotShown`.
        """
        rules.check_reveal(card, viewer)
        number = self._vault.card_number(card.bin, card.serial)
        expiry = rules.face_expiry(card.created_at)
        return CardFace(number, expiry, self._vault.cvv(number, expiry))

    async def change(
        self,
        card_id: CardId,
        viewer: Viewer = Viewer.MEMBER,
        *,
        name: str | None = None,
        tell_of_use: bool | None = None,
        owner: MemberId | None = None,
    ) -> Card:
        """Give a card another name, or say whether its holder wants to hear of each use; None leaves it.

        Raises `CardNotFound`, `CardHandedOver`, `InvalidRequest`.
        """
        name = rules.card_name(name) if name is not None else None
        async with self._database.transaction() as conn:
            card = await self.lock(conn, card_id, owner)
            rules.check_holder(card, viewer)
            card = replace(
                card,
                name=card.name if name is None else name,
                tell_of_use=card.tell_of_use if tell_of_use is None else tell_of_use,
            )
            await repository.set_details(conn, card)
        return card

    # states ------------------------------------------------------------------------------------------------

    async def suspend(
        self, card_id: CardId, viewer: Viewer = Viewer.MEMBER, *, owner: MemberId | None = None
    ) -> Card:
        """Decline everything until `resume`. Raises `CardNotFound`, `CardIsClosed`, `CardHandedOver`."""
        return await self._set_state(card_id, CardState.SUSPENDED, viewer, owner, "card.suspended")

    async def resume(
        self, card_id: CardId, viewer: Viewer = Viewer.MEMBER, *, owner: MemberId | None = None
    ) -> Card:
        """Undo `suspend`. Raises `CardNotFound`, `CardIsClosed`, `CardHandedOver`."""
        return await self._set_state(card_id, CardState.ACTIVE, viewer, owner, "card.resumed")

    async def close(
        self, card_id: CardId, viewer: Viewer = Viewer.MEMBER, *, owner: MemberId | None = None
    ) -> Card:
        """Decline everything for ever; a real card may be registered again, by whoever proves it.

        Raises `CardNotFound`, `CardHandedOver`.
        """
        return await self._set_state(card_id, CardState.CLOSED, viewer, owner, "card.closed")

    async def _set_state(
        self, card_id: CardId, wanted: CardState, viewer: Viewer, owner: MemberId | None, event: str
    ) -> Card:
        async with self._database.transaction() as conn:
            card = await self.lock(conn, card_id, owner)
            if not rules.change_state(card, wanted, viewer):
                return card
            card = replace(card, state=wanted)
            await repository.set_state(conn, card.partition_id, [card_id], wanted)
            await self._announce(conn, event, [card], self._clock.now())
        return card

    # registered cards --------------------------------------------------------------------------------------

    async def register(
        self, conn: Connection, registration: Registration, request: RequestKey | None = None
    ) -> Card:
        """Store a member's real card as one to be shown itself, in the wallet's commit (PR-1).

        Nothing restricts it but its own company. Raises `asyncpg.UniqueViolationError` where it is
        registered already or the request has made another card: then the caller's transaction has to end.
        """
        await self._vault.pin_keys(conn)
        await repository.forget_number(conn, registration.vault_card_id)
        (serial,) = await self._next_serials(conn, registration.partition_id, 1)
        number, now = registration.number, self._clock.now()
        card = Card(
            partition_id=registration.partition_id,
            id=CardId(self._new_id()),
            kind=CardKind.REGISTERED,
            state=CardState.ACTIVE,
            bin=number.reveal()[:6],
            serial=serial,
            last_four=number.reveal()[-4:],
            number_hash=self._vault.number_hashes(number)[0].digest,
            member_id=registration.member_id,
            held_by=HeldBy.MEMBER,
            currency=registration.currency,
            controls=Controls(spent_on=SpentOn.NEVER),
            uses_left=1,
            spent_minor=0,
            expires_at=registration.expires_at,
            funding=(registration.source_id,),
            created_at=now,
            name=registration.name,
            vault_card_id=registration.vault_card_id,
            own_source=registration.source_id,
        )
        key = row_keys(request, 1)[0] if request else None
        fingerprint = request.fingerprint if request else None
        await repository.insert_lasting(conn, [card], self._vault.active_index, [key], fingerprint)
        await self._announce(conn, "card.registered", [card], now)
        return card

    async def registered(self, conn: Connection, vault_card_id: VaultCardId) -> Card | None:
        """The card as which this real one is registered at present."""
        return await repository.find_registered(conn, vault_card_id)

    async def unregister(self, conn: Connection, vault_card_id: VaultCardId) -> None:
        """Close the card as which a real one is registered, if it is, in the commit that unlinks it."""
        card = await repository.lock_registered(conn, vault_card_id)
        if card is not None:
            await repository.set_state(conn, card.partition_id, [card.id], CardState.CLOSED)
            await self._announce(conn, "card.closed", [card], self._clock.now())
