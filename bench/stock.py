"""What the loads use up: members, merchants, and a fresh one-time card for every payment.

Members are stored in sets (registering thousands through the door would take longer than the benchmark);
cards are issued by the cards room itself, with real numbers, and revealed here, where the key file is.
"""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Final

from bench.any_mix import Introduced, introduce
from bench.card_company import real_cards
from bench.messages import AMOUNT_MINOR, Payment
from obverse.access import Scope
from obverse.bootstrap import Rooms, join_rooms, open_database, open_vault
from obverse.cards import (
    CardKind,
    Controls,
    Order,
    StoredValueCards,
    StoredValueOrder,
    Viewer,
    controls_of,
)
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.ids import AccountId, CardId, MemberId, PartitionId, SourceId, VaultCardId, uuid7_source
from obverse.kit.money import KRW, Money
from obverse.kit.secret import Secret
from obverse.kit.settings import Settings
from obverse.ledger import AccountKind
from obverse.ledger import repository as ledger
from obverse.ledger.rules import house_account
from obverse.members import Member, Standing
from obverse.merchants import Merchant
from obverse.merchants.model import Terms
from obverse.programmes.model import Terms as ProgrammeTerms
from obverse.vault import Vault
from obverse.wallet import Funding, LotKind, Source, SourceKind, SourceState
from obverse.wallet import repository as wallet
from obverse.wallet.rules import credit_account

MEMBERS: Final = 200_000
MERCHANTS: Final = 50
_ACQUIRER: Final = "410001"
_CREDIT: Final = Money(10**11, KRW)
_P0: Final = PartitionId(0)
_TAKES: Final = frozenset({"one_time", "prepaid"})
_PREPAID: Final = ProgrammeTerms(
    "Coin", ceiling_minor=_CREDIT.amount_minor, validity_months=12, charge_unit_minor=1
)
_PREPAID_CARDS: Final = 50_000
_ORDER: Final = 2_000
"""Cards issued at once."""
_PATIENCE_S: Final = 60
_REUSED: Final = frozenset({SourceKind.STORED_BALANCE, SourceKind.ISSUER_POINTS})
"""Kinds whose cards pay more than once."""

# An order is one member's; issuing hundreds of thousands one by one would take longer than the benchmark.
_SPREAD: Final = """
update cards set member_id = owner.member_id, funding = array[owner.source_id]
from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as owner (card_id, member_id, source_id)
where cards.partition_id = 0 and cards.id = owner.card_id
"""

_APPROVAL_CODES: Final = """
select c.number_hash, a.approval_code from cards as c join authorizations as a on a.card_id = c.id
where c.number_hash = any($1::bytea[])
"""

# No one-time card of a benchmark is spent by two payments, and no member signs in.
_INSERT_MEMBERS: Final = """
insert into members (id, partition_id, identity_hash, password_hash, address_sealed, address_key, standing,
    created_at)
select id, 0, uuid_send(id), '', '', 1, 'good', $2 from unnest($1::uuid[]) as id
"""


@dataclass(slots=True)
class _Pool:
    """Members who pay by one kind of source, and their cards not yet used."""

    members: Sequence[Member]
    sources: Sequence[Source]
    unused: list[Payment]


