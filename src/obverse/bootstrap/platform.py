"""One process of the platform: rooms, jobs and doors, started in the order of need.

They are stopped in the opposite order; whatever fails while starting, what was started before it is stopped
again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

import structlog

from obverse.authorization.saving import REVERSE_LEG
from obverse.bootstrap.database import open_database, open_vault
from obverse.bootstrap.money import money_chores
from obverse.bootstrap.rooms import Rooms, join_rooms
from obverse.doors.acquirer import AcquirerDoor, Limits
from obverse.doors.rest import Services, create_app
from obverse.doors.rest.server import RestDoor
from obverse.kit import audit, events, telemetry
from obverse.kit.audit import AuditEntry
from obverse.kit.clock import Clock, ClockFollower
from obverse.kit.database import Database
from obverse.kit.database.embedded import EmbeddedPostgres
from obverse.kit.errors import Unavailable
from obverse.kit.events import Event
from obverse.kit.jobs import Chore, Worker
from obverse.kit.money import CurrencyCode
from obverse.kit.paging import Page, PageRequest
from obverse.kit.settings import Settings
from obverse.ledger.jobs import roll_up
from obverse.members import sweep
from obverse.networks.card_company import CardCompanyClient
from obverse.vault import Vault

_STATEMENT_MS_MAX: Final = 5_000
"""With the wait for a connection still less than callers wait for an answer."""
_RECOVER_EVERY: Final = timedelta(seconds=2)
_EXPIRE_EVERY: Final = timedelta(seconds=5)
_ROLL_UP_EVERY: Final = timedelta(milliseconds=500)
_SWEEP_EVERY: Final = timedelta(minutes=1)
_REVIVE_EVERY: Final = timedelta(seconds=1)

_log = structlog.get_logger(__name__)


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
        await rooms.ledger.open_house(rooms.partitions, CurrencyCode(settings.currency))
        await rooms.card_company.start()
        stack.push_async_callback(rooms.card_company.stop)
        await rooms.money.draws.start(rooms.partitions, CurrencyCode(settings.currency))
        await rooms.engine.start()
        stack.push_async_callback(rooms.engine.stop)
        stack.push_async_callback(rooms.money.claims.service.stop)
        stack.push_async_callback(rooms.money.treasury.bank.close)
        stack.push_async_callback(rooms.money.presentments.card_company.close)
        webhooks = rooms.money.webhooks
        stack.push_async_callback(webhooks.client.close)
        await webhooks.courier.start()
        stack.push_async_callback(webhooks.courier.stop)
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
        self.acquirer = AcquirerDoor(
            rooms.engine, rooms.money.claims.service, rooms.merchants, now=self.clock.now, limits=limits
        )
        await self.acquirer.start(settings.acquirer_host, settings.acquirer_port, reuse_port=self._reuse_port)
        stack.push_async_callback(self.acquirer.stop)
        telemetry.DOOR_CONNECTIONS.labels("rest").set_function(lambda: self.rest.connection_count)
        telemetry.DOOR_CONNECTIONS.labels("acquirer").set_function(lambda: self.acquirer.connection_count)

    def _services(self, follower: ClockFollower) -> Services:
        rooms, database = self.rooms, self.database

        async def read_events(page: PageRequest) -> Page[Event]:
            async with database.connection() as conn:
                return await events.read_page(conn, page)

        async def read_audit(page: PageRequest, subject: str | None) -> Page[AuditEntry]:
            async with database.connection() as conn:
                return await audit.read_page(conn, page, subject)

        return Services(
            engine=rooms.engine,
            claims=rooms.money.claims.service,
            claim_files=rooms.money.claims.files,
            cards=rooms.cards,
            wallet=rooms.wallet,
            members=rooms.members,
            merchants=rooms.merchants,
            disputes=rooms.money.disputes,
            draws=rooms.money.draws,
            billing=rooms.money.billing.service,
            issuing=rooms.money.billing.issuing,
            applications=rooms.applications,
            presentments=rooms.money.presentments.service,
            reconciliation=rooms.money.reconciliation,
            settlements=rooms.money.settlement.service,
            reports=rooms.money.settlement.reports,
            treasury=rooms.money.treasury.service,
            bank_desk=rooms.money.treasury.desk,
            access=rooms.access,
            ledger=rooms.ledger,
            events=read_events,
            audit=read_audit,
            webhooks=rooms.money.webhooks.service,
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
        *money_chores(rooms.money),
        Chore("recover payments", _RECOVER_EVERY, rooms.engine.recover),
        Chore("expire payments", _EXPIRE_EVERY, rooms.engine.expire),
        Chore("roll up accounts", _ROLL_UP_EVERY, lambda: roll_up(database, rooms.partitions)),
        Chore("sweep sessions", _SWEEP_EVERY, lambda: sweep(database, clock)),
    ]
    if embedded is not None:
        revive = embedded.revive
        chores.append(Chore("revive database", _REVIVE_EVERY, lambda: asyncio.to_thread(revive)))
    return chores
