"""The line by Diameter: one connection, one request under way at a time."""

import asyncio
from collections.abc import Iterator
from typing import Any, Final, Self

from diameter.message import Message  # type: ignore[import-untyped]
from diameter.message import constants as names
from diameter.message.avp.grouped import (  # type: ignore[import-untyped]
    RequestedServiceUnit,
    ServiceParameterInfo,
    UsedServiceUnit,
)
from diameter.message.commands import (  # type: ignore[import-untyped]
    CapabilitiesExchangeRequest,
    CreditControlRequest,
    DisconnectPeerRequest,
)

from obverse.sandbox.calling.model import Card, Granted, NoCall

_CREDIT_CONTROL: Final = 4
_PIN: Final = 1
_SUCCESS: Final = 2001
_ANSWER_S: Final = 10
_CONTEXT: Final = "calls@obverse"


class DiameterLine:
    """A calling server of this name (Origin-Host), connected to the platform or to a relay before it."""

    def __init__(
        self, host: str, port: int, origin_host: str, realm: str | None, session_names: Iterator[str]
    ) -> None:
        """`realm` is the platform's; None where we are connected to the platform itself, which tells it."""
        self._address = host, port
        self._origin_host = origin_host
        self._realm = realm
        self._session_names = session_names
        self._numbers: dict[str, int] = {}
        self._used: dict[str, int] = {}
        self._ids = 0
        self._turn = asyncio.Lock()
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def __aenter__(self) -> Self:
        """Connect and say who we are. Raises `NoCall` where that is not welcome."""
        self._reader, self._writer = await asyncio.open_connection(*self._address)
        hello = CapabilitiesExchangeRequest()
        hello.host_ip_address = ["127.0.0.1"]
        hello.vendor_id = 0
        hello.product_name = "sandbox calling server"
        hello.auth_application_id = [_CREDIT_CONTROL]
        answer = _check(await self._ask(hello))
        self._realm = self._realm or answer.origin_realm.decode()
        return self

    def cut(self) -> None:
        """Break the connection without a word."""
        self._writer.transport.abort()

    async def __aexit__(self, *_: object) -> None:
        if self._writer.is_closing():
            return
        goodbye = DisconnectPeerRequest()
        goodbye.disconnect_cause = names.E_DISCONNECT_CAUSE_DO_NOT_WANT_TO_TALK_TO_YOU
        await self._ask(goodbye)
        self._writer.close()
        await self._writer.wait_closed()

    async def open(self, card: Card, seconds: int) -> Granted:
        session = next(self._session_names)
        request = self._request(session, names.E_CC_REQUEST_TYPE_INITIAL_REQUEST)
        request.add_subscription_id(names.E_SUBSCRIPTION_ID_TYPE_END_USER_PRIVATE, card.number.reveal())
        request.service_parameter_info = [ServiceParameterInfo(_PIN, card.pin.reveal().encode())]
        request.requested_service_unit = RequestedServiceUnit(cc_time=seconds)
        return self._granted(session, _check(await self._ask(request)))

    async def extend(self, granted: Granted, used: int, until: int) -> Granted:
        request = self._report(granted, used, names.E_CC_REQUEST_TYPE_UPDATE_REQUEST)
        request.requested_service_unit = RequestedServiceUnit(cc_time=until - used)
        return self._granted(granted.session, _check(await self._ask(request)))

    async def close(self, granted: Granted, used: int) -> int:
        request = self._report(granted, used, names.E_CC_REQUEST_TYPE_TERMINATION_REQUEST)
        request.termination_cause = names.E_TERMINATION_CAUSE_DIAMETER_LOGOUT
        cost: int = _check(await self._ask(request)).cost_information.unit_value.value_digits
        return cost

    def _report(self, granted: Granted, used: int, kind: int) -> Any:
        """A request that tells what was used since the one before."""
        request = self._request(granted.session, kind)
        request.used_service_unit = [UsedServiceUnit(cc_time=used - self._used.get(granted.session, 0))]
        self._used[granted.session] = used
        return request

    def _request(self, session: str, kind: int) -> Any:
        request = CreditControlRequest()
        request.session_id = session
        assert self._realm is not None, "the platform told it when we connected"
        request.destination_realm = self._realm.encode()
        request.service_context_id = _CONTEXT
        request.cc_request_type = kind
        request.cc_request_number = self._numbers.get(session, 0)
        self._numbers[session] = request.cc_request_number + 1
        return request

    def _granted(self, session: str, answer: Any) -> Granted:
        until = self._used.get(session, 0) + answer.granted_service_unit.cc_time
        return Granted(session, until, answer.final_unit_indication is not None)

    async def _ask(self, request: Any) -> Any:
        async with self._turn:
            self._ids += 1
            request.header.hop_by_hop_identifier = request.header.end_to_end_identifier = self._ids
            request.header.application_id = (
                0 if request.code != CreditControlRequest.code else _CREDIT_CONTROL
            )
            request.origin_host = self._origin_host.encode()
            request.origin_realm = self._origin_host.partition(".")[2].encode()
            self._writer.write(request.as_bytes())
            while True:
                answer = await self._next()
                if answer.header.hop_by_hop_identifier == self._ids and not answer.header.is_request:
                    return answer

    async def _next(self) -> Any:
        async with asyncio.timeout(_ANSWER_S):
            start = await self._reader.readexactly(4)
            return Message.from_bytes(start + await self._reader.readexactly(int.from_bytes(start[1:]) - 4))


def _check(answer: Any) -> Any:
    if answer.result_code != _SUCCESS:
        raise NoCall(str(answer.result_code))
    return answer
