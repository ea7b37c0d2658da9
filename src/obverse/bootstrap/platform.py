"""One process of the platform: rooms, jobs and doors, started in the order of need.

They are stopped in the opposite order; whatever fails while starting, what was started before it is stopped
again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final, Self

import structlog

from obverse.authorization.saving import REVERSE_LEG
from obverse.bootstrap.codes import code_chore
from obverse.bootstrap.database import open_database, open_vault
from obverse.bootstrap.holders import Holders
from obverse.bootstrap.letters import letter_chores
from obverse.bootstrap.money import money_chores
from obverse.bootstrap.points import points_chores, relay_of
from obverse.bootstrap.points_desk import PointsDesk
from obverse.bootstrap.rooms import Rooms, join_rooms
from obverse.bootstrap.stored_value import stored_value_chores
from obverse.bootstrap.telling import telling_chores
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
from obverse.networks.iso8583.pin_blocks import PinKeys
from obverse.vault import Vault

_STATEMENT_MS_MAX: Final = 5_000
"""With the wait for a connection still less than callers wait for an answer."""
_RECOVER_EVERY: Final = timedelta(seconds=2)
_EXPIRE_EVERY: Final = timedelta(seconds=5)
_ROLL_UP_EVERY: Final = timedelta(milliseconds=500)
_SWEEP_EVERY: Final = timedelta(minutes=1)
_WRITE_RECOVERY_LETTERS_EVERY: Final = timedelta(seconds=1)
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

    @property
    def diameter_port(self) -> int | None:
        """Where calling servers connect by Diameter; None where that door stays shut."""
        door = self.rooms.stored_value.metering.door
        return door.port if door is not None else None

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
        selling = rooms.stored_value.selling
        await selling.sales.start(rooms.partitions, CurrencyCode(settings.currency))
        if selling.collector is not None:
            stack.push_async_callback(selling.collector.close)
        stack.push_async_callback(rooms.points_client.close)
        await rooms.engine.start()
        stack.push_async_callback(rooms.engine.stop)
        await rooms.points.courier.start()
        stack.push_async_callback(rooms.points.courier.stop)
        stack.push_async_callback(rooms.money.claims.service.stop)
        stack.push_async_callback(rooms.money.treasury.bank.close)
        stack.push_async_callback(rooms.money.presentments.card_company.close)
        webhooks = rooms.money.webhooks
        stack.push_async_callback(webhooks.client.close)
        await webhooks.courier.start()
        stack.push_async_callback(webhooks.courier.stop)
        await rooms.letters.start(stack)
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
        # A payment that waits for others is never answered before they have had their time: points issuers
        # are asked for balances and then for units, and card companies after them.
        patience_s = (settings.off_us_timeout_ms + 2 * settings.points_timeout_ms) / 1000 + 3
        limits = Limits(request_timeout_s=max(Limits().request_timeout_s, patience_s))
        self.acquirer = AcquirerDoor(
            rooms.engine,
            rooms.money.claims.service,
            rooms.merchants,
            now=self.clock.now,
            limits=limits,
            pin_keys=PinKeys.checked(settings.pin_key, settings.pin_key_aes, settings.bin),
            points=PointsDesk(rooms.cards, rooms.points.quotes, rooms.points.directory),
        )
        await self.acquirer.start(settings.acquirer_host, settings.acquirer_port, reuse_port=self._reuse_port)
        stack.push_async_callback(self.acquirer.stop)
        diameter = rooms.stored_value.metering.door
        if diameter is not None and settings.diameter_port is not None:
            await diameter.start(settings.diameter_host, settings.diameter_port, reuse_port=self._reuse_port)
            stack.push_async_callback(diameter.stop)
            telemetry.DOOR_CONNECTIONS.labels("diameter").set_function(lambda: diameter.connection_count)
        telemetry.DOOR_CONNECTIONS.labels("rest").set_function(lambda: self.rest.connection_count)
        telemetry.DOOR_CONNECTIONS.labels("acquirer").set_function(lambda: self.acquirer.connection_count)

    def _holders(self) -> Holders:
        rooms = self.rooms
        return Holders(
            self.database, self.vault, rooms.members, bin_=self.settings.bin, partitions=rooms.partitions
        )

    def _services(self, follower: ClockFollower) -> Services:
        rooms, database, holders = self.rooms, self.database, self._holders()

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
            programmes=rooms.stored_value.cards.programmes,
            pins=rooms.stored_value.cards.pins,
            stand_ins=rooms.stored_value.cards.stand_ins,
            fulfilments=rooms.stored_value.cards.fulfilments,
            card_batches=rooms.stored_value.cards.batches,
            registered_cards=rooms.stored_value.cards.registered,
            card_funding=rooms.stored_value.cards.funding,
            sales=rooms.stored_value.selling.sales,
            orders=rooms.stored_value.orders.service,
            bank_accounts=rooms.stored_value.selling.bank_accounts,
            charging=rooms.stored_value.selling.charging,
            automatic_charges=rooms.stored_value.selling.automatic,
            refunding=rooms.stored_value.selling.refunding,
            cards_in_hand=rooms.stored_value.selling.in_hand,
            billing=rooms.money.billing.service,
            issuing=rooms.money.billing.issuing,
            invoicing=rooms.money.invoicing,
            applications=rooms.applications,
            presentments=rooms.money.presentments.service,
            reconciliation=rooms.money.reconciliation,
            settlements=rooms.money.settlement.service,
            reports=rooms.money.settlement.reports,
            treasury=rooms.money.treasury.service,
            bank_desk=rooms.money.treasury.desk,
            metering=rooms.stored_value.metering.sessions,
            tariffs=rooms.stored_value.metering.tariffs,
            access=rooms.access,
            ledger=rooms.ledger,
            events=partial(_read_events, database),
            audit=partial(_read_audit, database),
            webhooks=rooms.money.webhooks.service,
            history=rooms.telling.history,
            consents=rooms.telling.consents,
            aggregates=rooms.telling.aggregates,
            daily_statements=rooms.telling.statements,
            letters=rooms.letters.service,
            checkouts=rooms.stored_value.checkouts,
            devices=rooms.codes.devices,
            code_batches=rooms.codes.batches,
            points=rooms.stored_value.points,
            relay=relay_of(rooms.points),
            match_holder=holders.match,
            holder_of_code=holders.of_code,
            clock_control=follower,
            health=_Health(database, rooms.card_company),
            live=self.settings.live,
        )


async def _read_events(database: Database, page: PageRequest) -> Page[Event]:
    async with database.connection() as conn:
        return await events.read_page(conn, page)


async def _read_audit(database: Database, page: PageRequest, subject: str | None) -> Page[AuditEntry]:
    async with database.connection() as conn:
        return await audit.read_page(conn, page, subject)


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
        *stored_value_chores(rooms.stored_value),
        *letter_chores(rooms.letters),
        *telling_chores(rooms.telling),
        *points_chores(rooms.points),
        code_chore(database, clock),
        Chore("recover payments", _RECOVER_EVERY, rooms.engine.recover),
        Chore("expire payments", _EXPIRE_EVERY, rooms.engine.expire),
        Chore("roll up accounts", _ROLL_UP_EVERY, lambda: roll_up(database, rooms.partitions)),
        Chore(
            "write recovery letters",
            _WRITE_RECOVERY_LETTERS_EVERY,
            rooms.members.recovery.write_letters,
        ),
        Chore("sweep sessions", _SWEEP_EVERY, lambda: sweep(database, clock)),
    ]
    if embedded is not None:
        revive = embedded.revive
        chores.append(Chore("revive database", _REVIVE_EVERY, lambda: asyncio.to_thread(revive)))
    return chores
