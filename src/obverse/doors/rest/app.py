"""The app: every room's routes, one way in for bodies, one way out for refusals."""

from itertools import chain
from typing import Any, Final

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import Method

from obverse import __version__
from obverse.doors.rest import (
    api_keys,
    cards,
    claims,
    docs_page,
    events,
    funding_sources,
    health,
    ledger,
    members,
    merchants,
    payments,
    sessions,
    simulate,
)
from obverse.doors.rest.auth import Everyone, Nobody
from obverse.doors.rest.body import StrictJson
from obverse.doors.rest.errors import on_defect, on_http_error, on_refusal
from obverse.doors.rest.request import DoorRequest
from obverse.doors.rest.services import Services
from obverse.doors.rest.tracing import before_send
from obverse.kit.errors import ObverseError

ROOMS: Final = (
    payments,
    cards,
    claims,
    members,
    sessions,
    funding_sources,
    merchants,
    api_keys,
    events,
    ledger,
    simulate,
    health,
    docs_page,
)


def create_app(services: Services) -> Litestar:
    """Build the REST door over these services. The caller starts and stops what is behind them."""
    return Litestar(
        route_handlers=list(chain.from_iterable(room.ROUTES for room in ROOMS)),
        state=State({"services": services}),
        dto=StrictJson,
        return_dto=None,
        request_class=DoorRequest,
        exception_handlers={
            ObverseError: on_refusal,
            HTTPException: on_http_error,
            Exception: on_defect,
        },
        before_request=Nobody(),
        before_send=[before_send],
        openapi_config=_openapi(),
        logging_config=None,
        debug=False,
    )


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Obverse",
        version=__version__,
        description="Pay anywhere without showing the shop your real card.",
        use_handler_docstrings=True,
        openapi_router=Router("/v1", route_handlers=[], before_request=Everyone(), include_in_schema=False),
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(
                    type="http",
                    scheme="bearer",
                    description="An API key, a member's session token, or a recipient's holder token.",
                )
            }
        ),
        security=[{"bearer": []}],
        operation_id_creator=_operation_id,
    )


def _operation_id(handler: HTTPRouteHandler, _: Method, path: list[Any]) -> str:
    # A handler that answers at two addresses needs two names.
    name = handler.handler_name
    return f"{name}_alias" if "authorizations" in [str(part) for part in path] else name
