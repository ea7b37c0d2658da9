"""Events: what happened on the platform, newest first. Operators only."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from litestar import get
from litestar.handlers import HTTPRouteHandler

from obverse.access.model import Scope
from obverse.doors.rest.auth import Allow
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import After, Limit, ListView, View, list_view, page_request
from obverse.kit.events import Event
from obverse.kit.ids import to_text


class EventView(View, frozen=True):
    """The body that webhooks will carry: `data` never holds a secret."""

    id: str
    type: str
    created: datetime
    data: Mapping[str, Any]


@get("/v1/events", before_request=Allow(Scope.OPERATE), tags=["operation"])
async def list_events(request: HttpRequest, limit: Limit = 20, after: After = None) -> ListView[EventView]:
    """Events, newest first."""
    page = await services(request).events(page_request("evt", limit, after))
    return list_view("evt", page, _view)


def _view(event: Event) -> EventView:
    return EventView(to_text("evt", event.id), event.type, event.created_at, event.data)


ROUTES: Final[list[HTTPRouteHandler]] = [list_events]
