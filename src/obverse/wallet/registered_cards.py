"""Real cards that members register to be shown themselves, with points before them (PR-1)."""

import asyncpg
import msgspec

from obverse.cards.model import Issued, Registration, RequestKey
from obverse.cards.rules import card_name
from obverse.cards.service import Cards
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import MemberId, SourceId
from obverse.kit.secret import Secret
from obverse.members.service import Members
from obverse.vault.service import Vault
from obverse.wallet import repository, rules
from obverse.wallet.model import CardDetails, MonthEnd, Source
from obverse.wallet.service import Wallet


class RegistrationWish(msgspec.Struct, frozen=True):
    """A real card: one that the member has linked, or its details, to be linked with it."""

    source_id: SourceId | None = None
    details: CardDetails | None = None
    name: str = ""
    """What the member calls it; up to 15 letters."""


class RegisteredCards:
    """Makes linked cards known at the terminals that send us their numbers."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        members: Members,
        cards: Cards,
        wallet: Wallet,
        *,
        clock: Clock,
        month_end: MonthEnd,
    ) -> None:
        self._database = database
        self._vault = vault
        self._members = members
        self._cards = cards
        self._wallet = wallet
        self._clock = clock
        self._month_end = month_end

    async def register(
        self, member_id: MemberId, wish: RegistrationWish, *, request_key: str | None = None
    ) -> Issued:
        """Register a member's real card: what is not linked yet is linked first, as `Wallet.link_card` does.

        A card is registered once: asked again, the answer is the card that there is, and a repeat with the
        same `request_key` gets the card of the first time whatever has become of it.

        Raises `InvalidRequest`, `MemberNotFound`, `MemberSuspended`, `SourceNotFound`, `SourceNotActive`,
        `CardNotVerified`, `KeyReused`, `Unavailable`.
        """
        name = card_name(wish.name)
        member = await self._members.get(member_id)
        request = None
        if request_key is not None:
            request = RequestKey(request_key, self._fingerprint(member_id, wish))
            earlier = await self._cards.find_issued(member.partition_id, request)
            if earlier is not None:
                return earlier
        source_id = wish.source_id
        if wish.details is not None:
            source_id = (await self._wallet.link_card(member_id, wish.details, again=True)).id
        if source_id is None:
            raise InvalidRequest("Name a linked card, or give the details of one.", "source")
        try:
            return await self._store(member_id, source_id, name, request)
        except asyncpg.UniqueViolationError:
            # Another card with the same key was faster; of twins for one card the second has waited.
            issued = await self._cards.find_issued(member.partition_id, request) if request else None
            if issued is None:
                raise
            return issued

    async def _store(
        self, member_id: MemberId, source_id: SourceId, name: str, request: RequestKey | None
    ) -> Issued:
        async with self._database.transaction() as conn:
            await self._members.in_good_standing(conn, member_id)
            # Whoever registers or unlinks the same card waits here.
            found = (await repository.lock_sources(conn, [source_id])).get(source_id)
            source = rules.registrable(found, member_id)
            assert source.vault_card_id is not None, "a linked card stands for a real one"
            there = await self._cards.registered(conn, source.vault_card_id)
            if there is not None:
                return Issued([there], repeated=True)
            registration = await self._registration(conn, source, member_id, name)
            return Issued([await self._cards.register(conn, registration, request)])

    async def _registration(
        self, conn: Connection, source: Source, member_id: MemberId, name: str
    ) -> Registration:
        assert source.vault_card_id is not None, "checked before"
        real = (await self._vault.open_cards(conn, [source.vault_card_id]))[source.vault_card_id]
        expires_at = self._month_end(real.exp_year, real.exp_month)
        if expires_at <= self._clock.now():
            raise InvalidRequest("That card has expired.", "source")
        return Registration(
            partition_id=source.partition_id,
            member_id=member_id,
            currency=source.currency,
            vault_card_id=source.vault_card_id,
            number=real.number,
            source_id=source.id,
            expires_at=expires_at,
            name=name,
        )

    def _fingerprint(self, member_id: MemberId, wish: RegistrationWish) -> bytes:
        """What tells whether two requests with one key ask for the same; keyed, as a number is in it.

        CVV and birth date are for the card company's check alone, and not kept in any form.
        """
        typed = wish.details
        card = (typed.number.reveal(), typed.exp_month, typed.exp_year) if typed is not None else None
        said = (member_id, wish.source_id, card, wish.name)
        return self._vault.token_hash(Secret(msgspec.json.encode(said).decode()))
