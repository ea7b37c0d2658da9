"""The bank's API: what its customers' machines call. Sequence and fields: docs/bank.md.

`POST /v1/transfers {"account", "transfers": [...]}` carries out up to 500 orders, each once per id;
`GET /v1/transfers?id=...` tells what became of orders; `GET /v1/statements/{day}?account=...` is camt.053.
`POST /v1/collections {"account", "collections": [...]}` takes money by mandate, each once per id; the same
again tells what became of it.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import date
from typing import Annotated, Any, Final

import msgspec
from litestar import Litestar, Request, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response
from msgspec import Meta

from obverse.kit.clock import Clock
from obverse.kit.http_server import HttpServer
from obverse.sandbox.bank import statement
from obverse.sandbox.bank.book import BankBook
from obverse.sandbox.bank.model import BankAccount, Order
from obverse.sandbox.faults import Fault, FaultMenu, FaultRule, MessageKind
from obverse.sandbox.trace import Trace

AT_ONCE_MAX: Final = 500
_HTML: Final = "<html>we are moving house</html>"

Answer = Response[Any]


class WireTransfer(msgspec.Struct, frozen=True):
    """One order as it comes in; `account` is the payee's."""

    id: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,35}$")]
    amount: Annotated[int, Meta(ge=1)]
    currency: str
    bank_code: str
    account: str
    holder: str
    reference: str


class WireBatch(msgspec.Struct, frozen=True):
    """Orders of one account holder; `account` is the payer's."""

    account: str
    transfers: Annotated[list[WireTransfer], Meta(min_length=1, max_length=AT_ONCE_MAX)]


class WireCollection(msgspec.Struct, frozen=True):
    """One collection as it comes in; `account` is the payer's."""

    id: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,35}$")]
    amount: Annotated[int, Meta(ge=1)]
    currency: str
    bank_code: str
    account: str
    holder: str
    mandate: str
    reference: str


class WireCollections(msgspec.Struct, frozen=True):
    """Collections for one account holder; `account` is the payee's."""

    account: str
    collections: Annotated[list[WireCollection], Meta(min_length=1, max_length=AT_ONCE_MAX)]


class WireResult(msgspec.Struct, frozen=True):
    id: str
    status: str
    reason: str


