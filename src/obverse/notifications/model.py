"""Webhook endpoints, what is owed to each, and what came of sending it."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from obverse.kit.events import Event
from obverse.kit.ids import DeliveryId, EndpointId, EventId, MerchantId, ReplayId
from obverse.kit.secret import Sealed, Secret


class EndpointState(StrEnum):
    ENABLED = "enabled"
    DISABLED = "disabled"
    """Nothing is sent, and what happens meanwhile is not kept for it; a replay brings it."""


class Endpoint(msgspec.Struct, frozen=True):
    """An address that wants to hear of events.

    With `merchant_id` it is told what that merchant may know of its own events; without, everything.
    `event_types` None means all. `failing_since` is the first failure after the last success.
    """

    id: EndpointId
    merchant_id: MerchantId | None
    url: str
    event_types: tuple[str, ...] | None
    description: str
    state: EndpointState
    failing_since: datetime | None
    created_at: datetime


class EndpointChange(msgspec.Struct, frozen=True):
    """What its owner changes of an endpoint; what is unset stays. `event_types` None asks for all."""

    url: str | UnsetType = UNSET
    event_types: tuple[str, ...] | UnsetType | None = UNSET
    description: str | UnsetType = UNSET


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Given up; it can be sent again by hand."""


class Problem(StrEnum):
    """Why an attempt was not a delivery. Stable: the delivery log shows it."""

    STATUS = "status"
    """Answered, but not with 2xx; a redirect is not followed."""
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    """No such host, no connection, or the connection broke."""
    TLS = "tls"
    ADDRESS = "address"
    """The host leads to an address that webhooks may not be sent to."""
    NOT_HTTP = "not_http"
    """What came back is no HTTP answer."""


class Delivery(msgspec.Struct, frozen=True):
    """One event for one endpoint. `attempts`, `problem` and the like tell of the last round of trying."""

    id: DeliveryId
    endpoint_id: EndpointId
    event_id: EventId
    event_type: str
    state: DeliveryState
    attempts: int
    next_at: datetime | None
    last_at: datetime | None
    response_status: int | None
    problem: Problem | None
    duration_ms: int | None
    created_at: datetime


class SealedSecret(msgspec.Struct, frozen=True):
    """A signing secret as stored. It stops being used at `expires_at`; the current one has none."""

    id: UUID
    endpoint_id: EndpointId
    sealed: Sealed


class Message(msgspec.Struct, frozen=True):
    """What goes over the wire: `body` is signed with every one of `secrets` (Standard Webhooks)."""

    id: str
    url: str
    body: bytes
    secrets: Sequence[Secret]


class Attempt(msgspec.Struct, frozen=True):
    """What came of sending a message once. No `problem` means that it was delivered."""

    problem: Problem | None
    response_status: int | None
    duration_ms: int


class Due(msgspec.Struct, frozen=True):
    """A delivery that this process has taken on; `attempts` is how many there were before."""

    id: DeliveryId
    endpoint_id: EndpointId
    merchant_id: MerchantId | None
    url: str
    attempts: int
    event: Event


class Progress(msgspec.Struct, frozen=True):
    """A delivery after an attempt."""

    id: DeliveryId
    endpoint_id: EndpointId
    state: DeliveryState
    attempts: int
    next_at: datetime | None
    attempt: Attempt


class News(msgspec.Struct, frozen=True):
    """As much of an event as it takes to know who wants it. `txid` is the transaction that wrote it."""

    txid: int
    event_id: EventId
    type: str
    merchant: str | None


class Listener(msgspec.Struct, frozen=True):
    """As much of an enabled endpoint as it takes to know what it wants.

    `merchant` is the id as events write it. Transactions before `listens_from` are history to it.
    """

    id: EndpointId
    merchant: str | None
    event_types: frozenset[str] | None
    listens_from: int


class ReplayState(StrEnum):
    RUNNING = "running"
    DONE = "done"


class Replay(msgspec.Struct, frozen=True):
    """An order to send everything between two moments again; `deliveries` is how many it has made due."""

    id: ReplayId
    endpoint_id: EndpointId
    state: ReplayState
    since: datetime
    until: datetime
    reached: EventId
    deliveries: int
    created_at: datetime
