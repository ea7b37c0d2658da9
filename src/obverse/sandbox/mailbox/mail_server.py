"""A mail server (RFC 5321) that takes mail for everybody, on aiosmtpd.

A mailbox that begins with `nobody` does not exist, so that anybody can make up an address that bounces.
"""

import asyncio
import logging
from typing import Final, cast
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, Envelope, Session

from obverse.kit.clock import Clock
from obverse.sandbox.faults import Fault, FaultMenu, FaultRule, MessageKind
from obverse.sandbox.mailbox.box import Box
from obverse.sandbox.trace import Trace

NOBODY: Final = "nobody"

_TAKEN: Final = "250 2.0.0 Taken"
_NO_SUCH_MAILBOX: Final = "550 5.1.1 No such mailbox"
_CLOSING: Final = "421 4.3.2 Closing"
_ANSWERS: Final = {
    Fault.BOUNCE: "554 5.7.1 Not wanted here",
    Fault.POSTPONE: "451 4.7.1 Come again later",
    Fault.REFUSE: _CLOSING,
}

# It logs who gets mail.
logging.getLogger("mail.log").setLevel(logging.WARNING)


class MailServer:
    """The server on its port. Its faults: slow, late, silent, lost, close (takes the mail, then hangs up),
    garbage, duplicate (keeps it twice), bounce, postpone, refuse."""

    def __init__(
        self, box: Box, faults: FaultMenu, trace: Trace, clock: Clock, name: str = "Mail server"
    ) -> None:
        self.box, self.name = box, name
        self._faults, self._trace, self._clock = faults, trace, clock
        self._sessions: WeakSet[SMTP] = WeakSet()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self, host: str, port: int = 0) -> None:
        """Listen; port 0 takes a free one, told by `port`. Raises `OSError` when the port is taken."""
        self._server = await asyncio.get_running_loop().create_server(self._session, host, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Hang up."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for session in self._sessions:
            _hang_up(session)
        await asyncio.sleep(0)  # the loop tells the sessions

    def _session(self) -> SMTP:
        session = SMTP(self, hostname="mailbox.sandbox", ident="Obverse sandbox")
        self._sessions.add(session)
        return session

    # what aiosmtpd calls -----------------------------------------------------------------------------------

    async def handle_RCPT(  # noqa: N802  (the name is aiosmtpd's)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Whether there is such a mailbox."""
        if address.startswith(NOBODY):
            self._trace.http(self.name, "Obverse", "550", {"reason": "no such mailbox"})
            return _NO_SUCH_MAILBOX
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802  (the name is aiosmtpd's)
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Keep the mail, as the fault menu has it."""
        rule = self._faults.take(MessageKind.MAIL)
        fault = rule.fault if rule is not None else None
        if fault in _ANSWERS:
            return _ANSWERS[fault]
        if fault is Fault.LOST:
            return await _never()
        await _delay(rule, Fault.SLOW)
        for _ in range(2 if fault is Fault.DUPLICATE else 1):
            self._keep(envelope)
        await _delay(rule, Fault.LATE)
        if fault is Fault.SILENT:
            return await _never()
        if fault is Fault.CLOSE:
            _hang_up(server)
            return await _never()
        return "what?" if fault is Fault.GARBAGE else _TAKEN

    def _keep(self, envelope: Envelope) -> None:
        assert isinstance(envelope.content, bytes)
        for to in envelope.rcpt_tos:
            kept = self.box.take_mail(to, envelope.content, self._clock.now())
            self._trace.http("Obverse", self.name, "mail", {"message": kept.id})


def _hang_up(session: SMTP) -> None:
    if session.transport is not None:
        cast(asyncio.Transport, session.transport).abort()


async def _never() -> str:
    """No answer; the session is cancelled when its caller has hung up."""
    await asyncio.Event().wait()
    return _CLOSING


async def _delay(rule: FaultRule | None, fault: Fault) -> None:
    if rule is not None and rule.fault is fault:
        await asyncio.sleep(rule.delay_ms / 1000)
