"""Who is told what, when a failed delivery is tried again, and where nothing is ever sent.

Pure: no I/O, no clock.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from msgspec import UNSET
from msgspec.structs import asdict, replace

from obverse.kit.errors import InvalidRequest
from obverse.kit.events import Event
from obverse.kit.ids import EndpointId, EventId, to_text
from obverse.notifications.model import (
    Attempt,
    DeliveryState,
    Due,
    Endpoint,
    EndpointChange,
    Listener,
    News,
    Progress,
)

RETRIES: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""Waits between attempts, three days in all. Source: Standard Webhooks, "Deliverability and reliability"."""

DISABLED_AFTER: Final = timedelta(days=3)
"""An endpoint is given up when a delivery has run out of attempts and nothing got through for this long."""

GONE: Final = 410
"""What an endpoint answers that wants to be given up at once (Standard Webhooks)."""

SECRET_OVERLAP: Final = timedelta(hours=24)
"""How long the secret before the newest still signs, so that receivers can change over."""

KEPT_FOR: Final = timedelta(days=30)
"""How long the log of deliveries is kept, and how far back a replay may go."""

ENDPOINTS_MAX: Final = 20
EVENT_TYPES_MAX: Final = 50
URL_LENGTH_MAX: Final = 2_000

TEST_TYPE: Final = "webhook_endpoint.tested"
"""Goes to the endpoint that is tested and to nobody else."""
DISABLED_TYPE: Final = "webhook_endpoint.disabled"


def _types(noun: str, verbs: str, fields: str) -> dict[str, frozenset[str]]:
    return {f"{noun}.{verb}": frozenset(fields.split()) for verb in verbs.split()}


TOLD_TO_MERCHANTS: Final[Mapping[str, frozenset[str]]] = {
    **_types(
        "authorization",
        "approved declined captured released refunded reversed expired disputed dispute_lost dispute_won",
        "authorization card merchant amount captured released refunded disputed currency status decline"
        " action action_amount",
    ),
    **_types(
        "claim",
        "paid refused exception",
        "claim merchant authorization file line kind reference amount currency reason",
    ),
    **_types("claim_file", "done", "file merchant claims"),
    **_types(
        "claim_batch",
        "out_of_balance",
        "merchant terminal batch currency stated_captures stated_captured stated_refunds stated_refunded"
        " ours_captures ours_captured ours_refunds ours_refunded",
    ),
    **_types(
        "dispute",
        "opened answered unanswered closed",
        "dispute payment merchant amount currency reason answer_due outcome",
    ),
    **_types(
        "metered_session",
        "opened closed cut",
        "metered_session merchant card tariff used_seconds cost currency",
    ),
    **_types("statement", "issued", "statement settlement merchant day paid carried currency"),
    **_types("payout", "ordered paid refused", "payout statement merchant amount currency reason"),
    **_types("merchant", "changed payout_changed suspended resumed closed", "merchant"),
    **_types("api_key", "made rotated revoked", "api_key name last_four merchant scopes replaces"),
    **_types("webhook_endpoint", "disabled tested", "endpoint merchant"),
}
"""What a merchant may know: these types, of each these fields, and of these only events of its own.

A list of what is allowed: an event that somebody adds is told to no merchant until it stands here.
"""


# Who is told what ------------------------------------------------------------------------------------------


def wanted(news: Sequence[News], listeners: Sequence[Listener]) -> list[tuple[EventId, EndpointId]]:
    """Which event is owed to which endpoint."""
    everywhere = [listener for listener in listeners if listener.merchant is None]
    of_merchant: dict[str, list[Listener]] = {}
    for listener in listeners:
        if listener.merchant is not None:
            of_merchant.setdefault(listener.merchant, []).append(listener)
    owed = []
    for event in news:
        if event.type == TEST_TYPE:
            continue
        told = event.type in TOLD_TO_MERCHANTS and event.merchant is not None
        concerned = of_merchant.get(event.merchant or "", []) if told else []
        owed += [
            (event.event_id, listener.id)
            for listener in (*everywhere, *concerned)
            if event.txid >= listener.listens_from and _asked_for(event.type, listener.event_types)
        ]
    return owed


def body(due: Due, decline_codes: Mapping[str, str]) -> bytes:
    """What is sent of an event: the same bytes at every attempt."""
    event = due.event
    data = event.data if due.merchant_id is None else told_to_merchant(event, decline_codes)
    return msgspec.json.encode(
        {"id": message_id(due), "type": event.type, "created": event.created_at, "data": data}
    )


def message_id(due: Due) -> str:
    """The event's: the same in every attempt, resend and replay, so that receivers know it again (P13)."""
    return to_text("evt", due.event.id)


def told_to_merchant(event: Event, decline_codes: Mapping[str, str]) -> Mapping[str, Any]:
    """What a merchant may know of an event that is about it (PF-11, P17).

    `decline_codes` has the generic code for every exact one. A declined guess names no card, so that all
    guesses look alike. Raises `KeyError` for a type that merchants are not told.
    """
    allowed = TOLD_TO_MERCHANTS[event.type]
    data = {name: value for name, value in event.data.items() if name in allowed}
    if data.get("decline") is not None:
        data["decline"] = decline_codes[data["decline"]]
        data.pop("card", None)
    return data


