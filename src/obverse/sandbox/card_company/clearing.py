"""The card company's clearing: files in, acknowledgements out, and what it pays for them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from obverse.sandbox.card_company import ipm
from obverse.sandbox.card_company.book import Book
from obverse.sandbox.card_company.model import Reason
from obverse.sandbox.faults import Fault, FaultMenu, MessageKind
from obverse.sandbox.trace import Trace

_PATIENCE_S: Final = 0.5
"""Between two attempts to pay."""


@dataclass(frozen=True, slots=True)
class Payment:
    """An order to the card company's bank; the bank carries an `id` out once."""

    id: str
    amount_minor: int
    reference: str


Pay = Callable[[Payment], Awaitable[bool]]
"""Orders a payment; False where the bank has not answered. Safe to repeat."""


class KnownOtherwise(Exception):
    """The id of an earlier file came with other contents."""


class Clearing:
    """Takes each file once: the same id again gets the same acknowledgement.

    A file whose credits outweigh its debits is paid nothing: what is left over is deducted from what the next
    files are paid.
    """

    def __init__(self, book: Book, faults: FaultMenu, trace: Trace, pay: Pay, name: str) -> None:
        self._book, self._faults, self._trace = book, faults, trace
        self._pay = pay
        self._name = name
        self._files: dict[str, tuple[bytes, bytes]] = {}
        self._carried_minor = 0
        self._paying: set[asyncio.Task[None]] = set()

    def take(self, id_: str, content: bytes, *, reject_all: bool = False) -> None:
        """Read a file, charge and credit cardholders, and order the payment. Raises `KnownOtherwise`."""
        if id_ in self._files:
            if self._files[id_][0] != content:
                raise KnownOtherwise
            return
        try:
            presented = ipm.read(content)
        except ipm.BadFile as bad:
            self._files[id_] = content, ipm.reject(ipm.file_id_in(content), bad.reason)
            self._trace.http(
                self._name, "Obverse", "clearing file rejected", {"reason": bad.reason.name.lower()}
            )
            return
        judged = [
            ipm.Judged(item, Reason.NO_APPROVAL if reject_all else self._book.present(item))
            for item in presented.items
        ]
        self._files[id_] = content, ipm.acknowledge(presented, judged)
        net = sum(
            -each.item.amount_minor if each.item.is_credit else each.item.amount_minor
            for each in judged
            if each.reason is None
        )
        self._settle(id_, presented.reference, net)
        told = {
            "presentments": str(len(judged)),
            "rejected": str(sum(each.reason is not None for each in judged)),
            "net": str(net),
            "reference": presented.reference,
        }
        self._trace.http(self._name, "Obverse", "clearing file taken", told)

    def acknowledgement(self, id_: str) -> bytes | None:
        """What was said of a file; None for one that never came."""
        known = self._files.get(id_)
        return known[1] if known is not None else None

    async def stop(self) -> None:
        """Leave off paying."""
        for task in self._paying:
            task.cancel()
        if self._paying:
            await asyncio.wait(self._paying)

    def _settle(self, id_: str, reference: str, net_minor: int) -> None:
        due = net_minor + self._carried_minor
        self._carried_minor = min(0, due)
        if due > 0:
            task = asyncio.create_task(self._pay_for(Payment(id_, due, reference)))
            self._paying.add(task)
            task.add_done_callback(self._paying.discard)

    async def _pay_for(self, payment: Payment) -> None:
        rule = self._faults.take(MessageKind.CARD_COMPANY_PAYMENT)
        fault = rule.fault if rule is not None else None
        if fault in (Fault.SILENT, Fault.LOST):
            return
        if rule is not None and rule.delay_ms:
            await asyncio.sleep(rule.delay_ms / 1000)
        if fault is Fault.SHORT:
            payment = Payment(payment.id, max(1, payment.amount_minor // 2), payment.reference)
        await self._insist(payment)
        if fault is Fault.DUPLICATE:
            await self._insist(Payment(f"{payment.id}-again", payment.amount_minor, payment.reference))

    async def _insist(self, payment: Payment) -> None:
        while not await self._pay(payment):  # noqa: ASYNC110 - asked again, there is nothing to wait for
            await asyncio.sleep(_PATIENCE_S)
        told = {"amount": str(payment.amount_minor), "reference": payment.reference}
        self._trace.http(self._name, "Bank", "payment for clearing files", told)