class Stock:
    """Made by `opened`."""

    def __init__(self, rooms: Rooms, database: Database, vault: Vault, clock: Clock, bin_: str) -> None:
        self.rooms = rooms
        self.database = database
        self.merchants: Sequence[Merchant] = ()
        self.points: Introduced
        self.token = Secret("")
        """An API key that may ask for payments and cards of anybody."""
        self.vault = self._vault = vault
        self.bin = bin_
        self._clock = clock
        self.new_id = self._new_id = uuid7_source(clock.now_ms, os.urandom)
        self._stored_cards = StoredValueCards(vault, clock=clock, new_id=self._new_id, bin_=bin_)
        self._rng = Random(1)
        self._pools: dict[SourceKind, _Pool] = {}

    @classmethod
    @asynccontextmanager
    async def opened(cls, settings: Settings) -> AsyncIterator["Stock"]:
        """Join the rooms over the database that the platform will use, and fill in members and merchants."""
        clock = Clock()
        async with open_database(settings) as (database, _):
            vault = await open_vault(settings, database)
            rooms = join_rooms(settings, database, vault, clock)
            stock = cls(rooms, database, vault, clock, settings.bin)
            await stock._prepare()
            yield stock
            await rooms.bureau.close()

    async def _prepare(self) -> None:
        self.merchants = [
            await self.rooms.merchants.onboard(
                f"Shop {n}", "5732", _ACQUIRER, f"SHOP{n:011d}", [f"T{n:07d}"], terms=Terms(accepts=_TAKES)
            )
            for n in range(MERCHANTS)
        ]
        self.points = await introduce(self)
        _, self.token = await self.rooms.access.create("bench", {Scope.PAYMENTS, Scope.CARDS})
        async with self.database.transaction() as conn:
            self._pools[SourceKind.CREDIT_LINE] = await self._add_credit_members(conn)
        async with self.database.transaction() as conn:
            self._pools[SourceKind.LINKED_CARD] = await self._add_linked_members(conn)

    async def _add_credit_members(self, conn: Connection) -> _Pool:
        members = await self._add_members(conn, MEMBERS)
        sources = [
            self._source(m.id, SourceKind.CREDIT_LINE, AccountId(self._new_id()), None) for m in members
        ]
        await ledger.open_accounts(conn, [credit_account(source, _CREDIT) for source in sources])
        await wallet.insert_sources(conn, sources)
        return _Pool(members, sources, [])

    async def _add_linked_members(self, conn: Connection) -> _Pool:
        cards = real_cards(self._clock.now())
        members = await self._add_members(conn, len(cards))
        account = house_account(AccountKind.CARD_COMPANY_RECEIVABLE, _P0, KRW)
        await ledger.open_accounts(conn, [account])
        sources = []
        for member, card in zip(members, cards, strict=True):
            year, month = 2000 + int(card.expiry[:2]), int(card.expiry[2:])
            stored = await self._vault.store_card(conn, card.number, month, year, self._clock.now())
            sources.append(self._source(member.id, SourceKind.LINKED_CARD, account.id, stored.id))
        await wallet.insert_sources(conn, sources)
        return _Pool(members, sources, [])

    async def _add_members(self, conn: Connection, total: int) -> list[Member]:
        now = self._clock.now()
        members = [Member(MemberId(self._new_id()), _P0, Standing.GOOD, now) for _ in range(total)]
        await conn.execute(_INSERT_MEMBERS, [member.id for member in members], now)
        return members

    def _source(
        self, member_id: MemberId, kind: SourceKind, account_id: AccountId, card: VaultCardId | None
    ) -> Source:
        return Source(
            id=SourceId(self._new_id()),
            partition_id=_P0,
            member_id=member_id,
            kind=kind,
            currency=KRW,
            account_id=account_id,
            vault_card_id=card,
            state=SourceState.ACTIVE,
            created_at=self._clock.now(),
        )

    @property
    def members(self) -> Sequence[Member]:
        """Those with a credit line."""
        return self._pools[SourceKind.CREDIT_LINE].members

    @property
    def linked(self) -> Sequence[Source]:
        """Real cards, one a member."""
        return self._pools[SourceKind.LINKED_CARD].sources

    async def cards_of_their_own(self, total: int) -> list[tuple[CardId, MemberId]]:
        """Fresh cards of as many members."""
        pool, cards = self._pools[SourceKind.CREDIT_LINE], []
        for member, source in zip(pool.members[:total], pool.sources, strict=False):
            issued = await self.rooms.cards.issue(Order(_P0, member.id, KRW, Controls(), (source.id,)))
            cards.append((issued.card.id, member.id))
        return cards

    def order(self) -> Order:
        """An order of the first member, for issuing in bulk."""
        pool = self._pools[SourceKind.CREDIT_LINE]
        return Order(_P0, pool.members[0].id, KRW, Controls(), (pool.sources[0].id,))

    async def take(self, total: int, kind: SourceKind = SourceKind.CREDIT_LINE) -> list[Payment]:
        """`total` payments, each with a card of its own, spread over all members and merchants."""
        if kind is SourceKind.STORED_BALANCE and kind not in self._pools:
            self._pools[kind] = _Pool((), (), await self._make_prepaid())
        pool = self._pools[kind]
        while len(pool.unused) < total:
            pool.unused += self._again(pool.unused) if kind in _REUSED else await self._issue(pool, _ORDER)
        taken, pool.unused = pool.unused[:total], pool.unused[total:]
        return taken

    def put_in(self, kind: SourceKind, payments: Sequence[Payment]) -> None:
        """Payments of a kind that others have prepared, to be made again and again."""
        self._pools[kind] = _Pool((), (), list(payments))

    def has(self, kind: SourceKind) -> bool:
        return kind in self._pools

    def give_back(self, payments: Sequence[Payment], kind: SourceKind = SourceKind.CREDIT_LINE) -> None:
        """What was not sent is kept for the next load."""
        self._pools[kind].unused.extend(payments)

    async def approval_codes(self, payments: Sequence[Payment]) -> list[str]:
        """What the approvals of these payments said (DE 38)."""
        hashes = [self._vault.number_hashes(payment.number)[0].digest for payment in payments]
        async with self.database.connection() as conn:
            rows = await conn.fetch(_APPROVAL_CODES, hashes, timeout=_PATIENCE_S)
        found: dict[bytes, str] = {row[0]: row[1] for row in rows}
        return [found[hash_] for hash_ in hashes]

    async def _make_prepaid(self) -> list[Payment]:
        """Prepaid cards of nobody's, each with more than a benchmark spends, as payments."""
        rooms = self.rooms
        ends = self._clock.now() + timedelta(days=300)
        programmes = rooms.stored_value.cards.programmes
        programme = await programmes.create(_PREPAID, actor="system", reason="bench")
        order = StoredValueOrder(_P0, CardKind.PREPAID, programme.id, KRW, controls_of(programme), ends)
        pocket = house_account(AccountKind.GIVEN_VALUE, _P0, KRW)
        made = []
        for _ in range(_PREPAID_CARDS // _ORDER):
            async with self.database.transaction() as conn:
                await ledger.open_accounts(conn, [pocket])
                sources = await rooms.stored_value.balances.open(conn, _P0, KRW, _ORDER)
                cards = await self._stored_cards.make(conn, order, [source.id for source in sources])
                lots = await rooms.stored_value.balances.fund(
                    conn,
                    _P0,
                    [
                        Funding(source.id, LotKind.BOUGHT, _CREDIT, pocket.id, ends, card.id)
                        for source, card in zip(sources, cards, strict=True)
                    ],
                )
            made += list(zip(cards, lots, strict=True))
        payments = []
        for card, lot in made:
            face = rooms.cards.reveal(card, Viewer.RECIPIENT)
            merchant = self._rng.choice(self.merchants)
            payments.append(Payment(face.number, face.expiry, face.cvv, lot.account_id, merchant))
        return payments

    def _again(self, payments: Sequence[Payment]) -> list[Payment]:
        """The same cards at other shops: a prepaid card is used more than once."""
        return [
            replace(self._rng.choice(payments), merchant=self._rng.choice(self.merchants))
            for _ in range(_ORDER)
        ]

    async def _issue(self, pool: _Pool, count: int) -> list[Payment]:
        """Fresh cards, each of a member drawn at random, as payments at a shop drawn at random."""
        order = Order(
            _P0, pool.members[0].id, KRW, Controls(amount_limit_minor=AMOUNT_MINOR), (pool.sources[0].id,)
        )
        cards = (await self.rooms.cards.issue(order, count=count)).cards
        owners = self._rng.choices(range(len(pool.members)), k=count)
        async with self.database.transaction() as conn:
            await conn.execute(
                _SPREAD,
                [card.id for card in cards],
                [pool.members[owner].id for owner in owners],
                [pool.sources[owner].id for owner in owners],
            )
        payments = []
        for card, owner in zip(cards, owners, strict=True):
            face = self.rooms.cards.reveal(card)
            account = pool.sources[owner].account_id
            assert account is not None, "one account pays for each of these"
            merchant = self._rng.choice(self.merchants)
            payments.append(Payment(face.number, face.expiry, face.cvv, account, merchant))
        return payments
