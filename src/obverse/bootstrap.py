"""The one place where parts are joined: settings in, a running platform out.

Everything is started in the order of need and stopped in the opposite one; whatever fails while starting,
what was started before it is stopped again.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

import structlog

from obverse.access import Access
from obverse.authorization import Authorization, AuthorizationRequest, Engine, EngineSettings, Makers
from obverse.authorization.jobs import Reversals
from obverse.authorization.saving import REVERSE_LEG
from obverse.cards import Cards, CardsRekey
from obverse.doors.acquirer import AcquirerDoor, Limits
from obverse.doors.rest import Services, create_app
from obverse.doors.rest.declines import FOR_MERCHANTS
from obverse.doors.rest.server import RestDoor
from obverse.kit import events, telemetry
from obverse.kit.clock import Clock, ClockFollower
from obverse.kit.database import Connection, Database
from obverse.kit.database.checks import check_constants, check_server
from obverse.kit.database.embedded import EmbeddedPostgres
from obverse.kit.database.migrating import migrate
from obverse.kit.errors import CannotStart, Unavailable
from obverse.kit.events import Event
from obverse.kit.ids import (
    AccountId,
    DrawnInAdvance,
    MerchantId,
    NewId,
    PartitionId,
    VaultCardId,
    uuid7_source,
)
from obverse.kit.jobs import Chore, Worker
from obverse.kit.money import CurrencyCode
from obverse.kit.paging import Page, PageRequest
from obverse.kit.settings import Settings
from obverse.ledger import Account, AccountKind, Ledger
from obverse.ledger import repository as ledger_repository
from obverse.ledger.jobs import roll_up
from obverse.members import AddressesRekey, Members, Passwords, sweep
from obverse.merchants import Merchants
from obverse.networks.card_company import CardCompanyClient, ClientSettings
from obverse.networks.credit_bureau import CreditBureauClient
from obverse.vault import KeyRing, OpenedCard, Rekey, Vault
from obverse.vault.jobs import VaultCardsRekey
from obverse.wallet import Terms, Wallet

_STATEMENT_MS_MAX: Final = 5_000
"""With the wait for a connection still less than callers wait for an answer."""
_RECOVER_EVERY: Final = timedelta(seconds=2)
_ROLL_UP_EVERY: Final = timedelta(milliseconds=500)
_SWEEP_EVERY: Final = timedelta(minutes=1)
_REVIVE_EVERY: Final = timedelta(seconds=1)

_log = structlog.get_logger(__name__)


# the database, and the keys --------------------------------------------------------------------------


@asynccontextmanager
async def open_database(
    settings: Settings, *, statement_timeout_ms: int | None = None
) -> AsyncIterator[tuple[Database, EmbeddedPostgres | None]]:
    """The migrated, checked database of these settings; without an address, an embedded one.

    Raises `CannotStart` with one line, `Unavailable` when a server of one's own does not answer.
    """
    embedded = None if settings.database_url is not None else EmbeddedPostgres(settings.data_dir)
    try:
        url = await asyncio.to_thread(embedded.start) if embedded is not None else settings.database_url
        assert url is not None
        await migrate(url)
        database = Database(
            url,
            connections=settings.database_connections,
            acquire_timeout_ms=settings.database_timeout_ms,
            statement_timeout_ms=statement_timeout_ms,
        )
        async with database:
            await check_server(database)
            await check_constants(database, settings)
            yield database, embedded
    finally:
        if embedded is not None:
            await asyncio.to_thread(embedded.stop)


async def open_vault(settings: Settings, database: Database) -> Vault:
    """The vault over the key file, which is made on the very first start.

    Raises `CannotStart` if the file is missing while there is data: new keys could not read what is stored.
    """
    path = settings.key_ring_file
    if not path.exists():
        async with database.connection() as conn:
            if await conn.fetchval("select exists (table members) or exists (table api_keys)"):
                raise CannotStart(
                    f"Key file {path} is missing, but the database holds data that needs it. "
                    "Restore it, or set OBVERSE_KEY_FILE."
                )
        return Vault(KeyRing.create(path, os.urandom), os.urandom)
    return Vault(KeyRing.load(path), os.urandom)


def rekeys(vault: Vault) -> Sequence[Rekey]:
    """Every kind of row that follows when keys change."""
    return VaultCardsRekey(vault), CardsRekey(vault), AddressesRekey(vault)


# the rooms -------------------------------------------------------------------------------------------


class MeasuredEngine(Engine):
    """The engine, counting how payments come out and how long they take."""

    async def authorize(self, request: AuthorizationRequest) -> Authorization:
        began = time.perf_counter()
        try:
            authorization = await super().authorize(request)
        except Unavailable:
            telemetry.AUTHORIZATIONS.labels("unavailable", "").inc()
            raise
        decline = authorization.decline
        # Everybody may read the metrics, so they tell no more of a guess than the merchant is told (P17).
        reason = FOR_MERCHANTS[decline].code if decline is not None else ""
        telemetry.AUTHORIZATIONS.labels(authorization.status, reason).inc()
        telemetry.DECISION_SECONDS.observe(time.perf_counter() - began)
        return authorization


@dataclass(frozen=True, slots=True)
class Rooms:
    """All rooms over one database, joined; nothing of it runs yet."""

    engine: Engine
    reversals: Reversals
    cards: Cards
    wallet: Wallet
    members: Members
    merchants: Merchants
    access: Access
    ledger: Ledger
    card_company: CardCompanyClient
    bureau: CreditBureauClient
    partitions: Sequence[PartitionId]


def join_rooms(settings: Settings, database: Database, vault: Vault, clock: Clock) -> Rooms:
    """Make every room and hand each what it needs of the others."""
    new_id, random_bytes = uuid7_source(clock.now_ms, DrawnInAdvance(os.urandom)), os.urandom
    partitions = [PartitionId(number) for number in range(settings.partitions)]
    currency = CurrencyCode(settings.currency)
    card_company = _card_company(settings, database, vault, clock, currency)
    bureau = CreditBureauClient(settings.credit_bureau_url)
    merchants = Merchants(database, _OpenPayable(partitions, currency), clock=clock, new_id=new_id)
    members = Members(
        database,
        vault,
        Passwords(),
        clock=clock,
        random_bytes=random_bytes,
        new_id=new_id,
        partitions=settings.partitions,
    )
    cards = Cards(
        database,
        vault,
        merchants,
        clock=clock,
        random_bytes=random_bytes,
        new_id=new_id,
        bin_=settings.bin,
        partitions=settings.partitions,
        lifetime=timedelta(hours=settings.card_validity_hours),
    )
    wallet = Wallet(
        database,
        members,
        cards,
        vault,
        bureau,
        card_company,
        clock=clock,
        new_id=new_id,
        own_bin=settings.bin,
        terms=Terms(currency, settings.credit_limit_minor),
    )
    engine = _engine(settings, database, vault, clock, card_company, new_id)
    return Rooms(
        engine=engine,
        reversals=Reversals(database, engine, card_company),
        cards=cards,
        wallet=wallet,
        members=members,
        merchants=merchants,
        access=Access(database, vault, clock, new_id, random_bytes),
        ledger=Ledger(database),
        card_company=card_company,
        bureau=bureau,
        partitions=partitions,
    )


def _card_company(
    settings: Settings, database: Database, vault: Vault, clock: Clock, currency: CurrencyCode
) -> CardCompanyClient:
    async def open_cards(ids: Sequence[VaultCardId]) -> Mapping[VaultCardId, OpenedCard]:
        async with database.connection() as conn:
            return await vault.open_cards(conn, ids)

    client = ClientSettings(
        host=settings.card_company_host,
        port=settings.card_company_port,
        check_currency=currency,
        timeout_s=settings.off_us_timeout_ms / 1000,
    )
    return CardCompanyClient(client, open_cards, now=clock.now, random_bytes=os.urandom)


def _engine(
    settings: Settings,
    database: Database,
    vault: Vault,
    clock: Clock,
    card_company: CardCompanyClient,
    new_id: NewId,
) -> Engine:
    # The card companies' time, and some for the commits around it, before another process may step in.
    deadline = timedelta(milliseconds=settings.off_us_timeout_ms + 2_000)
    makers = Makers(new_id, DrawnInAdvance(os.urandom), card_company.new_reference, deadline)
    return MeasuredEngine(
        database,
        vault,
        card_company,
        clock,
        makers,
        EngineSettings(bin=settings.bin, partitions=settings.partitions),
        observe_batch=telemetry.BATCH_SIZE.observe,
    )


class _OpenPayable:
    """Opens what the platform owes a merchant: one account per partition, as no payment leaves its own."""

    def __init__(self, partitions: Sequence[PartitionId], currency: CurrencyCode) -> None:
        self._partitions = partitions
        self._currency = currency

    async def __call__(
        self, conn: Connection, merchant_id: MerchantId, account_id: AccountId, now: datetime
    ) -> None:
        accounts = [
            Account(
                partition_id=partition_id,
                id=account_id,
                kind=AccountKind.MERCHANT_PAYABLE,
                owner_id=merchant_id,
                currency=self._currency,
                floor_minor=None,
                rolled_up=True,
            )
            for partition_id in self._partitions
        ]
        await ledger_repository.open_accounts(conn, accounts)


# the platform ----------------------------------------------------------------------------------------


class Platform:
    """One process of the platform, with both doors open while it is entered."""

    def __init__(self, settings: Settings, *, reuse_port: bool = False) -> None:
        """`reuse_port` lets several processes over one database share the doors' ports."""
        self.settings = settings
        self.clock = Clock()
        self._reuse_port = reuse_port
        self._stack = AsyncExitStack()
        self.database: Database
        self.vault: Vault
        self.rooms: Rooms
        self.rest: RestDoor
        self.acquirer: AcquirerDoor

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def rest_url(self) -> str:
        host = self.settings.rest_host
        return f"http://[{host}]:{self.rest.port}" if ":" in host else f"http://{host}:{self.rest.port}"

    async def _start(self, stack: AsyncExitStack) -> None:
        settings, clock = self.settings, self.clock
        self.database, embedded = await stack.enter_async_context(
            open_database(settings, statement_timeout_ms=_STATEMENT_MS_MAX)
        )
        self.vault = await open_vault(settings, self.database)
        follower = ClockFollower(self.database, clock)
        await follower.start()
        stack.push_async_callback(follower.stop)

        rooms = self.rooms = join_rooms(settings, self.database, self.vault, clock)
        stack.push_async_callback(rooms.bureau.close)
        await rooms.card_company.start()
        stack.push_async_callback(rooms.card_company.stop)
        await rooms.engine.start()
        stack.push_async_callback(rooms.engine.stop)
        worker = Worker(
            self.database,
            {REVERSE_LEG: rooms.reversals.reverse_leg},
            _chores(rooms, self.database, clock, embedded),
        )
        await worker.start()
        stack.push_async_callback(worker.stop)

        await self._open_doors(stack, follower)
        _log.info("started", rest=self.rest_url, acquirer_port=self.acquirer.port)

    async def _open_doors(self, stack: AsyncExitStack, follower: ClockFollower) -> None:
        settings, rooms = self.settings, self.rooms
        self.rest = RestDoor(create_app(self._services(follower)))
        await self.rest.start(settings.rest_host, settings.rest_port, reuse_port=self._reuse_port)
        stack.push_async_callback(self.rest.stop)
        # A payment that waits for card companies is never answered before they have had their time.
        patience_s = settings.off_us_timeout_ms / 1000 + 3
        limits = Limits(request_timeout_s=max(Limits().request_timeout_s, patience_s))
        self.acquirer = AcquirerDoor(rooms.engine, rooms.merchants, now=self.clock.now, limits=limits)
        await self.acquirer.start(settings.acquirer_host, settings.acquirer_port, reuse_port=self._reuse_port)
        stack.push_async_callback(self.acquirer.stop)
        telemetry.DOOR_CONNECTIONS.labels("rest").set_function(lambda: self.rest.connection_count)
        telemetry.DOOR_CONNECTIONS.labels("acquirer").set_function(lambda: self.acquirer.connection_count)

    def _services(self, follower: ClockFollower) -> Services:
        rooms, database = self.rooms, self.database

        async def read_events(page: PageRequest) -> Page[Event]:
            async with database.connection() as conn:
                return await events.read_page(conn, page)

        return Services(
            engine=rooms.engine,
            cards=rooms.cards,
            wallet=rooms.wallet,
            members=rooms.members,
            merchants=rooms.merchants,
            access=rooms.access,
            ledger=rooms.ledger,
            events=read_events,
            clock_control=follower,
            health=_Health(database, rooms.card_company),
            live=self.settings.live,
        )


@dataclass(frozen=True, slots=True)
class _Health:
    database: Database
    card_company: CardCompanyClient

    async def check(self) -> Mapping[str, bool]:
        try:
            async with self.database.connection() as conn:
                await conn.fetchval("select 1")
        except Unavailable:
            return {"database": False, "card_company": self.card_company.health.connected}
        return {"database": True, "card_company": self.card_company.health.connected}


def _chores(
    rooms: Rooms, database: Database, clock: Clock, embedded: EmbeddedPostgres | None
) -> Sequence[Chore]:
    chores = [
        Chore("recover payments", _RECOVER_EVERY, rooms.engine.recover),
        Chore("roll up accounts", _ROLL_UP_EVERY, lambda: roll_up(database, rooms.partitions)),
        Chore("sweep sessions", _SWEEP_EVERY, lambda: sweep(database, clock)),
    ]
    if embedded is not None:
        revive = embedded.revive
        chores.append(Chore("revive database", _REVIVE_EVERY, lambda: asyncio.to_thread(revive)))
    return chores
