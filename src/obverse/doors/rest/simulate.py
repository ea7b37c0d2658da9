"""What only the sandbox can do. Refused with live keys, and on a live platform whatever the key."""

from datetime import datetime, timedelta
from typing import Annotated, Final

from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import Meta

from obverse.access.model import Scope
from obverse.doors.rest.auth import Allow, caller_of
from obverse.doors.rest.errors import SandboxOnly
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import Body, View

_STEP_MAX_S: Final = 10 * 366 * 24 * 3600


class AdvanceClock(Body, frozen=True):
    seconds: Annotated[int, Meta(ge=1, le=_STEP_MAX_S, description="Forward only; ten years at most.")]


class ClockView(View, frozen=True):
    object: str
    now: datetime


@post("/v1/simulate/advance_clock", before_request=Allow(Scope.OPERATE), status_code=200, tags=["sandbox"])
async def advance_clock(request: HttpRequest, data: JSONBody[AdvanceClock]) -> ClockView:
    """Move the platform's clock forward, for all of its processes at once (PF-10)."""
    joined = services(request)
    key = caller_of(request).key
    if joined.live or key is None or key.live:
        raise SandboxOnly
    return ClockView("clock", await joined.clock_control.advance(timedelta(seconds=data.seconds)))


ROUTES: Final[list[HTTPRouteHandler]] = [advance_clock]
