"""The line to the mail relay: protected, signed in, kept open, and opened again."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from tests.factories.letters import written
from tests.factories.mailbox import HOST, a_mailbox
from tests.factories.tls import a_certificate

from obverse.kit.secret import Secret
from obverse.letters.model import Attempt, Problem
from obverse.networks.mail import MailClient, Relay

SENDER = "Obverse <no-reply@obverse.example>"


class Keeping:
    """Takes everything; `talks` counts the connections."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bool]] = []
        self.talks = 0

    async def handle_EHLO(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, hostname: str, replies: list[str]
    ) -> list[str]:
        session.host_name, self.talks = hostname, self.talks + 1
        return replies

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.taken.append((envelope.rcpt_tos[0], session.authenticated))
        return "250 OK"


def _sign_in(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"us", b"secret word")
    return AuthResult(success=good, handled=False)


@asynccontextmanager
async def a_relay(
    handler: Keeping, *, over: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[int]:
    def session() -> SMTP:
        return SMTP(handler, hostname="relay.example", authenticator=_sign_in, **options)

    server = await asyncio.get_running_loop().create_server(session, HOST, 0, ssl=over)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def a_client(port: int, trust: ssl.SSLContext | None = None, **how: Any) -> AsyncIterator[MailClient]:
    relay = Relay("localhost", port, **({"tls": "none", "sender": SENDER} | how))
    client = MailClient(relay, trust=trust, timeout_s=5)
    yield client
    await client.close()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    return a_certificate("localhost", Path(tmp_path_factory.mktemp("tls")))


async def test_the_line_is_protected_and_we_sign_in(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    server, trust = tls
    handler, us = Keeping(), {"user": "us", "password": Secret("secret word")}
    async with (
        a_relay(handler, tls_context=server, require_starttls=True, auth_required=True) as port,
        a_client(port, trust, tls="starttls", **us) as client,
    ):
        assert await client.carry(written("gift")) == Attempt(None)
    async with (
        a_relay(handler, over=server, auth_require_tls=False) as port,
        a_client(port, trust, tls="tls", **us) as client,
    ):
        assert await client.carry(written("gift")) == Attempt(None)
    assert handler.taken == [("person@mail.example", True)] * 2


@pytest.mark.parametrize("how", ["a certificate that nobody vouches for", "a wrong password", "no STARTTLS"])
async def test_a_letter_is_not_handed_to_whom_we_do_not_trust_or_who_does_not_know_us(
    how: str, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    server, trust = tls
    handler = Keeping()
    options = {} if how == "no STARTTLS" else {"tls_context": server, "auth_required": True}
    word = Secret("wrong" if how == "a wrong password" else "secret word")
    believed = None if how.startswith("a certificate") else trust
    async with (
        a_relay(handler, **options) as port,
        a_client(port, believed, tls="starttls", user="us", password=word) as client,
    ):
        attempt = await client.carry(written("gift"))
    assert attempt == Attempt(Problem.UNREACHABLE, 535 if how == "a wrong password" else None)
    assert handler.taken == []


async def test_one_connection_carries_many_letters_and_one_that_the_relay_closed_is_replaced() -> None:
    handler = Keeping()
    async with a_relay(handler, timeout=0.2) as port, a_client(port) as client:
        for _ in range(5):
            assert await client.carry(written("gift")) == Attempt(None)
        assert handler.talks == 1
        await asyncio.sleep(0.5)  # the relay's patience is over
        assert await client.carry(written("gift")) == Attempt(None)
        assert handler.talks == 2
        await asyncio.gather(*[client.carry(written("gift")) for _ in range(4)])
        assert handler.talks == 5, "one for each that is under way at once"
    assert len(handler.taken) == 10


async def test_a_connection_goes_on_after_a_bounce() -> None:
    async with a_mailbox() as box, a_client(box.mail.port) as client:
        letter = written("gift")
        lost = msgspec.structs.replace(letter, to=Secret("nobody@mail.example"))
        assert await client.carry(lost) == Attempt(Problem.REFUSED, 550)
        assert await client.carry(letter) == Attempt(None)
        assert len(box.letters_to("person@mail.example")) == 1
