"""How cards change hands: given by a link, claimed by one person, made a member's own (OT-8, PP-3, PP-11)."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from obverse.cards import pin_rules, repository, rules
from obverse.cards.errors import (
    CardNotFound,
    CardNotGiveable,
    ClaimLinkExists,
    ClaimLinkInvalid,
    HolderUnknown,
)
from obverse.cards.model import STORED_VALUE, Card, CardState, ClaimLink, HeldBy
from obverse.cards.pins import NewPin, pin_hash_of
from obverse.cards.ports import HandBalance
from obverse.cards.repository import fulfilments
from obverse.cards.room import CardRoom
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.ids import CardId, MemberId, NewId, ProgrammeId
from obverse.kit.secret import Secret, new_token
from obverse.programmes import repository as programmes
from obverse.vault.service import Vault

LINK_LIFETIME: Final = timedelta(days=7)
CLAIM_PREFIX: Final = "ob_claim_"
HOLDER_PREFIX: Final = "ob_holder_"


class HandingOver(CardRoom):
    """Cards that go from hand to hand."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        hand_balance: HandBalance,
        *,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        new_id: NewId,
        bin_: str,
        partitions: int = 1,
        link_lifetime: timedelta = LINK_LIFETIME,
    ) -> None:
        super().__init__(
            database,
            vault,
            clock=clock,
            random_bytes=random_bytes,
            new_id=new_id,
            bin_=bin_,
            partitions=partitions,
        )
        self._hand_balance = hand_balance
        self._link_lifetime = link_lifetime

    # giving ------------------------------------------------------------------------------------------------

    async def hand_over(self, card_id: CardId, *, owner: MemberId | None = None) -> tuple[ClaimLink, Secret]:
        """Make a link by which one other person may take the card; its token is not shown again (OT-8).

        Until it is claimed the card stays the member's, who may still spend it or `withdraw` the link.
        `owner` is the member who asks.

        Raises `CardNotFound`, `CardHandedOver`, `CardNotGiveable`, `ClaimLinkExists`.
        """
        async with self._database.transaction() as conn:
            (link,) = await self.hand_over_in(conn, [await self.lock(conn, card_id, owner)])
        return link

    async def hand_over_in(
        self, conn: Connection, cards: Sequence[Card], *, lifetime: timedelta | None = None
    ) -> list[tuple[ClaimLink, Secret]]:
        """The same for many cards of one partition, which the caller has locked, in its commit (PP-3)."""
        now = self._clock.now()
        giftable = await self._giftable(conn, cards)
        for card in cards:
            rules.check_hand_over(card, now)
            if card.programme_id is not None and card.programme_id not in giftable:
                raise CardNotGiveable(card.id)
        # Its plastic would carry the number that the claim ends.
        for card_id in await fulfilments.being_made(conn, [card.id for card in cards]):
            raise CardNotGiveable(card_id)
        live = await self._live_links(conn, cards, now)
        if live:
            raise ClaimLinkExists(live[0].card_id)
        latest = now + (lifetime or self._link_lifetime)
        made = [self._link(card, now, min(latest, card.expires_at)) for card in cards]
        await repository.insert_links(conn, [link for link, _ in made])
        await self._announce(conn, "card.handed_over", cards, now)
        return made

    def _link(self, card: Card, now: datetime, expires_at: datetime) -> tuple[ClaimLink, Secret]:
        token = new_token(CLAIM_PREFIX, self._random_bytes)
        return ClaimLink(self._vault.token_hash(token), card.partition_id, card.id, now, expires_at), token

    async def withdraw(self, card_id: CardId, *, owner: MemberId | None = None) -> None:
        """End the card's claim link, if it has one. Raises `CardNotFound`, `CardHandedOver` if claimed."""
        async with self._database.transaction() as conn:
            await self.withdraw_in(conn, [await self.lock(conn, card_id, owner)])

    async def withdraw_in(self, conn: Connection, cards: Sequence[Card]) -> None:
        """The same for many cards of one partition, which the caller has locked, in its commit."""
        now = self._clock.now()
        for card in cards:
            rules.check_not_taken(card)
        links = await self._live_links(conn, cards, now)
        await repository.mark_withdrawn(conn, [link.token_hash for link in links], now)
        withdrawn = {link.card_id for link in links}
        await self._announce(
            conn, "card.hand_over_withdrawn", [card for card in cards if card.id in withdrawn], now
        )

    async def _giftable(self, conn: Connection, cards: Sequence[Card]) -> frozenset[ProgrammeId]:
        wanted = {card.programme_id for card in cards if card.programme_id is not None}
        found = await programmes.load(conn, wanted) if wanted else {}
        return frozenset(id_ for id_, programme in found.items() if programme.giftable)

    async def _live_links(
        self, conn: Connection, cards: Sequence[Card], now: datetime
    ) -> Sequence[ClaimLink]:
        links = await repository.links_of_cards(conn, [card.id for card in cards])
        return [link for link in links if rules.is_live(link, now)]

    # taking ------------------------------------------------------------------------------------------------

    async def claim(
        self, token: Secret, *, member_id: MemberId | None = None, pin: NewPin | None = None
    ) -> tuple[Card, Secret | None]:
        """Take over the card behind a link; returns it with the token by which its new holder is known.

        The card gets another number in the same commit: whoever saw the old one, the giver included,
        cannot spend what was given away. Of any number of claims at once, one gets the card. A PIN that it
        had is over, and `pin` takes its place. A member who claims a card with a balance of its own has it
        among their cards and needs no token; a one-time number stays its giver's liability.

        Raises `ClaimLinkInvalid`, whatever the reason, and `InvalidRequest` for the PIN.
        """
        if pin is not None:
            pin_rules.check_new_pin(pin.pin, pin.again)
        token_hash, now = self._vault.token_hash(token), self._clock.now()
        async with self._database.transaction() as conn:
            link = await repository.find_link(conn, token_hash)
            if link is None:
                raise ClaimLinkInvalid
            await self._vault.pin_keys(conn)
            card = await repository.lock_one(conn, [link.partition_id], link.card_id)
            # Read again: whoever had the card's lock before us may have been claiming it.
            card = rules.claimable(card, await repository.find_link(conn, token_hash), now)
            if pin is not None:
                pin_rules.check_has_pin(card)
            taken, holder_token = await self._take(conn, card, member_id, pin)
            await repository.mark_claimed(conn, token_hash, now)
            await self._announce(conn, "card.claimed", [taken], now)
        return taken, holder_token

    async def _take(
        self, conn: Connection, card: Card, member_id: MemberId | None, pin: NewPin | None
    ) -> tuple[Card, Secret | None]:
        is_stored = card.kind in STORED_VALUE
        as_member = is_stored and member_id is not None
        holder_token = None if as_member else new_token(HOLDER_PREFIX, self._random_bytes)
        card = replace(
            await self._renumber(conn, card),
            held_by=HeldBy.MEMBER if as_member else HeldBy.RECIPIENT,
            is_held=not as_member,
        )
        hint = None
        if is_stored:
            # What its giver has written on it would tell of them, and what pays besides is the giver's own.
            card = replace(
                card,
                member_id=member_id,
                funding=(rules.own_source(card),),
                state=CardState.ACTIVE,
                name="",
                tell_of_use=False,
                metadata={},
            )
            if pin is not None:
                card = replace(card, pin_hash=pin_hash_of(self._vault, card, pin.pin))
                hint = pin_rules.check_hint(pin.hint, pin.pin)
        token_hash = self._vault.token_hash(holder_token) if holder_token is not None else None
        await repository.hand_on(conn, card, self._vault.active_index, token_hash, hint)
        if is_stored:
            await self._hand_balance(conn, card, as_gift=True)
        return card, holder_token

    async def claimed_at(self, card: Card) -> datetime | None:
        """When its holder claimed this card; None for one that was never given away. What was before is its
        giver's: neither side learns the other (OT-8)."""
        async with self._database.connection() as conn:
            links = await repository.links_of_cards(conn, [card.id])
        return max((link.claimed_at for link in links if link.claimed_at is not None), default=None)

    # keeping -----------------------------------------------------------------------------------------------

    async def hold(self, conn: Connection, card: Card) -> tuple[Card, Secret]:
        """Give whoever has bought this card a token to use it by, in the caller's commit (PP-3).

        The caller has locked the card. One that was there before is worth nothing from now on.
        """
        token = new_token(HOLDER_PREFIX, self._random_bytes)
        held = replace(card, held_by=HeldBy.RECIPIENT, is_held=True)
        await repository.set_holder(conn, held, self._vault.token_hash(token))
        return held, token

    async def take_in_hand(self, card_id: CardId) -> tuple[Card, Secret]:
        """Give whoever has just shown number and PIN of a card of nobody's a token to use it by (PP-11).

        Raises `CardNotFound` for a member's card, whose member signs in, and for a one-time number.
        """
        async with self._database.transaction() as conn:
            card = await self.lock(conn, card_id)
            if card.member_id is not None or card.kind not in STORED_VALUE:
                raise CardNotFound
            return await self.hold(conn, card)

    async def adopt(self, token: Secret, member_id: MemberId) -> Card:
        """Make the card that this holder token stands for the member's own, with number and PIN (PP-11).

        From then on it collects points and is among their cards; the token is over. Raises `HolderUnknown`,
        also for a one-time number, which stays its giver's.
        """
        async with self._database.transaction() as conn:
            token_hash = self._vault.token_hash(token)
            found = await repository.of_holder(conn, token_hash)
            if found is None or found.kind not in STORED_VALUE:
                raise HolderUnknown
            await self.lock(conn, found.id)
            # Read again under the lock: of two who adopt it at once, one does.
            if (card := await repository.of_holder(conn, token_hash)) is None:
                raise HolderUnknown
            card = replace(card, held_by=HeldBy.MEMBER, member_id=member_id, is_held=False)
            await repository.set_holder(conn, card, None)
            await self._hand_balance(conn, card, as_gift=False)
            await self._announce(conn, "card.adopted", [card], self._clock.now())
        return card
