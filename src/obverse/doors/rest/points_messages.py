"""What points issuers still have to be told, for operators: what is stuck has many tries."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from obverse.access.model import Scope
from obverse.doors.rest.auth import Allow
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import After, Limit, ListView, View, list_view, page_request
from obverse.kit.ids import to_text
from obverse.points import MessageKind, MessageStatus

_OPERATORS: Final = Allow(Scope.OPERATE)


class MessageState(StrEnum):
    PENDING = "pending"
    DONE = "done"
    """Acknowledged by the issuer."""


class PointsMessageView(View, frozen=True):
    """One thing an issuer has to be told of a payment's leg, until it acknowledges it.

    `reference` is how the issuer knows the leg. `units` are given back, after `units_before` of them.
    """

    id: str
    object: str
    state: MessageState
    kind: MessageKind
    issuer: str
    payment: str
    reference: str
    units: int | None
    units_before: int | None
    tries: int
    next_try: datetime | None
    created: datetime
    done: datetime | None


@get("/v1/points_messages", before_request=_OPERATORS, tags=["points"])
async def list_points_messages(
    request: HttpRequest,
    limit: Limit = 20,
    after: After = None,
    state_: Annotated[MessageState | None, QueryParameter(name="state")] = None,
) -> ListView[PointsMessageView]:
    """Messages to points issuers, newest first. `state=pending` shows what none has acknowledged yet."""
    pending = state_ is MessageState.PENDING if state_ is not None else None
    page = await services(request).relay.messages.list(page_request("pmsg", limit, after), pending=pending)
    return list_view("pmsg", page, _view)


def _view(message: MessageStatus) -> PointsMessageView:
    return PointsMessageView(
        id=to_text("pmsg", message.id),
        object="points_message",
        state=MessageState.PENDING if message.done_at is None else MessageState.DONE,
        kind=message.kind,
        issuer=to_text("pis", message.issuer_id),
        payment=to_text("auth", message.authorization_id),
        reference=message.reference,
        units=message.units,
        units_before=message.units_before,
        tries=message.tries,
        next_try=message.next_at if message.done_at is None else None,
        created=message.created_at,
        done=message.done_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [list_points_messages]