class Bank(HttpServer):
    """The bank on its port. Faults: slow, late, silent, lost, close (works, then 503), refuse (503), garbage;
    duplicate books a transfer twice, or shows an entry of a statement twice."""

    def __init__(
        self, book: BankBook, faults: FaultMenu, trace: Trace, clock: Clock, name: str = "Bank"
    ) -> None:
        super().__init__(self._make_app())
        self.book, self.name = book, name
        self._faults, self._trace, self._clock = faults, trace, clock
        self._closing = asyncio.Event()

    async def stop(self) -> None:
        self._closing.set()
        await super().stop()

    async def carry_out(self, batch: WireBatch) -> Answer:
        """Carry out a batch, as the fault menu has it."""
        self._trace.http("Obverse", self.name, "POST /v1/transfers", {"transfers": str(len(batch.transfers))})

        def work(rule: FaultRule | None) -> Answer:
            times = 2 if rule is not None and rule.fault is Fault.DUPLICATE else 1
            return self._told(
                [
                    (each.id, self.book.carry_out(each.id, _order(batch.account, each), times=times))
                    for each in batch.transfers
                ]
            )

        return await self._serve(MessageKind.TRANSFER, work)

    async def collect(self, batch: WireCollections) -> Answer:
        """Take money from payers' accounts, as the fault menu has it."""
        fields = {"collections": str(len(batch.collections))}
        self._trace.http("Obverse", self.name, "POST /v1/collections", fields)

        def work(rule: FaultRule | None) -> Answer:
            times = 2 if rule is not None and rule.fault is Fault.DUPLICATE else 1
            payee = self.book.account(batch.account)
            if payee is None:
                raise HTTPException(status_code=404, detail="No such account.")
            return self._told(
                [
                    (each.id, self.book.collect(each.id, _collected(payee, each), each.mandate, times=times))
                    for each in batch.collections
                ]
            )

        return await self._serve(MessageKind.COLLECTION, work)

    async def tell(self, ids: Sequence[str]) -> Answer:
        """What became of orders."""
        self._trace.http("Obverse", self.name, "GET /v1/transfers", {"transfers": str(len(ids))})
        return await self._serve(
            MessageKind.TRANSFER_QUERY, lambda _: self._told([(id_, self.book.outcome(id_)) for id_ in ids])
        )

    async def statement(self, number: str, day: date, known: str | None) -> Answer:
        """The statement of an account on a day; 304 for whoever has this very one."""

        def work(rule: FaultRule | None) -> Answer:
            account = self.book.account(number)
            if account is None:
                raise HTTPException(status_code=404, detail="No such account.")
            etag = f'"{self.book.version(number)}"'
            if known == etag and rule is None:
                return Response(None, status_code=304)
            entries = list(self.book.entries(number, day))
            if rule is not None and rule.fault is Fault.DUPLICATE:
                entries += entries[-1:]
            opening = self.book.opening(number, day)
            id_ = f"{self.book.version(number).partition('-')[0]}-{day:%Y%m%d}"
            content = statement.write(
                account, self.book.currency, day, opening, entries, self._clock.now(), id_
            )
            headers = {} if rule is not None else {"ETag": etag}
            return Response(content, media_type="application/xml", headers=headers)

        return await self._serve(MessageKind.STATEMENT, work)

    async def _serve(self, kind: MessageKind, work: Callable[[FaultRule | None], Answer]) -> Answer:
        """Do the work and answer, or as much of both as the fault leaves."""
        rule = self._faults.take(kind)
        fault = rule.fault if rule is not None else None
        if fault is Fault.LOST:
            await self._never()
        if fault is Fault.REFUSE:
            raise HTTPException(status_code=503, detail="The bank is closed.")
        if rule is not None and fault is Fault.SLOW:
            await asyncio.sleep(rule.delay_ms / 1000)
        answer = work(rule)
        if fault is Fault.SILENT:
            await self._never()
        if rule is not None and fault is Fault.LATE:
            await asyncio.sleep(rule.delay_ms / 1000)
        if fault is Fault.CLOSE:
            raise HTTPException(status_code=503, detail="The bank is closed.")
        return Response(_HTML, media_type="text/html") if fault is Fault.GARBAGE else answer

    async def _never(self) -> None:
        await self._closing.wait()
        raise HTTPException(status_code=503, detail="The bank is closed.")

    def _told(self, outcomes: Sequence[tuple[str, Any]]) -> Answer:
        results = [WireResult(id_, outcome.status, outcome.reason) for id_, outcome in outcomes]
        refused = [result.reason for result in results if result.reason]
        fields = {"transfers": str(len(results)), "refused": str(len(refused))}
        self._trace.http(self.name, "Obverse", "200", fields | ({"reason": refused[0]} if refused else {}))
        return Response({"results": results})

    def _make_app(self) -> Litestar:
        @post("/v1/transfers", status_code=200)
        async def transfers(data: JSONBody[WireBatch]) -> Answer:
            return await self.carry_out(data)

        @post("/v1/collections", status_code=200)
        async def collections(data: JSONBody[WireCollections]) -> Answer:
            return await self.collect(data)

        @get("/v1/transfers")
        async def outcomes(id: FromQuery[list[str]]) -> Answer:
            return await self.tell(id)

        @get("/v1/statements/{day:date}")
        async def day_statement(
            day: FromPath[date], account: FromQuery[str], request: Request[Any, Any, Any]
        ) -> Answer:
            return await self.statement(account, day, request.headers.get("if-none-match"))

        return Litestar([transfers, collections, outcomes, day_statement], openapi_config=None)


def _order(payer: str, transfer: WireTransfer) -> Order:
    return Order(
        payer=payer,
        payee_bank=transfer.bank_code,
        payee=transfer.account,
        payee_holder=transfer.holder,
        amount_minor=transfer.amount,
        currency=transfer.currency,
        reference=transfer.reference,
        end_to_end_id=transfer.id,
    )


def _collected(payee: BankAccount, collection: WireCollection) -> Order:
    return Order(
        payer=collection.account,
        payee_bank=payee.bank_code,
        payee=payee.number,
        payee_holder=payee.holder,
        amount_minor=collection.amount,
        currency=collection.currency,
        reference=collection.reference,
        end_to_end_id=collection.id,
    )
