"""Is it up, and how busy: for load balancers and Prometheus."""

from collections.abc import Mapping
from typing import Final

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from obverse.doors.rest.auth import Everyone
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import View
from obverse.kit.telemetry import METRICS_CONTENT_TYPE, metrics_text


class HealthView(View, frozen=True):
    """`degraded` still serves: payments from on-us money work without the card company."""

    status: str
    checks: Mapping[str, str]


@get("/health", before_request=Everyone(), tags=["operation"])
async def get_health(request: HttpRequest) -> Response[HealthView]:
    """200 while payments can be decided, 503 while they cannot."""
    checks = await services(request).health.check()
    able = checks.get("database", False)
    status = "ok" if all(checks.values()) else "degraded" if able else "down"
    shown = {name: "up" if up else "down" for name, up in checks.items()}
    return Response(HealthView(status, shown), status_code=200 if able else 503)


@get("/metrics", before_request=Everyone(), tags=["operation"], media_type=METRICS_CONTENT_TYPE)
async def get_metrics() -> bytes:
    """Counters and latencies for Prometheus."""
    return metrics_text()


ROUTES: Final[list[HTTPRouteHandler]] = [get_health, get_metrics]
