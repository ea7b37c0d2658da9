"""Notifications: what is told to the outside: webhooks; `statements` and `notices` are rooms of their own.

Merchants and operators register endpoints; every event that commits is delivered to each endpoint that wants
it at least once, under one id, signed as Standard Webhooks has it; what a merchant is told of an event is
what it may know. Members get a statement of each day, receipts, and notice of what expires. Source: PF-4,
PF-11, WA-13, PP-6, PP-14, promise P13.
"""

from obverse.notifications.errors import (
    DeliveryNotFound,
    EndpointDisabled,
    EndpointNotFound,
    ReplayRunning,
    TooManyEndpoints,
)
from obverse.notifications.jobs import Courier, FanOut, WebhookSecretsRekey, sweep
from obverse.notifications.model import (
    Delivery,
    DeliveryState,
    Endpoint,
    EndpointChange,
    EndpointState,
    Problem,
    Replay,
    ReplayState,
)
from obverse.notifications.ports import SecretVault, Sender
from obverse.notifications.service import Webhooks

__all__ = [
    "Courier",
    "Delivery",
    "DeliveryNotFound",
    "DeliveryState",
    "Endpoint",
    "EndpointChange",
    "EndpointDisabled",
    "EndpointNotFound",
    "EndpointState",
    "FanOut",
    "Problem",
    "Replay",
    "ReplayRunning",
    "ReplayState",
    "SecretVault",
    "Sender",
    "TooManyEndpoints",
    "WebhookSecretsRekey",
    "Webhooks",
    "sweep",
]
