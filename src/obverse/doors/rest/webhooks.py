"""Webhook endpoints: register, change, test; the delivery log; send again. A secret is shown once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

from litestar import delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, Meta, UnsetType

from obverse.access.model import Scope
from obverse.doors.rest.auth import Allow, caller_of
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import (
    PRINTABLE,
    After,
    Body,
    Limit,
    ListView,
    View,
    id_text,
    list_view,
    page_request,
)
from obverse.kit.errors import NotPermitted
from obverse.kit.ids import DeliveryId, EndpointId, MerchantId, from_text, to_text
from obverse.notifications import (
    Delivery,
    DeliveryState,
    Endpoint,
    EndpointChange,
    EndpointState,
    Problem,
    Replay,
    ReplayState,
)

_OWNERS: Final = Allow(Scope.WEBHOOKS, merchant_keys=True)
_PATH: Final = "/v1/webhook_endpoints"
_ONE: Final = _PATH + "/{endpoint_id:str}"

Url = Annotated[str, Meta(min_length=1, max_length=2000, description="Where to send; https.")]
EventType = Annotated[str, Meta(pattern=r"^[a-z_]{1,40}\.[a-z_]{1,40}$", max_length=81)]
EventTypes = Annotated[
    tuple[EventType, ...], Meta(min_length=1, max_length=50, description="What to send; null: everything.")
]
Description = Annotated[str, Meta(max_length=200, pattern=PRINTABLE)]


class NewEndpoint(Body, frozen=True):
    url: Url
    event_types: EventTypes | None = None
    description: Description = ""


class EndpointChanges(Body, frozen=True):
    """What is left out stays as it is."""

    url: Url | UnsetType = UNSET
    event_types: EventTypes | UnsetType | None = UNSET
    description: Description | UnsetType = UNSET


class ReplayOrder(Body, frozen=True):
    """`since` lies within the last 30 days."""

    since: Annotated[datetime, Meta(tz=True)]


class EndpointView(View, frozen=True):
    """`secret` is filled in the answer that made it, never again; `failing_since` is null while it works."""

    id: str
    object: str
    url: str
    event_types: Sequence[str] | None
    description: str
    merchant: str | None
    state: EndpointState
    failing_since: datetime | None
    created: datetime
    secret: str | None


class DeletedView(View, frozen=True):
    id: str
    object: str
    deleted: bool


class DeliveryView(View, frozen=True):
    """One event on its way to one endpoint. `problem` and `response_status` tell of the last attempt."""

    id: str
    object: str
    endpoint: str
    event: str
    event_type: str
    state: DeliveryState
    attempts: int
    next_attempt: datetime | None
    last_attempt: datetime | None
    response_status: int | None
    problem: Problem | None
    duration_ms: int | None
    created: datetime


class ReplayView(View, frozen=True):
    """`deliveries` is how many have been made due so far."""

    id: str
    object: str
    endpoint: str
    state: ReplayState
    since: datetime
    until: datetime
    deliveries: int
    created: datetime


@post(_PATH, before_request=_OWNERS, tags=["webhooks"])
async def create_webhook_endpoint(request: HttpRequest, data: JSONBody[NewEndpoint]) -> EndpointView:
    """Register an endpoint. A merchant's is told of that merchant's events only; an operator's of all."""
    endpoint, secret = await services(request).webhooks.register(
        data.url, data.event_types, data.description, merchant_id=_held_to(request)
    )
    return _view(endpoint, secret.reveal())


@get(_PATH, before_request=_OWNERS, tags=["webhooks"])
async def list_webhook_endpoints(
    request: HttpRequest,
    limit: Limit = 20,
    after: After = None,
    state_: Annotated[EndpointState | None, QueryParameter(name="state")] = None,
) -> ListView[EndpointView]:
    """Endpoints, newest first. `state=disabled` shows, among others, those that were given up."""
    page = await services(request).webhooks.list(page_request("whe", limit, after), _held_to(request), state_)
    return list_view("whe", page, _view)


@get(_ONE, before_request=_OWNERS, tags=["webhooks"])
async def get_webhook_endpoint(request: HttpRequest, endpoint_id: FromPath[str]) -> EndpointView:
    """One endpoint."""
    return _view(await services(request).webhooks.get(_id(endpoint_id), _held_to(request)))


@patch(_ONE, before_request=_OWNERS, tags=["webhooks"])
async def change_webhook_endpoint(
    request: HttpRequest, endpoint_id: FromPath[str], data: JSONBody[EndpointChanges]
) -> EndpointView:
    """Change where an endpoint is, or what it is told; from the next attempt on."""
    wanted = EndpointChange(data.url, data.event_types, data.description)
    return _view(await services(request).webhooks.change(_id(endpoint_id), _held_to(request), wanted))


@post(_ONE + "/enable", before_request=_OWNERS, status_code=200, tags=["webhooks"])
async def enable_webhook_endpoint(request: HttpRequest, endpoint_id: FromPath[str]) -> EndpointView:
    """Send again. What happened while it was disabled is sent by a replay."""
    return _view(await services(request).webhooks.enable(_id(endpoint_id), _held_to(request)))


@post(_ONE + "/disable", before_request=_OWNERS, status_code=200, tags=["webhooks"])
async def disable_webhook_endpoint(request: HttpRequest, endpoint_id: FromPath[str]) -> EndpointView:
    """Send nothing until it is enabled again."""
    return _view(await services(request).webhooks.disable(_id(endpoint_id), _held_to(request)))


