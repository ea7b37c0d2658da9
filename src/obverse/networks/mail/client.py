"""SMTP to the relay that delivers our mail (RFC 5321). Connections are kept and used for many messages."""

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Final, Literal, TypeAlias

from aiosmtplib import SMTP, SMTPException, SMTPResponse, SMTPResponseException, SMTPServerDisconnected

from obverse.kit.secret import Secret
from obverse.letters.model import Attempt, Problem, Written
from obverse.networks.mail.mime import compose

Tls: TypeAlias = Literal["none", "starttls", "tls"]

ATTEMPT_S_MAX: Final = 30.0
"""For one message, connecting included."""
_QUIT_S_MAX: Final = 1.0
_DONE: Final = 2
"""The first digit of a reply's code."""
_GO_ON: Final = 3
_CODES: Final = range(400, 600)
_FOR_GOOD: Final = 500


@dataclass(frozen=True, slots=True)
class Relay:
    """Where mail is handed in, and as whom."""

    host: str
    port: int
    tls: Tls
    sender: str
    """`Name <address>`."""
    user: str | None = None
    password: Secret | None = None


class MailClient:
    """Implements `letters.ports.Carrier`. Opens as many connections as messages are under way at once."""

    def __init__(
        self, relay: Relay, *, trust: ssl.SSLContext | None = None, timeout_s: float = ATTEMPT_S_MAX
    ) -> None:
        """`trust` says whose certificates are believed; by default, those that everybody believes."""
        self._relay = relay
        self._trust = trust
        self._timeout_s = timeout_s
        self._name, self._address = parseaddr(relay.sender)
        self._idle: list[SMTP] = []

    async def carry(self, letter: Written) -> Attempt:
        """Hand in one message. 5xx to its recipient or its text refuses it for good, 4xx postpones it."""
        message = compose(letter, self._name, self._address)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._hand_in(letter.to.reveal(), message)
        except SMTPResponseException as error:
            # To our greeting, our password or our own address: no fault of the recipient's.
            return Attempt(Problem.UNREACHABLE, error.code if error.code in _CODES else None)
        except (SMTPException, OSError):  # among them TimeoutError
            return Attempt(Problem.UNREACHABLE)

    async def close(self) -> None:
        """Say goodbye on every connection."""
        idle, self._idle = self._idle, []
        for smtp in idle:
            with contextlib.suppress(SMTPException, OSError):
                await smtp.quit(timeout=_QUIT_S_MAX)
            smtp.close()

    async def _hand_in(self, to: str, message: bytes) -> Attempt:
        smtp = await self._begin()
        try:
            attempt = await self._finish(smtp, to, message)
        except BaseException:
            smtp.close()
            raise
        if smtp.is_connected:
            self._idle.append(smtp)
        return attempt

    async def _begin(self) -> SMTP:
        """A connection on which a message is begun; those that the relay has closed meanwhile are left."""
        while self._idle:
            smtp = self._idle.pop()
            try:
                await _say(smtp, f"MAIL FROM:<{self._address}>")
            except (SMTPException, OSError):
                smtp.close()
            except BaseException:
                smtp.close()
                raise
            else:
                return smtp
        smtp = await self._connect()
        try:
            await _say(smtp, f"MAIL FROM:<{self._address}>")
        except BaseException:
            smtp.close()
            raise
        return smtp

    async def _finish(self, smtp: SMTP, to: str, message: bytes) -> Attempt:
        try:
            await _say(smtp, f"RCPT TO:<{to}>")
            await _say(smtp, "DATA", _GO_ON)
            await _write(smtp, message)
        except SMTPResponseException as error:
            if error.code not in _CODES:
                raise  # that was no SMTP
            await self._reset(smtp)
            return Attempt(Problem.REFUSED if error.code >= _FOR_GOOD else Problem.POSTPONED, error.code)
        return Attempt(None)

    async def _reset(self, smtp: SMTP) -> None:
        """Make the connection fit for the next message, or close it."""
        try:
            await smtp.rset(timeout=None)
        except (SMTPException, OSError):
            smtp.close()

    async def _connect(self) -> SMTP:
        relay = self._relay
        smtp = SMTP(
            hostname=relay.host,
            port=relay.port,
            username=relay.user,
            password=relay.password.reveal() if relay.password is not None else None,
            # What we say we are; to ask the system would hold up everything else.
            local_hostname=self._address.rpartition("@")[2],
            use_tls=relay.tls == "tls",
            start_tls=relay.tls == "starttls",
            tls_context=self._trust,
            timeout=self._timeout_s,
        )
        await smtp.connect()
        if smtp.is_ehlo_or_helo_needed:
            await smtp.ehlo(timeout=None)
        return smtp


# The library's own `mail`, `rcpt` and `data` parse addresses and rewrite lines: a third of the work.
# Our addresses were checked when they came in; `compose` ends lines with CR LF and begins none with a dot.


async def _say(smtp: SMTP, command: str, wanted: int = _DONE) -> None:
    _check(await smtp.execute_command(command.encode("ascii"), timeout=None), wanted)


async def _write(smtp: SMTP, message: bytes) -> None:
    if smtp.protocol is None:
        raise SMTPServerDisconnected("Closed after DATA.")
    smtp.protocol.write(message + b".\r\n")
    _check(await smtp.protocol.read_response(), _DONE)


def _check(reply: SMTPResponse, wanted: int) -> None:
    if reply.code // 100 != wanted:
        raise SMTPResponseException(reply.code, reply.message)
