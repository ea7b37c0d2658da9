"""One way for bodies to come in: strict JSON, and never an echo of what was wrong.

Litestar's own decoding is lenient ("1" is taken for 1); amounts must not be guessed at.
"""

import re
from typing import Any, ClassVar, Final, TypeAlias
from weakref import WeakKeyDictionary

import msgspec
from litestar.dto import AbstractDTO
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition

from obverse.doors.rest.request import raw_header
from obverse.kit.errors import InvalidRequest

_Decoder: TypeAlias = msgspec.json.Decoder[Any]

_PATH: Final = re.compile(r" - at (?:`key` in )?`\$\.?([a-z_.]*)[^`]*`$")
_FIELD: Final = re.compile(r"(?:required|unknown) field `([a-z_]{1,40})`")
_SAFE: Final = re.compile(r"Expected |Object missing |Invalid RFC3339 ")
"""Messages of msgspec that tell what was expected and never what came."""


class WrongContentType(HTTPException):
    """The body is not declared as JSON."""

    status_code = 415


class StrictJson(AbstractDTO[Any]):
    """Decodes every `data` argument with a msgspec decoder that was built when the app was."""

    _by_id: ClassVar[dict[str, _Decoder]] = {}
    _by_handler: ClassVar[WeakKeyDictionary[BaseRouteHandler, msgspec.json.Decoder[Any]]] = (
        WeakKeyDictionary()
    )

    def decode_bytes(self, value: bytes) -> Any:
        request = self.asgi_connection
        if not _is_json(raw_header(request, b"content-type")):
            raise WrongContentType
        try:
            return self._decoder(request.scope["route_handler"]).decode(value)
        except msgspec.ValidationError as error:
            raise invalid_body(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise InvalidRequest("The body is not valid JSON.") from None

    def _decoder(self, handler: BaseRouteHandler) -> _Decoder:
        # A handler's id is put together anew whenever it is asked for, which is too slow for every request.
        decoder = self._by_handler.get(handler)
        if decoder is None:
            decoder = self._by_handler[handler] = self._by_id[handler.handler_id]
        return decoder

    def decode_builtins(self, value: dict[str, Any]) -> Any:
        """Forms are not accepted anywhere."""
        raise WrongContentType

    @classmethod
    def create_for_field_definition(
        cls, field_definition: FieldDefinition, handler_id: str, backend_cls: Any = None
    ) -> None:
        cls._by_id[handler_id] = msgspec.json.Decoder(field_definition.annotation)

    @classmethod
    def create_openapi_schema(
        cls, field_definition: FieldDefinition, handler_id: str, schema_creator: Any
    ) -> Reference | Schema:
        schema: Reference | Schema = schema_creator.for_field_definition(field_definition)
        return schema

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Any:
        """Nothing to transfer: the wire's structs are used as they are."""
        return iter(())

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
        return False


def invalid_body(complaint: str) -> InvalidRequest:
    """Turn msgspec's complaint into ours: the field and what was expected of it, never its value.

    >>> invalid_body("Expected `int`, got `str` - at `$.amount`").param
    'amount'
    """
    path = _PATH.search(complaint)
    at = path[1].strip(".") if path else ""
    named = _FIELD.search(complaint)
    param = ".".join(part for part in (at, named[1] if named else "") if part) or None
    if complaint.startswith("Object contains unknown field"):
        return InvalidRequest("The body has a field that does not exist here.", param)
    if complaint.startswith("Object missing required field"):
        return InvalidRequest(f"{param} is required.", param)
    message = _PATH.sub("", complaint) if _SAFE.match(complaint) else "Not one of the allowed values"
    return InvalidRequest(f"{param or 'The body'}: {message.replace('`', '')}.", param)


def _is_json(content_type: bytes | None) -> bool:
    return content_type == b"application/json" or (
        content_type is not None and content_type.split(b";")[0].strip().lower() == b"application/json"
    )
