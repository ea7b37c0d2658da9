"""`POST /v1/messages {"id", "to", "text"}` with a bearer key: an SMS provider for every telephone there is.

`from` is for senders other than the provider of cards.

A number that ends in 0000 does not exist, so that anybody can make up one that bounces.
"""

import asyncio
from typing import Any, Final

import msgspec
from litestar import Litestar, Request, post
from litestar.exceptions import HTTPException
from litestar.params import JSONBody
from litestar.response import Response

from obverse.kit.clock import Clock
from obverse.kit.http_server import HttpServer
from obverse.sandbox.faults import Fault, FaultMenu, MessageKind
from obverse.sandbox.mailbox.box import Box
from obverse.sandbox.trace import Trace

NOBODY_ENDING: Final = "0000"

_ANSWERS: Final = {Fault.BOUNCE: 422, Fault.POSTPONE: 429, Fault.REFUSE: 503}


class TextMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"sender": "from"}):
    """`id` is the sender's: a message posted twice under one id is sent once."""

    id: str
    to: str
    text: str
    sender: str = "Obverse"


class SmsProvider(HttpServer):
    """The provider on its port. Its faults: slow, late, silent, lost, close (takes it, then a 503), bounce,
    postpone, refuse."""

    def __init__(
        self, box: Box, faults: FaultMenu, trace: Trace, clock: Clock, name: str = "SMS provider"
    ) -> None:
        super().__init__(self._make_app())
        self.box, self.name = box, name
        self._faults, self._trace, self._clock = faults, trace, clock
        self._closing = asyncio.Event()

    async def stop(self) -> None:
        self._closing.set()
        await super().stop()

    async def take(self, message: TextMessage) -> Response[dict[str, str]]:
        """Keep a message, as the fault menu has it."""
        self._trace.http(message.sender, self.name, "POST /v1/messages", {"message": message.id})
        rule = self._faults.take(MessageKind.SMS)
        fault = rule.fault if rule is not None else None
        if fault in _ANSWERS:
            raise HTTPException(status_code=_ANSWERS[fault], detail="Not possible.")
        if fault is Fault.LOST:
            await self._never()
        if rule is not None and fault is Fault.SLOW:
            await asyncio.sleep(rule.delay_ms / 1000)
        if message.to.endswith(NOBODY_ENDING):
            raise HTTPException(status_code=422, detail="No such number.")
        self.box.take_sms(message.id, message.to, message.text, self._clock.now())
        if fault is Fault.SILENT:
            await self._never()
        if rule is not None and fault is Fault.LATE:
            await asyncio.sleep(rule.delay_ms / 1000)
        if fault is Fault.CLOSE:
            raise HTTPException(status_code=503, detail="Not possible.")
        return Response({"id": message.id}, status_code=202)

    async def _never(self) -> None:
        await self._closing.wait()
        raise HTTPException(status_code=503, detail="Not possible.")

    def _make_app(self) -> Litestar:
        @post("/v1/messages", status_code=202)
        async def messages(
            data: JSONBody[TextMessage], request: Request[Any, Any, Any]
        ) -> Response[dict[str, str]]:
            if not request.headers.get("authorization", "").startswith("Bearer "):
                raise HTTPException(status_code=401, detail="Who are you?")
            return await self.take(data)

        return Litestar([messages], openapi_config=None)
