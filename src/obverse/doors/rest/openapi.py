"""The OpenAPI 3.1 document: at `/v1/openapi`, and what the docs page is drawn from."""

from typing import Any, Final

from litestar import Router
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import (
    Components,
    OpenAPI,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Reference,
    Schema,
    SecurityScheme,
)
from litestar.types import Method

from obverse import __version__
from obverse.doors.rest.auth import Everyone
from obverse.doors.rest.errors import PROBLEM_JSON, PROBLEMS, Problem

_METHODS: Final = ("get", "post", "put", "patch", "delete")


def openapi_config() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Obverse",
        version=__version__,
        description="Pay anywhere without showing the shop your real card.",
        use_handler_docstrings=True,
        openapi_router=Router(
            "/v1/openapi", route_handlers=[], before_request=Everyone(), include_in_schema=False
        ),
        render_plugins=[JsonRenderPlugin()],
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(
                    type="http",
                    scheme="bearer",
                    description="An API key, or the token of a session, an application or a claimed card.",
                )
            }
        ),
        security=[{"bearer": []}],
        operation_id_creator=_operation_id,
    )


def document_problems(document: OpenAPI) -> None:
    """Say of every operation that refusals come as problem details, not as Litestar's own errors."""
    answers = {
        str(status): OpenAPIResponse(
            description=", ".join(sorted({title for s, title in PROBLEMS.values() if s == status})),
            content={PROBLEM_JSON: OpenAPIMediaType(schema=Reference("#/components/schemas/Problem"))},
        )
        for status in sorted({status for status, _ in PROBLEMS.values()})
    }
    document.components.schemas["Problem"] = _problem_schema()
    for item in (document.paths or {}).values():
        for method in _METHODS:
            operation = getattr(item, method)
            if operation is not None:
                own = {s: r for s, r in (operation.responses or {}).items() if s != "400"}
                operation.responses = {**answers, **own}


def _problem_schema() -> Schema:
    text = Schema(type=OpenAPIType.STRING)
    properties: dict[str, Any] = dict.fromkeys(Problem.__struct_fields__, text)
    properties["status"] = Schema(type=OpenAPIType.INTEGER)
    properties["param"] = Schema(type=[OpenAPIType.STRING, OpenAPIType.NULL])
    return Schema(
        title="Problem",
        type=OpenAPIType.OBJECT,
        properties=properties,
        required=list(properties),
        description="RFC 9457. Switch on `code`; `param` names the field to change.",
    )


def _operation_id(handler: HTTPRouteHandler, _: Method, path: list[Any]) -> str:
    # A handler that answers at two addresses needs two names.
    name = handler.handler_name
    return f"{name}_alias" if "authorizations" in [str(part) for part in path] else name
