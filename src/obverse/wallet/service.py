"""Registering with a first funding source, adding others, and issuing cards against them."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
from msgspec.structs import replace

from obverse.cards.model import Issued, RequestKey
from obverse.cards.service import Cards
from obverse.kit import events
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import InvalidRequest, ObverseError
from obverse.kit.events import Event
from obverse.kit.ids import (
    AccountId,
    EventId,
    MemberId,
    NewId,
    PartitionId,
    SourceId,
    VaultCardId,
    to_text,
)
from obverse.kit.money import CurrencyCode, Money
from obverse.ledger import repository as ledger
from obverse.ledger.model import AccountKind
from obverse.ledger.rules import house_account
from obverse.members import rules as membership
from obverse.members.errors import AlreadyRegistered
from obverse.members.model import Applicant, Application, Member, Standing
from obverse.members.service import Members
from obverse.vault.service import Vault
from obverse.wallet import repository, rules
from obverse.wallet.errors import (
    CardAlreadyLinked,
    CardNotVerified,
    CreditLineExists,
    RegistrationRefused,
    SourceNotFound,
)
from obverse.wallet.model import (
    STORED,
    CardDetails,
    CardWish,
    MonthEnd,
    Source,
    SourceKind,
    SourceState,
    Terms,
)
from obverse.wallet.ports import CardCheck, CreditBureau, CreditStanding
from obverse.wallet.real_cards import RealCards
from obverse.wallet.repository import bank_accounts


class Wallet:
    """What pays behind the members' cards."""

    def __init__(
        self,
        database: Database,
        members: Members,
        cards: Cards,
        vault: Vault,
        bureau: CreditBureau,
        card_check: CardCheck,
        *,
        clock: Clock,
        new_id: NewId,
        own_bin: str,
        terms: Terms,
        month_end: MonthEnd,
    ) -> None:
        self._database = database
        self._members = members
        self._cards = cards
        self._bureau = bureau
        self._real_cards = RealCards(vault, card_check, clock=clock, own_bin=own_bin, month_end=month_end)
        self._clock = clock
        self._new_id = new_id
        self._terms = terms

    # registration ------------------------------------------------------------------------------------------

    async def register(
        self, application: Application, linked_card: CardDetails | None, credit: bool
    ) -> tuple[Member, list[Source]]:
        """Make a person a member: credit standing first, duplicates second, then one commit (OT-1 to OT-4).

        An independent provider links a card, which its card company has to vouch for; a provider that is
        the card company gives credit on its own terms; both may be asked for at once. Who joins for the
        wallet brings a profile (WA-1) and may do without either; then no bureau is asked, nor credit given.

        Raises `InvalidRequest`, `RegistrationRefused`, `AlreadyRegistered`, `MemberIdTaken`, `NicknameTaken`,
        `CardNotVerified`, `Unavailable`; after each of them nothing is stored.
        """
        funded = linked_card is not None or credit
        if not funded and application.profile is None:
            raise InvalidRequest("Link a card, ask for credit, or give a profile.", "card_number")
        membership.check_application(application)
        if linked_card is not None:
            self._real_cards.check(linked_card)
        identity = membership.identity_number(application.identity_number)
        if funded and await self._bureau.standing(identity) is not CreditStanding.GOOD:
            raise RegistrationRefused
        applicant = await self._members.prepare(application)
        await self._refuse_duplicates(applicant, linked_card)
        if linked_card is not None:
            await self._real_cards.verify(linked_card)
        return await self._store(applicant, linked_card, credit)

    async def _refuse_duplicates(self, applicant: Applicant, linked_card: CardDetails | None) -> None:
        async with self._database.connection() as conn:
            if await self._members.is_registered(conn, applicant):
                raise AlreadyRegistered
            if linked_card is not None and await self._real_cards.is_of_a_member(conn, linked_card):
                raise AlreadyRegistered

    async def check_card(self, details: CardDetails) -> None:
        """Show a card that somebody types in to its card company, before it is kept for one payment.

        Raises `InvalidRequest`, for our own numbers too (PP-8); `CardNotVerified`, `Unavailable`.
        """
        self._real_cards.check(details)
        await self._real_cards.verify(details)

    async def keep_card_of_nobody(
        self, conn: Connection, partition_id: PartitionId, details: CardDetails
    ) -> Source:
        """A source of no member for a card that was checked; it may be a member's elsewhere (PP-2)."""
        vault_card_id, _ = await self._real_cards.keep(conn, details)
        account = house_account(AccountKind.CARD_COMPANY_RECEIVABLE, partition_id, self._terms.currency)
        await ledger.open_accounts(conn, [account])
        source = Source(
            id=SourceId(self._new_id()),
            partition_id=partition_id,
            member_id=None,
            kind=SourceKind.LINKED_CARD,
            currency=account.currency,
            account_id=account.id,
            vault_card_id=vault_card_id,
            state=SourceState.ACTIVE,
            created_at=self._clock.now(),
        )
        await repository.insert_sources(conn, [source])
        return source

    async def _store(
        self, applicant: Applicant, linked_card: CardDetails | None, credit: bool
    ) -> tuple[Member, list[Source]]:
        now = self._clock.now()
        sources = []
        async with self._database.transaction() as conn:
            member = await self._members.register(conn, applicant)
            await self._announce(conn, "member.registered", member.id, member.id, now)
            if linked_card is not None:
                vault_card_id, owners = await self._real_cards.keep(conn, linked_card)
                if owners:
                    raise AlreadyRegistered
                sources.append(await self._add_linked_card(conn, member, vault_card_id, now))
            if credit:
                limit = Money(self._terms.credit_limit_minor, self._terms.currency)
                sources.append(await self._add_credit_line(conn, member, limit, now))
        return member, sources

    # funding sources ---------------------------------------------------------------------------------------

    async def link_card(self, member_id: MemberId, details: CardDetails, *, again: bool = False) -> Source:
        """Put a real card behind the member's stand-ins, once its card company has vouched for it (OT-12).

        With `again`, one that the member has linked already is the answer; what is new about its plastic is
        taken over.

        Raises `InvalidRequest`, `MemberNotFound`, `MemberSuspended`, `CardNotVerified`, `CardAlreadyLinked`,
        `Unavailable`.
        """
        self._real_cards.check(details)
        await self._members.get(member_id)
        await self._real_cards.verify(details)
        async with self._database.transaction() as conn:
            member = await self._members.in_good_standing(conn, member_id)
            vault_card_id, owners = await self._real_cards.keep(conn, details)
            for source in owners:
                if source.state is SourceState.REMOVED:
                    continue
                if source.member_id != member.id:
                    raise CardNotVerified
                if not again:
                    raise CardAlreadyLinked
                return source
            return await self._add_linked_card(conn, member, vault_card_id, self._clock.now())

    async def open_credit_line(self, member_id: MemberId, limit: Money) -> Source:
        """Give a member credit of our own, up to `limit` (OT-13).

        Raises `InvalidRequest`, `MemberNotFound`, `MemberSuspended`, `CreditLineExists`.
        """
        rules.check_credit_limit(limit, self._terms.currency)
        async with self._database.transaction() as conn:
            member = await self._members.in_good_standing(conn, member_id)
            return await self._add_credit_line(conn, member, limit, self._clock.now())

    async def get(self, source_id: SourceId) -> Source:
        """Raises `SourceNotFound`, also for one that was removed."""
        async with self._database.connection() as conn:
            return _present(await repository.load_sources(conn, [source_id]), source_id)

    async def list(self, member_id: MemberId) -> Sequence[Source]:
        """What a member has, oldest first, without what was removed; a card's own balance is the card's."""
        sources = await self._ever_had(member_id)
        return [
            source
            for source in sources
            if source.state is not SourceState.REMOVED and source.kind is not SourceKind.STORED_BALANCE
        ]

    async def set_order(self, member_id: MemberId, wanted: Sequence[SourceId]) -> Sequence[Source]:
        """The order in which a member's sources pay where nothing else is said: for new cards, and for
        charging by itself. Those that are not named come after, oldest first (WA-5).

        Raises `InvalidRequest`, `SourceNotFound`.
        """
        if len(set(wanted)) != len(wanted):
            raise InvalidRequest("A funding source may be named once.", "sources")
        async with self._database.transaction() as conn:
            own = await repository.sources_of_member(conn, member_id)
            alive = {source.id for source in own if source.state is not SourceState.REMOVED}
            if not alive.issuperset(wanted):
                raise SourceNotFound("sources")
            await repository.set_places(conn, member_id, wanted)
        return await self.list(member_id)

    async def _ever_had(self, member_id: MemberId) -> Sequence[Source]:
        async with self._database.connection() as conn:
            return await repository.sources_of_member(conn, member_id)

    async def remove(self, source_id: SourceId) -> Source:
        """Take a source away for good; what is owed on it stays owed. A registered card goes with its own.

        Raises `SourceNotFound`, also for a balance: what is in it belongs to somebody; `InvalidRequest` for
        a points account, which its own room unlinks.
        """
        async with self._database.transaction() as conn:
            source = _present(await repository.lock_sources(conn, [source_id]), source_id)
            if source.kind in STORED or source.member_id is None:
                raise SourceNotFound
            if source.kind is SourceKind.ISSUER_POINTS:
                raise InvalidRequest("A points account is unlinked as such.", "id")
            await repository.set_state(conn, [source_id], SourceState.REMOVED)
            if source.kind is SourceKind.BANK_ACCOUNT:
                await bank_accounts.set_removed(conn, source_id)
            if source.vault_card_id is not None:
                await self._cards.unregister(conn, source.vault_card_id)
            await self._announce(conn, "source.removed", source_id, source.member_id, self._clock.now())
        return replace(source, state=SourceState.REMOVED)

    async def _add_linked_card(
        self, conn: Connection, member: Member, vault_card_id: VaultCardId, now: datetime
    ) -> Source:
        account = house_account(
            AccountKind.CARD_COMPANY_RECEIVABLE, member.partition_id, self._terms.currency
        )
        await ledger.open_accounts(conn, [account])
        return await self._add(
            conn, member, SourceKind.LINKED_CARD, account.currency, account.id, vault_card_id, now
        )

    async def _add_credit_line(self, conn: Connection, member: Member, limit: Money, now: datetime) -> Source:
        account_id = AccountId(self._new_id())
        try:
            source = await self._add(
                conn, member, SourceKind.CREDIT_LINE, limit.currency, account_id, None, now
            )
        except asyncpg.UniqueViolationError as violation:
            raise CreditLineExists from violation
        await ledger.open_accounts(conn, [rules.credit_account(source, limit)])
        return source

    async def _add(
        self,
        conn: Connection,
        member: Member,
        kind: SourceKind,
        currency: CurrencyCode,
        account_id: AccountId,
        vault_card_id: VaultCardId | None,
        now: datetime,
    ) -> Source:
        source = Source(
            id=SourceId(self._new_id()),
            partition_id=member.partition_id,
            member_id=member.id,
            kind=kind,
            currency=currency,
            account_id=account_id,
            vault_card_id=vault_card_id,
            state=SourceState.ACTIVE,
            created_at=now,
        )
        await repository.insert_sources(conn, [source])
        await self._announce(conn, "source.linked", source.id, member.id, now)
        return source

    # standing ----------------------------------------------------------------------------------------------

    async def suspend(self, member_id: MemberId) -> Member:
        """Suspend a member: none of their sources pays until `reinstate`. Raises `MemberNotFound`."""
        return await self._set_standing(
            member_id, Standing.SUSPENDED, SourceState.SUSPENDED, "member.suspended"
        )

    async def reinstate(self, member_id: MemberId) -> Member:
        """Undo `suspend`. Raises `MemberNotFound`."""
        return await self._set_standing(member_id, Standing.GOOD, SourceState.ACTIVE, "member.reinstated")

    async def _set_standing(
        self, member_id: MemberId, standing: Standing, sources: SourceState, event: str
    ) -> Member:
        async with self._database.transaction() as conn:
            member = await self._members.set_standing(conn, member_id, standing)
            await repository.set_state_of_members(conn, [member_id], sources)
            await self._announce(conn, event, member_id, member_id, self._clock.now())
        return member

    # cards -------------------------------------------------------------------------------------------------

    async def issue_card(
        self, member_id: MemberId, wish: CardWish, *, count: int = 1, request_key: str | None = None
    ) -> Issued:
        """Issue cards against the member's own, active sources of one currency (OT-6, OT-7).

        Safe to repeat with the same `request_key`: the answer is the cards of the first time, even if the
        sources have gone since.

        Raises `InvalidRequest`, `MemberNotFound`, `SourceNotFound`, `SourceNotActive`, `MerchantNotFound`,
        `KeyReused`.
        """
        sources = await self._ever_had(member_id)
        if not sources:
            await self._members.get(member_id)
            raise SourceNotFound("funding")
        partition_id = sources[0].partition_id
        request = None
        if request_key is not None:
            request = RequestKey(request_key, rules.fingerprint(member_id, wish, count))
        try:
            order = rules.order_for(member_id, wish, sources)
            return await self._cards.issue(order, count=count, request=request)
        except ObverseError:
            # What is refused today may have been granted before: a repeat hears the first answer. Asking only
            # now spares everybody else the question.
            earlier = request and await self._cards.find_issued(partition_id, request, count)
            if not earlier:
                raise
            return earlier

    async def _announce(
        self,
        conn: Connection,
        type_: str,
        subject_id: MemberId | SourceId,
        member_id: MemberId,
        now: datetime,
    ) -> None:
        data = {"member": to_text("mem", member_id)}
        await events.append(conn, [Event(EventId(self._new_id()), type_, subject_id, data, now)])


def _present(sources: dict[SourceId, Source], source_id: SourceId) -> Source:
    source = sources.get(source_id)
    if source is None or source.state is SourceState.REMOVED:
        raise SourceNotFound
    return source