def _asked_for(type_: str, types: frozenset[str] | None) -> bool:
    return types is None or type_ in types


# When it is tried again ------------------------------------------------------------------------------------


def after(due: Due, attempt: Attempt, now: datetime) -> Progress:
    """Where a delivery stands after an attempt."""
    attempts = due.attempts + 1
    if attempt.problem is None:
        state, next_at = DeliveryState.DELIVERED, None
    elif attempts > len(RETRIES) or attempt.response_status == GONE:
        state, next_at = DeliveryState.FAILED, None
    else:
        state, next_at = DeliveryState.PENDING, now + RETRIES[attempts - 1]
    return Progress(due.id, due.endpoint_id, state, attempts, next_at, attempt)


def reached(progress: Iterable[Progress]) -> dict[EndpointId, bool]:
    """For every endpoint that was tried, in id order, whether anything got through."""
    health: dict[EndpointId, bool] = {}
    for each in progress:
        through = each.state is DeliveryState.DELIVERED
        health[each.endpoint_id] = health.get(each.endpoint_id, False) or through
    return dict(sorted(health.items()))


def given_up(progress: Iterable[Progress]) -> tuple[list[EndpointId], list[EndpointId]]:
    """Endpoints to disable: those that said that they are gone, and those that may have failed too long."""
    failed = [each for each in progress if each.state is DeliveryState.FAILED]
    gone = {each.endpoint_id for each in failed if each.attempt.response_status == GONE}
    return sorted(gone), sorted({each.endpoint_id for each in failed} - gone)


# What an endpoint may be -----------------------------------------------------------------------------------


def change(endpoint: Endpoint, wanted: EndpointChange) -> Endpoint:
    """The endpoint as its owner wants it."""
    given = {name: value for name, value in asdict(wanted).items() if value is not UNSET}
    return replace(endpoint, **given)


def check_endpoint(endpoint: Endpoint, *, private: bool) -> None:
    """Refuse an endpoint that could never work or must not. Raises `InvalidRequest`."""
    check_url(endpoint.url, private=private)
    types = endpoint.event_types
    if types is None:
        return
    if not 1 <= len(types) <= EVENT_TYPES_MAX or len(set(types)) != len(types):
        raise InvalidRequest(f"Name 1 to {EVENT_TYPES_MAX} event types, each once.", "event_types")
    if endpoint.merchant_id is not None and not TOLD_TO_MERCHANTS.keys() >= set(types):
        raise InvalidRequest("One of these is not an event that merchants are told.", "event_types")


def check_url(url: str, *, private: bool) -> None:
    """`private` allows plain http and any address, for the sandbox. Raises `InvalidRequest`."""
    if not (len(url) <= URL_LENGTH_MAX and url.isascii() and url.isprintable() and " " not in url):
        raise InvalidRequest(f"A URL has up to {URL_LENGTH_MAX:,} ASCII characters without spaces.", "url")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise InvalidRequest("That is not a URL.", "url") from None
    if parts.scheme not in (("http", "https") if private else ("https",)) or not host:
        raise InvalidRequest("Give an https URL with a host.", "url")
    if parts.username is not None or parts.password is not None or "#" in url:
        raise InvalidRequest("A URL has no user, no password and no fragment here.", "url")


def check_replay(since: datetime, now: datetime) -> None:
    """Refuse a moment to come, or one of which there is no log any more. Raises `InvalidRequest`."""
    if not now - KEPT_FOR <= since < now:
        raise InvalidRequest(f"since lies within the last {KEPT_FOR.days} days.", "since")


_NOT_FOR_WEBHOOKS: Final = (
    ip_network("168.63.129.16/32"),  # Azure's host agent: a public address that only leads inside
    ip_network("192.0.0.0/24"),  # Oracle's metadata among them
    ip_network("2002::/16"),  # 6to4: leads to an IPv4 address that nobody has checked
    ip_network("2001::/23"),  # Teredo among them
    ip_network("fec0::/10"),  # site-local, before there was fc00::/7
)
_TRANSLATED: Final = ip_network("64:ff9b::/96")
"""NAT64: the last four bytes are an IPv4 address."""


def is_public(address: str) -> bool:
    """Whether webhooks may be sent to this IP address when they may only be sent to public ones.

    >>> [is_public(a) for a in ("93.184.215.14", "127.0.0.1", "::ffff:127.0.0.1", "169.254.169.254")]
    [True, False, False, False]
    """
    try:
        found = _unwrapped(ip_address(address))
    except ValueError:
        return False
    return (
        found.is_global
        and not found.is_multicast
        and not found.is_reserved
        and not any(found in network for network in _NOT_FOR_WEBHOOKS if network.version == found.version)
    )


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address inside an IPv6 address, where there is one."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _TRANSLATED:
        return IPv4Address(address.packed[-4:])
    return address


def secret_context(secret_id: UUID) -> bytes:
    """What binds a sealed secret to its row."""
    return f"webhook_secret:{secret_id}".encode()
