"""Webhook endpoints as their owners see them: register, change, test, look at the log, send again."""

import base64
from collections.abc import Callable
from datetime import datetime
from typing import Final

from obverse.kit import events
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.events import Event
from obverse.kit.ids import (
    IDS_STRAY,
    DeliveryId,
    EndpointId,
    EventId,
    MerchantId,
    NewId,
    ReplayId,
    first_id_of,
    to_text,
)
from obverse.kit.paging import Page, PageRequest
from obverse.kit.secret import Secret
from obverse.notifications import rules
from obverse.notifications.errors import (
    DeliveryNotFound,
    EndpointDisabled,
    EndpointNotFound,
    ReplayRunning,
    TooManyEndpoints,
)
from obverse.notifications.model import (
    Delivery,
    DeliveryState,
    Endpoint,
    EndpointChange,
    EndpointState,
    Replay,
    ReplayState,
    SealedSecret,
)
from obverse.notifications.ports import SecretVault, Sender
from obverse.notifications.repository import deliveries, endpoints, fan_out

_SECRET_BYTES: Final = 32
"""Standard Webhooks asks for 24 to 64."""


class Webhooks:
    """The endpoints of the platform and of its merchants.

    Every method takes the `merchant_id` that the caller is held to: with it, only that merchant's endpoints
    exist; with None, all do. Raises `EndpointNotFound` for the others.
    """

    def __init__(
        self,
        database: Database,
        vault: SecretVault,
        sender: Sender,
        *,
        clock: Clock,
        new_id: NewId,
        random_bytes: Callable[[int], bytes],
        private: bool,
    ) -> None:
        """`private` allows plain http and addresses inside, for the sandbox."""
        self._database = database
        self._vault = vault
        self._sender = sender
        self._clock = clock
        self._new_id = new_id
        self._random_bytes = random_bytes
        self._private = private

    async def register(
        self,
        url: str,
        event_types: tuple[str, ...] | None = None,
        description: str = "",
        *,
        merchant_id: MerchantId | None,
    ) -> tuple[Endpoint, Secret]:
        """Begin to send events to `url`: everything that commits from now on, by type or all of it.

        Returns the signing secret, which can never be had again. Raises `InvalidRequest` for an address that
        is not allowed, `TooManyEndpoints`.
        """
        endpoint = Endpoint(
            id=EndpointId(self._new_id()),
            merchant_id=merchant_id,
            url=url,
            event_types=event_types,
            description=description,
            state=EndpointState.ENABLED,
            failing_since=None,
            created_at=self._clock.now(),
        )
        await self._check(endpoint)
        async with self._database.transaction() as conn:
            await endpoints.queue_up(conn, merchant_id)
            if await endpoints.count(conn, merchant_id) >= rules.ENDPOINTS_MAX:
                raise TooManyEndpoints(rules.ENDPOINTS_MAX)
            await endpoints.insert(conn, endpoint)
            secret, sealed = await self._new_secret(conn, endpoint.id)
            await endpoints.insert_secret(conn, sealed)
        return endpoint, secret

    async def get(self, id_: EndpointId, merchant_id: MerchantId | None) -> Endpoint:
        async with self._database.connection() as conn:
            endpoint = await endpoints.find(conn, id_, merchant_id)
        if endpoint is None:
            raise EndpointNotFound
        return endpoint

    async def list(
        self, page: PageRequest, merchant_id: MerchantId | None, state: EndpointState | None = None
    ) -> Page[Endpoint]:
        """Endpoints, newest first."""
        async with self._database.connection() as conn:
            return await endpoints.find_page(conn, page, merchant_id, state)

    async def change(
        self, id_: EndpointId, merchant_id: MerchantId | None, wanted: EndpointChange
    ) -> Endpoint:
        """Send to another address, or something else, from the next attempt on. Raises `InvalidRequest`."""
        # Checked first, because that may take seconds; what it is checked with stays as it is.
        await self._check(rules.change(await self.get(id_, merchant_id), wanted))
        async with self._database.transaction() as conn:
            changed = rules.change(await self._lock(conn, id_, merchant_id), wanted)
            await endpoints.update(conn, changed)
        return changed

    async def enable(self, id_: EndpointId, merchant_id: MerchantId | None) -> Endpoint:
        """Send again: what is still pending, and what commits from now on. A replay brings the rest."""
        async with self._database.transaction() as conn:
            endpoint = await self._lock(conn, id_, merchant_id)
            if endpoint.state is EndpointState.DISABLED:
                await endpoints.enable(conn, id_)
        return await self.get(id_, merchant_id)

    async def disable(self, id_: EndpointId, merchant_id: MerchantId | None) -> Endpoint:
        """Send nothing more, until it is enabled again."""
        async with self._database.transaction() as conn:
            await self._lock(conn, id_, merchant_id)
            await endpoints.disable(conn, id_)
        return await self.get(id_, merchant_id)

    async def delete(self, id_: EndpointId, merchant_id: MerchantId | None) -> None:
        """Send nothing more, for ever."""
        async with self._database.transaction() as conn:
            await self._lock(conn, id_, merchant_id)
            await endpoints.delete(conn, id_, self._clock.now())

    async def rotate_secret(self, id_: EndpointId, merchant_id: MerchantId | None) -> Secret:
        """A new secret, returned this once. For a day messages are signed with the one before as well."""
        async with self._database.transaction() as conn:
            await self._lock(conn, id_, merchant_id)
            secret, sealed = await self._new_secret(conn, id_)
            await endpoints.replace_secret(conn, sealed, self._clock.now() + rules.SECRET_OVERLAP)
        return secret

    # deliveries --------------------------------------------------------------------------------------------

    async def test(self, id_: EndpointId, merchant_id: MerchantId | None) -> Delivery:
        """Send an event that means nothing, to this endpoint only. Raises `EndpointDisabled`."""
        now = self._clock.now()
        event_id, delivery_id = EventId(self._new_id()), DeliveryId(self._new_id())
        async with self._database.transaction() as conn:
            endpoint = await self._lock_enabled(conn, id_, merchant_id)
            await events.append(
                conn, [Event(event_id, rules.TEST_TYPE, id_, endpoint_data(id_, endpoint.merchant_id), now)]
            )
            await deliveries.insert(conn, {(event_id, id_): delivery_id}, now)
        return Delivery(
            id=delivery_id,
            endpoint_id=id_,
            event_id=event_id,
            event_type=rules.TEST_TYPE,
            state=DeliveryState.PENDING,
            attempts=0,
            next_at=now,
            last_at=None,
            response_status=None,
            problem=None,
            duration_ms=None,
            created_at=now,
        )

    async def deliveries(
        self,
        id_: EndpointId,
        merchant_id: MerchantId | None,
        page: PageRequest,
        state: DeliveryState | None = None,
    ) -> Page[Delivery]:
        """The delivery log, newest first."""
        await self.get(id_, merchant_id)
        async with self._database.connection() as conn:
            return await deliveries.find_page(conn, id_, page, state)

    async def resend(
        self, id_: EndpointId, delivery_id: DeliveryId, merchant_id: MerchantId | None
    ) -> Delivery:
        """Try a delivery again at once and from the start, whatever became of it.

        Raises `DeliveryNotFound`, `EndpointDisabled`.
        """
        async with self._database.transaction() as conn:
            await self._lock_enabled(conn, id_, merchant_id)
            delivery = await deliveries.resend(conn, id_, delivery_id, self._clock.now())
        if delivery is None:
            raise DeliveryNotFound
        return delivery

    async def replay(self, id_: EndpointId, merchant_id: MerchantId | None, since: datetime) -> Replay:
        """Send everything since a moment again, in the background, what was missed while disabled included.

        Raises `InvalidRequest` for a moment to come or too long ago, `ReplayRunning`, `EndpointDisabled`.
        """
        async with self._database.transaction() as conn:
            await self._lock_enabled(conn, id_, merchant_id)
            now = self._clock.now()
            rules.check_replay(since, now)
            replay = Replay(
                id=ReplayId(self._new_id()),
                endpoint_id=id_,
                state=ReplayState.RUNNING,
                since=since,
                until=now,
                reached=EventId(first_id_of(since - IDS_STRAY)),
                deliveries=0,
                created_at=now,
            )
            if not await fan_out.insert_replay(conn, replay):
                raise ReplayRunning
        return replay

    async def replays(
        self, id_: EndpointId, merchant_id: MerchantId | None, page: PageRequest
    ) -> Page[Replay]:
        """An endpoint's replays and how far each has come, newest first."""
        await self.get(id_, merchant_id)
        async with self._database.connection() as conn:
            return await fan_out.find_replays(conn, id_, page)

    # -------------------------------------------------------------------------------------------------------

    async def _check(self, endpoint: Endpoint) -> None:
        rules.check_endpoint(endpoint, private=self._private)
        await self._sender.check(endpoint.url)

    async def _lock(self, conn: Connection, id_: EndpointId, merchant_id: MerchantId | None) -> Endpoint:
        endpoint = await endpoints.lock(conn, id_, merchant_id)
        if endpoint is None:
            raise EndpointNotFound
        return endpoint

    async def _lock_enabled(
        self, conn: Connection, id_: EndpointId, merchant_id: MerchantId | None
    ) -> Endpoint:
        endpoint = await self._lock(conn, id_, merchant_id)
        if endpoint.state is EndpointState.DISABLED:
            raise EndpointDisabled
        return endpoint

    async def _new_secret(self, conn: Connection, endpoint_id: EndpointId) -> tuple[Secret, SealedSecret]:
        await self._vault.pin_keys(conn)
        secret = Secret("whsec_" + base64.b64encode(self._random_bytes(_SECRET_BYTES)).decode())
        id_ = self._new_id()
        return secret, SealedSecret(id_, endpoint_id, self._vault.seal(secret, rules.secret_context(id_)))


def endpoint_data(id_: EndpointId, merchant_id: MerchantId | None) -> dict[str, str | None]:
    """What events about an endpoint tell."""
    return {
        "endpoint": to_text("whe", id_),
        "merchant": to_text("mer", merchant_id) if merchant_id is not None else None,
    }
