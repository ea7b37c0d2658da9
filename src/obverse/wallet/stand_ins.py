"""Prepaid cards that members apply for: a number at once, and a balance of its own that is empty (WA-3)."""

from collections.abc import Mapping, Sequence

import asyncpg
import msgspec

from obverse.cards import pin_rules
from obverse.cards.model import Card, CardKind, Issued, RequestKey, StoredValueOrder
from obverse.cards.pins import NewPin, Pins
from obverse.cards.rules import card_name, controls_of, end_of_face
from obverse.cards.service import Cards
from obverse.cards.stored_value import StoredValueCards
from obverse.kit import events
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import ObverseError
from obverse.kit.events import Event
from obverse.kit.ids import EventId, LetterId, MemberId, NewId, PartitionId, ProgrammeId, to_text
from obverse.kit.metadata import check_metadata
from obverse.kit.secret import Secret, mask_number
from obverse.letters import Channel, Letter, Letters
from obverse.members.service import Members
from obverse.programmes import repository as programmes
from obverse.programmes.model import Programme
from obverse.vault.service import Vault
from obverse.wallet.balances import Balances
from obverse.wallet.model import LotBalance


class StandInWish(msgspec.Struct, frozen=True):
    """What a member asks for when they want a prepaid card."""

    programme_id: ProgrammeId
    pin: NewPin
    name: str = ""
    """What the member calls it; up to 15 letters."""
    tell_of_use: bool = False
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)


class StandIns:
    """Prepaid cards with their balances, joined in one commit."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        members: Members,
        cards: Cards,
        stored_cards: StoredValueCards,
        pins: Pins,
        balances: Balances,
        letters: Letters,
        *,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._database = database
        self._vault = vault
        self._members = members
        self._cards = cards
        self._stored_cards = stored_cards
        self._pins = pins
        self._balances = balances
        self._letters = letters
        self._clock = clock
        self._new_id = new_id

    async def apply(
        self, member_id: MemberId, wish: StandInWish, *, request_key: str | None = None
    ) -> Issued:
        """Issue a prepaid card to a member, and tell them by mail, its number masked (WA-3).

        Safe to repeat with the same `request_key`: the answer is the card of the first time.

        Raises `InvalidRequest`, `MemberNotFound`, `MemberSuspended`, `ProgrammeNotFound`, `ProgrammeClosed`,
        `KeyReused`.
        """
        member = await self._members.get(member_id)
        request = None
        if request_key is not None:
            request = RequestKey(request_key, self._fingerprint(member_id, wish))
        try:
            return Issued([await self._issue(member_id, wish, request)])
        except (ObverseError, asyncpg.UniqueViolationError):
            # What is refused today may have been granted before, and a twin may have been faster.
            earlier = request and await self._cards.find_issued(member.partition_id, request)
            if not earlier:
                raise
            return earlier

    async def balance(self, card: Card) -> Sequence[LotBalance]:
        """What is on this card, lot by lot, in the order in which it is spent; nothing that is over.

        What else pays behind it is not on it.
        """
        if card.own_source is None:
            return []
        now = self._clock.now()
        async with self._database.connection() as conn:
            found = await self._balances.of(conn, [card.own_source])
        return [lot for lot in found[card.own_source] if lot.lot.expires_at > now]

    async def _issue(self, member_id: MemberId, wish: StandInWish, request: RequestKey | None) -> Card:
        name = card_name(wish.name)
        check_metadata(wish.metadata)
        pin_rules.check_new_pin(wish.pin.pin, wish.pin.again)
        async with self._database.transaction() as conn:
            member = await self._members.in_good_standing(conn, member_id)
            programme = await programmes.load_open(conn, wish.programme_id)
            order = self._order(member.partition_id, member_id, programme, name, wish)
            sources = await self._balances.open(
                conn, order.partition_id, order.currency, 1, member_id=member_id
            )
            (card,) = await self._stored_cards.make(
                conn, order, [source.id for source in sources], request=request
            )
            await self._announce(conn, card, programme)
            return await self._pins.set_first(conn, card, wish.pin)

    def _order(
        self,
        partition_id: PartitionId,
        member_id: MemberId,
        programme: Programme,
        name: str,
        wish: StandInWish,
    ) -> StoredValueOrder:
        return StoredValueOrder(
            partition_id=partition_id,
            kind=CardKind.PREPAID,
            programme_id=programme.id,
            currency=programme.currency,
            controls=controls_of(programme),
            # The card lives as long as its number; what is paid in ends by dates of its own.
            expires_at=end_of_face(self._clock.now()),
            member_id=member_id,
            name=name,
            tell_of_use=wish.tell_of_use,
            metadata=wish.metadata,
        )

    async def _announce(self, conn: Connection, card: Card, programme: Programme) -> None:
        assert card.member_id is not None, "a member has applied for it"
        data = {"member": to_text("mem", card.member_id), "programme": to_text("prog", programme.id)}
        news = Event(EventId(self._new_id()), "card.issued", card.id, data, self._clock.now())
        await events.append(conn, [news])
        contact = (await self._members.profiles.contacts(conn, [card.member_id])).get(card.member_id)
        if contact is None or contact.mail is None:
            return
        letter = Letter(
            id=LetterId(self._new_id()),
            channel=Channel.MAIL,
            to=contact.mail,
            template="card_issued",
            language=contact.language,
            data={
                "card": mask_number(f"{card.bin}{'0' * 6}{card.last_four}"),
                "programme": programme.name,
                "name": card.name,
                "link": f"/cards/{to_text('card', card.id)}",
            },
            subject_id=card.id,
            member_id=card.member_id,
            time_zone=contact.time_zone,
        )
        await self._letters.post(conn, [letter])

    def _fingerprint(self, member_id: MemberId, wish: StandInWish) -> bytes:
        """What tells whether two requests with one key ask for the same; keyed, as a PIN is in it."""
        pin = wish.pin
        said = (
            member_id,
            wish.programme_id,
            wish.name,
            wish.tell_of_use,
            dict(wish.metadata),
            pin.pin.reveal(),
            pin.again.reveal(),
            pin.hint,
        )
        return self._vault.token_hash(Secret(msgspec.json.encode(said, order="deterministic").decode()))