@delete(_ONE, before_request=_OWNERS, status_code=200, tags=["webhooks"])
async def delete_webhook_endpoint(request: HttpRequest, endpoint_id: FromPath[str]) -> DeletedView:
    """Delete an endpoint with its secret and its log."""
    await services(request).webhooks.delete(_id(endpoint_id), _held_to(request))
    return DeletedView(endpoint_id, "webhook_endpoint", deleted=True)


@post(_ONE + "/rotate_secret", before_request=_OWNERS, status_code=200, tags=["webhooks"])
async def rotate_webhook_secret(request: HttpRequest, endpoint_id: FromPath[str]) -> EndpointView:
    """Get a new secret. For 24 hours messages are signed with the one before as well."""
    webhooks, held_to = services(request).webhooks, _held_to(request)
    secret = await webhooks.rotate_secret(_id(endpoint_id), held_to)
    return _view(await webhooks.get(_id(endpoint_id), held_to), secret.reveal())


@post(_ONE + "/test", before_request=_OWNERS, tags=["webhooks"])
async def test_webhook_endpoint(request: HttpRequest, endpoint_id: FromPath[str]) -> DeliveryView:
    """Send a `webhook_endpoint.tested` event to this endpoint. The delivery log shows what came of it."""
    return _delivery(await services(request).webhooks.test(_id(endpoint_id), _held_to(request)))


@get(_ONE + "/deliveries", before_request=_OWNERS, tags=["webhooks"])
async def list_webhook_deliveries(
    request: HttpRequest,
    endpoint_id: FromPath[str],
    limit: Limit = 20,
    after: After = None,
    state_: Annotated[DeliveryState | None, QueryParameter(name="state")] = None,
) -> ListView[DeliveryView]:
    """The delivery log, newest first; kept for 30 days."""
    page = await services(request).webhooks.deliveries(
        _id(endpoint_id), _held_to(request), page_request("dlv", limit, after), state_
    )
    return list_view("dlv", page, _delivery)


@post(
    _ONE + "/deliveries/{delivery_id:str}/resend", before_request=_OWNERS, status_code=200, tags=["webhooks"]
)
async def resend_webhook_delivery(
    request: HttpRequest, endpoint_id: FromPath[str], delivery_id: FromPath[str]
) -> DeliveryView:
    """Try a delivery again at once, whatever became of it. The message has the same id as before."""
    delivery = DeliveryId(from_text("dlv", delivery_id))
    return _delivery(await services(request).webhooks.resend(_id(endpoint_id), delivery, _held_to(request)))


@post(_ONE + "/replays", before_request=_OWNERS, status_code=202, tags=["webhooks"])
async def create_webhook_replay(
    request: HttpRequest, endpoint_id: FromPath[str], data: JSONBody[ReplayOrder]
) -> ReplayView:
    """Send everything since a moment again, in the background, each message with the same id as before."""
    return _replay(await services(request).webhooks.replay(_id(endpoint_id), _held_to(request), data.since))


@get(_ONE + "/replays", before_request=_OWNERS, tags=["webhooks"])
async def list_webhook_replays(
    request: HttpRequest, endpoint_id: FromPath[str], limit: Limit = 20, after: After = None
) -> ListView[ReplayView]:
    """Replays and how far each has come, newest first."""
    page = await services(request).webhooks.replays(
        _id(endpoint_id), _held_to(request), page_request("rpl", limit, after)
    )
    return list_view("rpl", page, _replay)


def _held_to(request: HttpRequest) -> MerchantId | None:
    """Whose endpoints this caller sees. Who is held to no merchant hears all, so it must be an operator."""
    caller = caller_of(request)
    if caller.merchant_id is None and not caller.sees_reasons:
        raise NotPermitted("Without a merchant, a key needs the scope operate for webhooks.")
    return caller.merchant_id


def _id(text: str) -> EndpointId:
    return EndpointId(from_text("whe", text))


def _view(endpoint: Endpoint, secret: str | None = None) -> EndpointView:
    return EndpointView(
        id=to_text("whe", endpoint.id),
        object="webhook_endpoint",
        url=endpoint.url,
        event_types=endpoint.event_types,
        description=endpoint.description,
        merchant=id_text("mer", endpoint.merchant_id),
        state=endpoint.state,
        failing_since=endpoint.failing_since,
        created=endpoint.created_at,
        secret=secret,
    )


def _delivery(delivery: Delivery) -> DeliveryView:
    return DeliveryView(
        id=to_text("dlv", delivery.id),
        object="webhook_delivery",
        endpoint=to_text("whe", delivery.endpoint_id),
        event=to_text("evt", delivery.event_id),
        event_type=delivery.event_type,
        state=delivery.state,
        attempts=delivery.attempts,
        next_attempt=delivery.next_at,
        last_attempt=delivery.last_at,
        response_status=delivery.response_status,
        problem=delivery.problem,
        duration_ms=delivery.duration_ms,
        created=delivery.created_at,
    )


def _replay(replay: Replay) -> ReplayView:
    return ReplayView(
        id=to_text("rpl", replay.id),
        object="webhook_replay",
        endpoint=to_text("whe", replay.endpoint_id),
        state=replay.state,
        since=replay.since,
        until=replay.until,
        deliveries=replay.deliveries,
        created=replay.created_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [
    create_webhook_endpoint,
    list_webhook_endpoints,
    get_webhook_endpoint,
    change_webhook_endpoint,
    enable_webhook_endpoint,
    disable_webhook_endpoint,
    delete_webhook_endpoint,
    rotate_webhook_secret,
    test_webhook_endpoint,
    list_webhook_deliveries,
    resend_webhook_delivery,
    create_webhook_replay,
    list_webhook_replays,
]
