"""Members' points accounts: proved by a code that their issuer sends to whoever owns them (PR-1)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import msgspec
from msgspec.structs import replace

from obverse.cards import repository as cards
from obverse.cards.errors import CardNotFound
from obverse.cards.model import Card, RequestKey
from obverse.cards.service import Cards
from obverse.kit import events
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import KeyReused, Unavailable
from obverse.kit.events import Event
from obverse.kit.ids import CardId, EventId, MemberId, NewId, PointsIssuerId, SourceId, to_text
from obverse.kit.resealing import Resealing
from obverse.kit.secret import Secret
from obverse.members.model import Member
from obverse.members.service import Members
from obverse.points import rules
from obverse.points.errors import (
    CardTakesNoPoints,
    PointsAccountLinked,
    PointsAccountNotFound,
    PointsAccountNotProvable,
    PointsAccountUnknown,
    PointsCodeWrong,
    PointsIssuerNotFound,
    PointsIssuerSuspended,
    TooManyPointsAccounts,
)
from obverse.points.model import Account, AccountState, Issuer, IssuerState
from obverse.points.ports import LinkIssuers, LinkProof
from obverse.points.repository import accounts as repository
from obverse.points.repository import issuers
from obverse.vault.service import Vault
from obverse.wallet import repository as sources
from obverse.wallet.model import Source, SourceKind, SourceState

PROVE_WITHIN: Final = timedelta(minutes=10)
"""How long a code is good."""
TRIES_MAX: Final = 5
LINKS_A_DAY_MAX: Final = 20
_DAY: Final = timedelta(days=1)


class Wanted(msgspec.Struct, frozen=True):
    """What a member asks to link."""

    member_id: MemberId
    issuer_id: PointsIssuerId
    account: Secret
    card_id: CardId | None


class Links:
    """Points accounts in wallets: from their proof on they are funding sources."""

    def __init__(
        self,
        database: Database,
        members: Members,
        cards: Cards,
        vault: Vault,
        link_issuers: LinkIssuers,
        *,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._database = database
        self._members = members
        self._cards = cards
        self._vault = vault
        self._link_issuers = link_issuers
        self._clock = clock
        self._new_id = new_id

    # beginning ---------------------------------------------------------------------------------------------

    async def begin(
        self,
        member_id: MemberId,
        issuer_id: PointsIssuerId,
        account: Secret,
        *,
        card_id: CardId | None = None,
        request_key: str | None = None,
    ) -> Account:
        """Have an issuer send a code to the owner of an account, which is the member's who reads it.

        With `card_id` it will stand behind that card, last in order. One that waits to be proved is begun
        anew. With the same `request_key` the issuer is asked again only if it has sent no code yet.

        Raises `InvalidRequest`, `MemberNotFound`, `MemberSuspended`, `PointsIssuerNotFound`,
        `PointsIssuerSuspended`, `CardNotFound`, `CardTakesNoPoints`, `PointsAccountUnknown`,
        `PointsAccountLinked`, `TooManyPointsAccounts`, `KeyReused`, `Unavailable`.
        """
        account = rules.account_form(account)
        wanted = Wanted(member_id, issuer_id, account, card_id)
        request = RequestKey(request_key, self._fingerprint(wanted)) if request_key is not None else None
        try:
            pending = await self._store(wanted, request)
        except asyncpg.UniqueViolationError:
            # A twin with this key was faster; it is found now.
            pending = await self._store(wanted, request)
        if pending.state is not AccountState.PENDING or pending.link is not None:
            return pending
        return await self._ask(pending, account)

    async def _store(self, wanted: Wanted, request: RequestKey | None) -> Account:
        account_hash = self._account_hash(wanted.issuer_id, wanted.account)
        async with self._database.transaction() as conn:
            member = await self._members.in_good_standing(conn, wanted.member_id)
            earlier = await self._earlier(conn, request)
            if earlier is not None and earlier.link is not None:
                return earlier
            await self._active_issuer(conn, wanted.issuer_id)
            await self._check_card(conn, wanted, member)
            await self._check_free(conn, wanted, account_hash)
            # Locked only now, as cards come first; a twin may have been answered meanwhile.
            twins = await repository.lock_twins(conn, wanted.issuer_id, account_hash, member.id)
            if earlier is not None and (earlier := twins[earlier.id]).link is not None:
                return earlier
            now = self._clock.now()
            pending = Account(
                id=earlier.id if earlier is not None else SourceId(self._new_id()),
                partition_id=member.partition_id,
                member_id=member.id,
                issuer_id=wanted.issuer_id,
                last_four=wanted.account.reveal()[-4:],
                card_id=wanted.card_id,
                link=None,
                tries=0,
                state=AccountState.PENDING,
                created_at=now,
                expires_at=now + PROVE_WITHIN,
            )
            await repository.end_pending(conn, [id_ for id_ in twins if id_ != pending.id])
            if earlier is not None:
                await repository.save(conn, pending)
            else:
                key, fingerprint = (request.key, request.fingerprint) if request else (None, None)
                await repository.insert(conn, pending, account_hash, key, fingerprint)
        return pending

    async def _earlier(self, conn: Connection, request: RequestKey | None) -> Account | None:
        found = await repository.find_by_request(conn, request.key) if request is not None else None
        if found is None or request is None:
            return None
        account, fingerprint = found
        if fingerprint != request.fingerprint:
            raise KeyReused
        return account

    async def _active_issuer(self, conn: Connection, issuer_id: PointsIssuerId) -> Issuer:
        issuer = (await issuers.load(conn, [issuer_id])).get(issuer_id)
        if issuer is None:
            raise PointsIssuerNotFound("issuer")
        if issuer.state is not IssuerState.ACTIVE:
            raise PointsIssuerSuspended
        return issuer

    async def _check_card(self, conn: Connection, wanted: Wanted, member: Member) -> None:
        if wanted.card_id is not None:
            card = await self._cards.lock(conn, wanted.card_id, member.id)
            if not rules.takes_points(card, member.partition_id, self._clock.now()):
                raise CardTakesNoPoints

    async def _check_free(self, conn: Connection, wanted: Wanted, account_hash: bytes) -> None:
        owner = await repository.owner_of(conn, wanted.issuer_id, account_hash)
        if owner is not None:
            raise PointsAccountLinked if owner == wanted.member_id else PointsAccountUnknown
        if await repository.count_since(conn, wanted.member_id, self._clock.now() - _DAY) >= LINKS_A_DAY_MAX:
            raise TooManyPointsAccounts

    async def _ask(self, pending: Account, account: Secret) -> Account:
        """The issuer is asked with nothing held; without an answer the same request asks again."""
        begun = await self._link_issuers.begin_link(pending.issuer_id, account)
        async with self._database.transaction() as conn:
            stored = (await repository.lock(conn, [pending.id]))[pending.id]
            if stored.state is AccountState.PENDING:
                if begun is None:
                    stored = replace(stored, state=AccountState.ENDED)
                else:
                    stored = replace(
                        stored, link=begun.link, tries=0, expires_at=self._clock.now() + PROVE_WITHIN
                    )
                await repository.save(conn, stored)
        if begun is None:
            raise PointsAccountUnknown
        return stored

    # proving -----------------------------------------------------------------------------------------------

    async def prove(self, member_id: MemberId, id_: SourceId, code: Secret) -> Account:
        """Show the issuer the code that the member has read; if it is right the account is a funding source
        of theirs, and last behind the card that it was meant for if that still takes it.

        Once proved, it stays so. Raises `PointsAccountNotFound`, `PointsAccountNotProvable`,
        `PointsCodeWrong`, `PointsAccountLinked`, `PointsAccountUnknown`, `MemberSuspended`, `Unavailable`.
        """
        tried = await self._count_try(member_id, id_)
        if tried.state is AccountState.PROVED:
            return tried
        assert tried.link is not None, "nobody can try a code that was not sent"
        try:
            proof = await self._link_issuers.prove_link(tried.issuer_id, tried.link, code)
        except Unavailable:
            await self._settle_try(id_, counts=False)
            raise
        if proof is None:
            await self._settle_try(id_, counts=True)
            raise PointsCodeWrong
        try:
            return await self._become_source(tried, proof)
        except asyncpg.UniqueViolationError:
            raise await self._taken_by(tried, proof) from None

    async def _count_try(self, member_id: MemberId, id_: SourceId) -> Account:
        """Counted before the issuer is asked: of any number of guesses at once, five get through."""
        async with self._database.transaction() as conn:
            await self._members.in_good_standing(conn, member_id)
            account = await self._own(conn, member_id, id_)
            if account.state is AccountState.PROVED:
                return account
            is_over = account.expires_at <= self._clock.now() or account.tries >= TRIES_MAX
            if account.state is not AccountState.PENDING or account.link is None or is_over:
                raise PointsAccountNotProvable
            account = replace(account, tries=account.tries + 1)
            await repository.save(conn, account)
        return account

    async def _settle_try(self, id_: SourceId, *, counts: bool) -> None:
        async with self._database.transaction() as conn:
            account = (await repository.lock(conn, [id_]))[id_]
            if account.state is not AccountState.PENDING:
                return
            if not counts:
                account = replace(account, tries=account.tries - 1)
            elif account.tries >= TRIES_MAX:
                account = replace(account, state=AccountState.ENDED)
            await repository.save(conn, account)

    async def _become_source(self, tried: Account, proof: LinkProof) -> Account:
        now = self._clock.now()
        async with self._database.transaction() as conn:
            await self._members.in_good_standing(conn, tried.member_id)
            card = await self._card_for(conn, tried, now)
            account = await self._own(conn, tried.member_id, tried.id)
            if account.state is AccountState.PROVED:
                return account
            if account.state is not AccountState.PENDING:
                raise PointsAccountNotProvable
            issuer = (await issuers.load(conn, [account.issuer_id]))[account.issuer_id]
            await self._vault.pin_keys(conn)
            handle = self._vault.seal(proof.handle, rules.account_context(account.id))
            await repository.save_handle(conn, account.id, handle, self._handle_hash(account, proof))
            account = replace(
                account, state=AccountState.PROVED, card_id=card.id if card is not None else None
            )
            await repository.save(conn, account)
            await sources.insert_sources(conn, [self._source(account, issuer, now)])
            if card is not None:
                await cards.set_funding(conn, replace(card, funding=(*card.funding, account.id)))
            await self._announce(conn, "source.linked", account, now)
        return account

    async def _card_for(self, conn: Connection, tried: Account, now: datetime) -> Card | None:
        """The card that the account was meant for, locked, if points can still stand behind it."""
        if tried.card_id is None:
            return None
        try:
            card = await self._cards.lock(conn, tried.card_id, tried.member_id)
        except CardNotFound:
            return None
        return card if rules.takes_points(card, tried.partition_id, now) else None

    def _source(self, account: Account, issuer: Issuer, now: datetime) -> Source:
        owed = rules.receivable(issuer.id, account.partition_id, issuer.currency)
        return Source(
            id=account.id,
            partition_id=account.partition_id,
            member_id=account.member_id,
            kind=SourceKind.ISSUER_POINTS,
            currency=issuer.currency,
            account_id=owed.id,
            vault_card_id=None,
            state=SourceState.ACTIVE,
            created_at=now,
        )

    async def _taken_by(self, tried: Account, proof: LinkProof) -> PointsAccountLinked | PointsAccountUnknown:
        """Why an account that was just proved cannot be this member's: it stands behind somebody already."""
        async with self._database.connection() as conn:
            account_hash = await repository.hash_of(conn, tried.id)
            handle_hash = self._handle_hash(tried, proof)
            owner = await repository.owner_of(conn, tried.issuer_id, account_hash, handle_hash)
        return PointsAccountLinked() if owner == tried.member_id else PointsAccountUnknown()

    # seeing and removing -----------------------------------------------------------------------------------

    async def get(self, member_id: MemberId, id_: SourceId) -> Account:
        """Raises `PointsAccountNotFound`."""
        async with self._database.connection() as conn:
            account = (await repository.load(conn, [id_])).get(id_)
        if account is None or account.member_id != member_id:
            raise PointsAccountNotFound
        return account

    async def list(self, member_id: MemberId) -> Sequence[Account]:
        """What a member has linked or is about to, oldest first."""
        async with self._database.connection() as conn:
            return await repository.of_member(conn, member_id)

    async def unlink(self, member_id: MemberId, id_: SourceId) -> Account:
        """Take an account out of the wallet and from behind every card: it pays nothing from now on, and what
        is refunded still goes back to it. Unlinking it twice is fine. Raises `PointsAccountNotFound`."""
        async with self._database.transaction() as conn:
            # Cards, then sources, then what hangs on them, like everywhere.
            behind = await cards.lock_funded_by(conn, member_id, id_)
            await sources.lock_sources(conn, [id_])
            account = await self._own(conn, member_id, id_)
            if account.state is AccountState.PENDING:
                account = replace(account, state=AccountState.ENDED)
            elif account.state is AccountState.PROVED:
                account = replace(account, state=AccountState.REMOVED)
                await sources.set_state(conn, [id_], SourceState.REMOVED)
                await cards.take_out_source(conn, member_id, behind, id_)
                await self._announce(conn, "source.removed", account, self._clock.now())
            await repository.save(conn, account)
        return account

    async def sweep(self) -> None:
        """End accounts that were not proved in time: the chore."""
        async with self._database.transaction() as conn:
            await repository.end_expired(conn, self._clock.now())

    async def _own(self, conn: Connection, member_id: MemberId, id_: SourceId) -> Account:
        account = (await repository.lock(conn, [id_])).get(id_)
        if account is None or account.member_id != member_id:
            raise PointsAccountNotFound
        return account

    async def _announce(self, conn: Connection, news: str, account: Account, now: datetime) -> None:
        data = {"member": to_text("mem", account.member_id), "issuer": to_text("pis", account.issuer_id)}
        await events.append(conn, [Event(EventId(self._new_id()), news, account.id, data, now)])

    def _account_hash(self, issuer_id: PointsIssuerId, account: Secret) -> bytes:
        return self._vault.token_hash(Secret(f"points_account:{issuer_id}:{account.reveal()}"))

    def _handle_hash(self, account: Account, proof: LinkProof) -> bytes:
        return self._vault.token_hash(Secret(f"points_handle:{account.issuer_id}:{proof.handle.reveal()}"))

    def _fingerprint(self, wanted: Wanted) -> bytes:
        """What tells whether two requests with one key ask for the same; keyed, as the number is in it."""
        said = (wanted.member_id, wanted.issuer_id, wanted.account.reveal(), wanted.card_id)
        return self._vault.token_hash(Secret(msgspec.json.encode(said).decode()))


def points_accounts_rekey(vault: Vault) -> Resealing[SourceId]:
    """Handles of points accounts follow when keys change."""
    return Resealing("points accounts", vault, repository, rules.account_context)
