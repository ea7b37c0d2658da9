"""The OpenAPI 3.1 document: at `/v1/openapi`, and what the docs page is drawn from."""

from dataclasses import dataclass
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
    Operation,
    Parameter,
    Reference,
    RequestBody,
    Schema,
    SecurityScheme,
)
from litestar.openapi.spec.enums import OpenAPIFormat
from litestar.types import Method

from obverse import __version__
from obverse.doors.rest.auth import Everyone
from obverse.doors.rest.errors import PROBLEM_JSON, Problem
from obverse.doors.rest.problems import PROBLEMS

_METHODS: Final = ("get", "post", "put", "patch", "delete")

_FILTERS: Final = {
    "card": "Of this card only.",
    "file": "Of this file only.",
    "issuer": "Of this points issuer only.",
    "language": "Without it, as `Accept-Language` says.",
    "member": "Of this member; a session need not say so.",
    "merchant": "Of this merchant; a merchant's own key need not say so.",
    "settlement": "Of this settlement only.",
    "state": "In this state only.",
    "status": "In this state only.",
    "unplaced": "Only what waits to be placed.",
}
"""What filters mean wherever they do not say anything else of themselves."""


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
                    description="An API key, or the token of a session, an application, an order or a card.",
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


def describe_filters(document: OpenAPI) -> None:
    """Say of every filter what it does; one that nobody has words for stays without."""
    for item in (document.paths or {}).values():
        for method in _METHODS:
            operation = getattr(item, method)
            for parameter in (operation and operation.parameters) or ():
                if isinstance(parameter, Parameter) and parameter.param_in == "query":
                    parameter.description = parameter.description or _FILTERS.get(parameter.name)


def takes_file(*media_types: str) -> type[Operation]:
    """An operation whose body is a file of one of these types, as it is."""

    @dataclass
    class TakesFile(Operation):
        def __post_init__(self) -> None:
            file = OpenAPIMediaType(Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY))
            self.request_body = RequestBody(dict.fromkeys(media_types, file), required=True)

    return TakesFile


def _problem_schema() -> Schema:
    text = Schema(type=OpenAPIType.STRING)
    properties: dict[str, Any] = dict.fromkeys(Problem.__struct_fields__, text)
    properties["status"] = Schema(type=OpenAPIType.INTEGER)
    properties["param"] = Schema(type=[OpenAPIType.STRING, OpenAPIType.NULL])
    properties["lines"] = Schema(
        type=OpenAPIType.ARRAY,
        items=Schema(
            type=OpenAPIType.OBJECT,
            properties={
                "line": Schema(type=OpenAPIType.INTEGER),
                "column": Schema(type=[OpenAPIType.STRING, OpenAPIType.NULL]),
                "reason": text,
            },
        ),
        description="Of a file that was refused: each line that is wrong.",
    )
    return Schema(
        title="Problem",
        type=OpenAPIType.OBJECT,
        properties=properties,
        required=[name for name in properties if name != "lines"],
        description="RFC 9457. Switch on `code`; `param` names the field to change.",
    )


def _operation_id(handler: HTTPRouteHandler, _: Method, path: list[Any]) -> str:
    # A handler that answers at two addresses needs two names.
    name = handler.handler_name
    return f"{name}_alias" if "authorizations" in [str(part) for part in path] else name
