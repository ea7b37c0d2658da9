"""What merchants' services cost, and how their calling servers are known."""

import re
from typing import Final

from obverse.cards.model import Service
from obverse.cards.rules import service_of
from obverse.kit import audit, events
from obverse.kit.audit import AuditEntry
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import InvalidRequest
from obverse.kit.events import Event
from obverse.kit.ids import AuditId, EventId, MerchantId, NewId, TariffId, to_text
from obverse.kit.paging import Page, PageRequest
from obverse.merchants import Merchant
from obverse.merchants.model import Decision
from obverse.metering import repository, rules
from obverse.metering.errors import TariffExists, TariffNotFound
from obverse.metering.model import CallingServer, Prices, Tariff

_HOST: Final = re.compile(
    r"(?=.{1,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
)


class Tariffs:
    """Tariffs belong to merchants whose service is used by the second; operators set them."""

    def __init__(self, database: Database, *, clock: Clock, new_id: NewId) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id

    async def add(self, merchant: Merchant, prices: Prices, decision: Decision) -> Tariff:
        """Store a tariff that holds from its moment on, until one of the same name follows.

        Adding the same again changes nothing. Raises `InvalidRequest`, also for a moment that has passed and
        for merchants of goods, and `TariffExists`.
        """
        now = self._clock.now()
        tariff = Tariff(
            id=TariffId(self._new_id()),
            merchant_id=merchant.id,
            effective_from=prices.effective_from or now,
            created_at=now,
            **{field: getattr(prices, field) for field in rules.PRICE_FIELDS},
        )
        rules.check_tariff(tariff)
        if service_of(merchant.category) is Service.GOODS:
            raise InvalidRequest(
                "This merchant's category is not a service that is used by time.", "merchant"
            )
        async with self._database.transaction() as conn:
            earlier = await repository.find_tariff(conn, merchant.id, tariff.name, tariff.effective_from)
            if earlier is None and tariff.effective_from < now:
                raise InvalidRequest("A tariff begins now or later.", "effective_from")
            if earlier is None and await repository.insert_tariff(conn, tariff):
                await self._tell(conn, "tariff.added", tariff.id, tariff.merchant_id, decision)
                return tariff
            earlier = earlier or await repository.find_tariff(
                conn, merchant.id, tariff.name, tariff.effective_from
            )
        if earlier is None or not rules.same_terms(earlier, tariff):
            raise TariffExists
        return earlier

    async def list(self, merchant_id: MerchantId, page: PageRequest) -> Page[Tariff]:
        """A merchant's tariffs, newest first, past and future ones included."""
        async with self._database.connection() as conn:
            return await repository.tariff_page(conn, page, merchant_id)

    async def in_effect(self, merchant_id: MerchantId, name: str) -> Tariff:
        """The tariff of this name that holds now. Raises `TariffNotFound`."""
        async with self._database.connection() as conn:
            tariff = await repository.tariff_in_effect(conn, merchant_id, name, self._clock.now())
        if tariff is None:
            raise TariffNotFound
        return tariff

    async def set_server(self, merchant: Merchant, origin_host: str, decision: Decision) -> CallingServer:
        """Say by what name a merchant's calling server speaks Diameter (RFC 6733 Origin-Host).

        Raises `InvalidRequest`, `CallingServerTaken`.
        """
        server = CallingServer(merchant.id, origin_host.lower())
        if not _HOST.fullmatch(server.origin_host):
            raise InvalidRequest(
                "origin_host is a fully qualified name, as calls.example.com.", "origin_host"
            )
        async with self._database.transaction() as conn:
            if await repository.server_of_merchant(conn, merchant.id) != server:
                await repository.set_server(conn, server, self._clock.now())
                await self._tell(conn, "calling_server.set", merchant.id, merchant.id, decision)
        return server

    async def merchant_of_host(self, origin_host: str) -> MerchantId | None:
        """Whose calling server this is; None where nobody's."""
        async with self._database.connection() as conn:
            server = await repository.server_of_host(conn, origin_host.lower())
        return server.merchant_id if server is not None else None

    async def _tell(
        self,
        conn: Connection,
        type_: str,
        subject_id: TariffId | MerchantId,
        merchant_id: MerchantId,
        decision: Decision,
    ) -> None:
        now, merchant = self._clock.now(), to_text("mer", merchant_id)
        await events.append(
            conn, [Event(EventId(self._new_id()), type_, subject_id, {"merchant": merchant}, now)]
        )
        reason = audit.check_reason(decision.reason)
        entry = AuditEntry(AuditId(self._new_id()), decision.actor, type_, merchant, reason, now)
        await audit.record(conn, [entry])
