"""Bytes to Diameter messages and back: the one place that knows python-diameter."""

import asyncio
import logging
from typing import Any, Final

from diameter.message import Message  # type: ignore[import-untyped]
from diameter.message import constants as names
from diameter.message.avp import Avp  # type: ignore[import-untyped]
from diameter.message.avp.grouped import (  # type: ignore[import-untyped]
    CostInformation,
    FailedAvp,
    FinalUnitIndication,
    GrantedServiceUnit,
    UnitValue,
)
from diameter.message.commands import (  # type: ignore[import-untyped]
    CapabilitiesExchangeRequest,
    CreditControlRequest,
    DeviceWatchdogRequest,
    DisconnectPeerRequest,
)

__all__ = [
    "Avp",
    "CapabilitiesExchangeRequest",
    "CostInformation",
    "CreditControlRequest",
    "DeviceWatchdogRequest",
    "DisconnectPeerRequest",
    "FinalUnitIndication",
    "GrantedServiceUnit",
    "UnitValue",
    "names",
]

# It logs values that it cannot read, card numbers among them (P11).
logging.getLogger("diameter").setLevel(logging.CRITICAL + 1)

HEADER_BYTES: Final = 20
VERSION: Final = 1
SUCCESS: Final = 2001
COMMAND_UNSUPPORTED: Final = 3001
REALM_NOT_SERVED: Final = 3003
TOO_BUSY: Final = 3004
APPLICATION_UNSUPPORTED: Final = 3007
UNKNOWN_PEER: Final = 3010
AUTHENTICATION_REJECTED: Final = 4001
END_USER_SERVICE_DENIED: Final = 4010
CREDIT_LIMIT_REACHED: Final = 4012
AVP_UNSUPPORTED: Final = 5001
UNKNOWN_SESSION_ID: Final = 5002
AUTHORIZATION_REJECTED: Final = 5003
INVALID_AVP_VALUE: Final = 5004
MISSING_AVP: Final = 5005
NO_COMMON_APPLICATION: Final = 5010
UNABLE_TO_COMPLY: Final = 5012
USER_UNKNOWN: Final = 5030
RATING_FAILED: Final = 5031


class Unreadable(Exception):
    """These bytes are no Diameter message; nothing that follows on the connection can be trusted."""


class Refused(Exception):
    """A request that is answered with this result code; `avp` is the one to look at."""

    def __init__(self, result_code: int, avp: Avp | None = None) -> None:
        super().__init__(result_code)
        self.result_code = result_code
        self.avp = avp


async def read_frame(reader: asyncio.StreamReader, first: bytes, bytes_max: int) -> bytes:
    """The rest of a message that begins with these four bytes. Raises `Unreadable`, `IncompleteReadError`."""
    length = int.from_bytes(first[1:4])
    if first[0] != VERSION or length % 4 or not HEADER_BYTES <= length <= bytes_max:
        raise Unreadable
    return first + await reader.readexactly(length - len(first))


def decode(frame: bytes) -> Any:
    """A message with its AVPs as attributes; those that did not come are None. Raises `Unreadable`."""
    try:
        return Message.from_bytes(frame)
    except Exception:  # noqa: BLE001 - the codec raises whatever comes of wrong bytes
        raise Unreadable from None


def encode(message: Any) -> bytes:
    """A message as it goes over the wire."""
    encoded: bytes = message.as_bytes()
    return encoded


def answer(request: Any, origin_host: str, realm: str, result_code: int, failed: Avp | None = None) -> Any:
    """The answer to a request, as yet with nothing but its result (RFC 6733, 6.2)."""
    reply = request.to_answer()
    reply.origin_host = origin_host.encode()
    reply.origin_realm = realm.encode()
    reply.result_code = result_code
    reply.header.is_error = 3000 <= result_code < 4000
    for copied in ("session_id", "proxy_info"):
        if (value := getattr(request, copied, None)) is not None:
            setattr(reply, copied, value)
    if failed is not None:
        reply.failed_avp = [FailedAvp(additional_avps=[failed])]
    return reply


def text_of(value: object) -> str:
    """A text AVP, or an octet string that holds one. Raises `Refused` for what is no text."""
    try:
        return value.decode() if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError:
        raise Refused(INVALID_AVP_VALUE) from None
