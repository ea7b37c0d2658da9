"""The card company on the wire: an ISO 8583 server that can be told to misbehave."""

import asyncio

from obverse.sandbox.card_company.book import Book
from obverse.sandbox.card_company.model import Code
from obverse.sandbox.card_company.rules import read
from obverse.sandbox.faults import Fault, FaultMenu, FaultRule, MessageKind
from obverse.sandbox.listener import Caller, Listener
from obverse.sandbox.trace import Trace
from obverse.sandbox.wire import Frame, Message, answer_to, is_answer, original_key


class CardCompany:
    """Answers 0100/0200 (payments and checks), 0400/0420 (reversals), 0800 (echo, sign on or off)."""

    def __init__(
        self,
        book: Book,
        faults: FaultMenu,
        trace: Trace,
        *,
        name: str = "Card company",
        caller_name: str | None = None,
    ) -> None:
        """`caller_name` is who calls, where it is always the same one; else the acquirer id (DE 32) tells."""
        self.book, self.name = book, name
        self._caller_name = caller_name
        self._faults, self.trace = faults, trace
        self._listener = Listener(self._handle)

    @property
    def port(self) -> int:
        return self._listener.port

    async def start(self, host: str, port: int = 0) -> None:
        """Raises `OSError` when the port is taken."""
        await self._listener.start(host, port)

    async def stop(self) -> None:
        await self._listener.stop()

    async def set_fault(self, kind: MessageKind, rule: FaultRule | None) -> None:
        """Change the fault menu; `REFUSE` on `CONNECTION` takes effect at once."""
        self._faults.set(kind, rule)
        if kind is MessageKind.CONNECTION:
            if rule is None:
                await self._listener.listen_again()
            else:
                self._listener.hang_up()

    async def _handle(self, caller: Caller, frame: Frame) -> None:
        if is_answer(frame.message):
            return
        sender = self._caller_name or f"Acquirer {frame.message.get('32', '?')}"
        self.trace.iso8583(sender, self.name, frame.message)
        rule = self._faults.take(kind_of(frame.message))
        if rule is not None and rule.fault is Fault.LOST:
            return
        if rule is not None and rule.fault is Fault.SLOW:
            await asyncio.sleep(rule.delay_ms / 1000)
        answer = self._answer(frame)
        if await self._misbehave(caller, rule):
            return
        self.trace.iso8583(self.name, sender, answer.message)
        await caller.send(answer)
        if rule is not None and rule.fault is Fault.DUPLICATE:
            await caller.send(answer)

    async def _misbehave(self, caller: Caller, rule: FaultRule | None) -> bool:
        """Do what the rule says about the answer; True when there is to be no proper one."""
        if rule is None:
            return False
        match rule.fault:
            case Fault.LATE:
                await asyncio.sleep(rule.delay_ms / 1000)
            case Fault.SILENT:
                return True
            case Fault.CLOSE:
                caller.close()
                return True
            case Fault.GARBAGE:
                await caller.send_raw(self._faults.garbage())
                return True
        return False

    def _answer(self, frame: Frame) -> Frame:
        match frame.message["t"][1]:
            case "1" | "2":
                return self._authorize(frame)
            case "4":
                return self._reverse(frame)
            case "8":
                return answer_to(frame, Code.APPROVED)
        return answer_to(frame, Code.FORMAT_ERROR)

    def _authorize(self, frame: Frame) -> Frame:
        request = read(frame.message)
        if request is None:
            return answer_to(frame, Code.FORMAT_ERROR)
        answer = self.book.authorize(request)
        return answer_to(frame, answer.code, {"38": answer.approval_code} if answer.approval_code else None)

    def _reverse(self, frame: Frame) -> Frame:
        key = original_key(frame.message)
        if key is None:
            return answer_to(frame, Code.FORMAT_ERROR)
        self.book.reverse(key)
        return answer_to(frame, Code.APPROVED)


def kind_of(message: Message) -> MessageKind:
    """Which line of the fault menu a message falls under."""
    match message["t"][1]:
        case "4":
            return MessageKind.REVERSAL
        case "8":
            return MessageKind.ECHO
    return MessageKind.CHECK if message.get("25") == "51" else MessageKind.AUTHORIZATION
