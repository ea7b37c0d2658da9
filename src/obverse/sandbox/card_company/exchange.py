"""The card company's file exchange over HTTP: `PUT /files/{id}`, `GET /files/{id}/acknowledgement`."""

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid5

import httpx
from litestar import Litestar, Request, get, put
from litestar.params import FromPath
from litestar.response import Response

from obverse.kit.http_server import HttpServer
from obverse.sandbox.card_company.clearing import Clearing, KnownOtherwise, Pay, Payment
from obverse.sandbox.faults import Fault, FaultMenu, MessageKind

FILE_BYTES_MAX: Final = 128 * 1024 * 1024
_BANK_TIMEOUT_S: Final = 5.0
_PAYMENTS: Final = UUID("63617264-636f-4d70-a16e-792070617973")
"""A namespace for ids that are derived, so that a payment keeps its id however often it is ordered."""

_Answer = Response[bytes]


class FileExchange(HttpServer):
    """Its faults. On a file: slow, late, silent, lost, close, refuse, reject_all; on an acknowledgement: the
    same but the last, and garbage."""

    def __init__(self, clearing: Clearing, faults: FaultMenu) -> None:
        super().__init__(self._make_app())
        self._clearing, self._faults = clearing, faults
        self._closing = asyncio.Event()

    async def stop(self) -> None:
        self._closing.set()
        await super().stop()
        await self._clearing.stop()

    async def take(self, id_: str, content: bytes, digest: str | None) -> _Answer:
        """Answer one file: 202, 409 for other contents under a known id, 400 where bytes got lost."""
        own = f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"
        if digest != own:
            return _bare(400)

        async def work(fault: Fault | None) -> _Answer:
            try:
                self._clearing.take(id_, content, reject_all=fault is Fault.REJECT_ALL)
            except KnownOtherwise:
                return _bare(409)
            return _bare(202)

        return await self._misbehave(MessageKind.PRESENTMENT_FILE, work)

    async def tell(self, id_: str) -> _Answer:
        """The acknowledgement, or 404 for a file that never came."""

        async def work(fault: Fault | None) -> _Answer:
            content = self._clearing.acknowledgement(id_)
            if content is None:
                return _bare(404)
            return Response(self._faults.garbage() if fault is Fault.GARBAGE else content, status_code=200)

        return await self._misbehave(MessageKind.ACKNOWLEDGEMENT, work)

    async def _misbehave(
        self, kind: MessageKind, work: Callable[[Fault | None], Awaitable[_Answer]]
    ) -> _Answer:
        rule = self._faults.take(kind)
        fault = rule.fault if rule is not None else None
        delay_s = rule.delay_ms / 1000 if rule is not None else 0
        if fault is Fault.REFUSE:
            return _bare(503)
        if fault is Fault.LOST:
            await self._closing.wait()
            return _bare(503)
        if fault is Fault.SLOW:
            await asyncio.sleep(delay_s)
        answer = await work(fault)
        if fault is Fault.LATE:
            await asyncio.sleep(delay_s)
        if fault is Fault.SILENT:
            await self._closing.wait()
        return _bare(503) if fault in (Fault.SILENT, Fault.CLOSE) else answer

    def _make_app(self) -> Litestar:
        @put("/files/{id_:str}", status_code=202)
        async def take(request: Request[Any, Any, Any], id_: FromPath[str]) -> _Answer:
            return await self.take(id_, await request.body(), request.headers.get("content-digest"))

        @get("/files/{id_:str}/acknowledgement")
        async def tell(id_: FromPath[str]) -> _Answer:
            return await self.tell(id_)

        return Litestar([take, tell], openapi_config=None, request_max_body_size=FILE_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class BankLine:
    """The card company's account, at the sandbox bank, and whom it pays from there."""

    own_account: str
    payee_bank: str
    payee_account: str
    payee_holder: str
    currency: str


def pay_through(bank_url: Callable[[], str], line: BankLine) -> Pay:
    """Pays by the bank's API, like every other customer; docs/bank.md. One id is carried out once."""

    async def pay(payment: Payment) -> bool:
        order: Mapping[str, object] = {
            "id": uuid5(_PAYMENTS, payment.id).hex,
            "amount": payment.amount_minor,
            "currency": line.currency,
            "bank_code": line.payee_bank,
            "account": line.payee_account,
            "holder": line.payee_holder,
            "reference": payment.reference,
        }
        batch = {"account": line.own_account, "transfers": [order]}
        try:
            async with httpx.AsyncClient(
                base_url=bank_url(), timeout=_BANK_TIMEOUT_S, trust_env=False
            ) as http:
                answer = await http.post("/v1/transfers", json=batch)
            paid: bool = answer.is_success and answer.json()["results"][0]["status"] == "booked"
        except (httpx.HTTPError, ValueError, LookupError):
            return False
        return paid

    return pay


def _bare(status: int) -> _Answer:
    return Response(b"", status_code=status)
