"""Issuing cards, showing them to their holder, and handing them over."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from obverse.cards import repository, rules
from obverse.cards.errors import CardNotFound, ClaimLinkExists, ClaimLinkInvalid
from obverse.cards.model import (
    Card,
    CardFace,
    CardKind,
    CardState,
    ClaimLink,
    HeldBy,
    Issued,
    Order,
    RequestKey,
    Viewer,
)
from obverse.kit import events
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import InvalidRequest, KeyReused
from obverse.kit.events import Event
from obverse.kit.ids import CardId, EventId, MemberId, NewId, PartitionId, to_text
from obverse.kit.paging import Page, PageRequest
from obverse.kit.secret import Secret, new_token
from obverse.merchants.errors import MerchantNotFound
from obverse.merchants.service import Merchants
from obverse.vault.service import Vault

LIFETIME: Final = timedelta(hours=24)
"""How long a one-time card lives unless the member says otherwise."""

LINK_LIFETIME: Final = timedelta(days=7)
COUNT_MAX: Final = 100_000
"""Cards in one order."""

CHUNK: Final = 500
"""Numbers made in one go: some milliseconds, in which nothing else runs in this process."""

CLAIM_PREFIX: Final = "ob_claim_"
HOLDER_PREFIX: Final = "ob_holder_"


class Cards:
    """The stand-ins of this programme."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        merchants: Merchants,
        *,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        new_id: NewId,
        bin_: str,
        partitions: int = 1,
        lifetime: timedelta = LIFETIME,
        link_lifetime: timedelta = LINK_LIFETIME,
    ) -> None:
        self._database = database
        self._vault = vault
        self._merchants = merchants
        self._clock = clock
        self._random_bytes = random_bytes
        self._new_id = new_id
        self._bin = bin_
        self._partitions = [PartitionId(partition) for partition in range(partitions)]
        self._lifetime = lifetime
        self._link_lifetime = link_lifetime

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
            found = await repository.find_by_request(conn, partition_id, _row_keys(request, count))
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
        keys = _row_keys(request, count) if request else [None] * count
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

    async def _next_serials(self, conn: Connection, partition_id: PartitionId, count: int) -> list[int]:
        return [rules.serial_of(value, partition_id) for value in await repository.next_serials(conn, count)]

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

        `card` comes fresh from `get` or `of_holder`. Raises `CardHandedOver`, `CardNotFound`.
        """
        rules.check_reveal(card, viewer)
        number = self._vault.card_number(card.bin, card.serial)
        expiry = rules.face_expiry(card.created_at)
        return CardFace(number, expiry, self._vault.cvv(number, expiry))

    # states ------------------------------------------------------------------------------------------------

    async def suspend(self, card_id: CardId, viewer: Viewer = Viewer.MEMBER) -> Card:
        """Decline everything until `resume`. Raises `CardNotFound`, `CardIsClosed`, `CardHandedOver`."""
        return await self._set_state(card_id, CardState.SUSPENDED, viewer, "card.suspended")

    async def resume(self, card_id: CardId, viewer: Viewer = Viewer.MEMBER) -> Card:
        """Undo `suspend`. Raises `CardNotFound`, `CardIsClosed`, `CardHandedOver`."""
        return await self._set_state(card_id, CardState.ACTIVE, viewer, "card.resumed")

    async def close(self, card_id: CardId, viewer: Viewer = Viewer.MEMBER) -> Card:
        """Decline everything for ever. Raises `CardNotFound`, `CardHandedOver`."""
        return await self._set_state(card_id, CardState.CLOSED, viewer, "card.closed")

    async def _set_state(self, card_id: CardId, wanted: CardState, viewer: Viewer, event: str) -> Card:
        async with self._database.transaction() as conn:
            card = await self._lock(conn, card_id)
            if not rules.change_state(card, wanted, viewer):
                return card
            card = replace(card, state=wanted)
            await repository.set_state(conn, card.partition_id, [card_id], wanted)
            await self._announce(conn, event, [card], self._clock.now())
        return card

    async def _lock(self, conn: Connection, card_id: CardId) -> Card:
        card = await repository.lock_one(conn, self._partitions, card_id)
        if card is None:
            raise CardNotFound
        return card

    # handing over ------------------------------------------------------------------------------------------

    async def hand_over(self, card_id: CardId) -> tuple[ClaimLink, Secret]:
        """Make a link by which one other person may take the card; its token is not shown again (OT-8).

        Until it is claimed the card stays the member's, who may still spend it or `withdraw` the link.

        Raises `CardNotFound`, `CardHandedOver`, `CardNotGiveable`, `ClaimLinkExists`.
        """
        token = new_token(CLAIM_PREFIX, self._random_bytes)
        now = self._clock.now()
        async with self._database.transaction() as conn:
            card = await self._lock(conn, card_id)
            rules.check_hand_over(card, now)
            if await self._live_links(conn, card, now):
                raise ClaimLinkExists(card_id)
            expires_at = min(now + self._link_lifetime, card.expires_at)
            link = ClaimLink(self._vault.token_hash(token), card.partition_id, card_id, now, expires_at)
            await repository.insert_link(conn, link)
            await self._announce(conn, "card.handed_over", [card], now)
        return link, token

    async def withdraw(self, card_id: CardId) -> None:
        """End the card's claim link, if it has one. Raises `CardNotFound`, `CardHandedOver` if claimed."""
        now = self._clock.now()
        async with self._database.transaction() as conn:
            card = await self._lock(conn, card_id)
            rules.check_withdraw(card)
            links = await self._live_links(conn, card, now)
            if links:
                await repository.mark_withdrawn(conn, [link.token_hash for link in links], now)
                await self._announce(conn, "card.hand_over_withdrawn", [card], now)

    async def claim(self, token: Secret) -> tuple[Card, Secret]:
        """Take over the card behind a link; returns it with the token by which its new holder is known.

        The card gets another number in the same commit: whoever saw the old one, the giver included,
        cannot spend what was given away. Of any number of claims at once, one gets the card.

        Raises `ClaimLinkInvalid`, whatever the reason.
        """
        holder_token = new_token(HOLDER_PREFIX, self._random_bytes)
        token_hash = self._vault.token_hash(token)
        now = self._clock.now()
        async with self._database.transaction() as conn:
            link = await repository.find_link(conn, token_hash)
            if link is None:
                raise ClaimLinkInvalid
            await self._vault.pin_keys(conn)
            card = await repository.lock_one(conn, [link.partition_id], link.card_id)
            # Read again: whoever had the card's lock before us may have been claiming it.
            card = rules.claimable(card, await repository.find_link(conn, token_hash), now)
            card = await self._renumber(conn, card)
            await repository.hand_to_recipient(
                conn, card, self._vault.active_index, self._vault.token_hash(holder_token)
            )
            await repository.mark_claimed(conn, token_hash, now)
            await self._announce(conn, "card.claimed", [card], now)
        return card, holder_token

    async def _renumber(self, conn: Connection, card: Card) -> Card:
        (serial,) = await self._next_serials(conn, card.partition_id, 1)
        number = self._vault.card_number(card.bin, serial)
        return replace(
            card,
            held_by=HeldBy.RECIPIENT,
            serial=serial,
            last_four=number.reveal()[-4:],
            number_hash=self._vault.number_hashes(number)[0].digest,
        )

    async def _live_links(self, conn: Connection, card: Card, now: datetime) -> Sequence[ClaimLink]:
        links = await repository.links_of_card(conn, card.partition_id, card.id)
        return [link for link in links if rules.is_live(link, now)]

    async def _announce(self, conn: Connection, type_: str, cards: Sequence[Card], now: datetime) -> None:
        news = [
            Event(EventId(self._new_id()), type_, card.id, {"member": to_text("mem", card.member_id)}, now)
            for card in cards
        ]
        await events.append(conn, news)


def _row_keys(request: RequestKey, count: int) -> list[str]:
    # Every row has a key of its own, since the database holds each to one card.
    return [f"{request.key}/{index}" for index in range(count)]
