"""Diameter for tests: python-diameter's own client, and Debian's freeDiameter as a relay in between."""

import asyncio
import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from diameter.message import Message
from diameter.message import constants as names
from diameter.message.avp.grouped import RequestedServiceUnit, ServiceParameterInfo, UsedServiceUnit
from diameter.message.commands import CapabilitiesExchangeRequest, CreditControlRequest
from diameter.node import Node
from diameter.node.application import SimpleThreadingApplication

from obverse.cards import CardFace

FREE_DIAMETER = shutil.which("freeDiameterd")
EXTENSIONS = Path("/usr/lib/freeDiameter")
HOST = "127.0.0.1"
CREDIT_HOST = "credit.obverse.example"
REALM = "obverse.example"
CALLS_HOST = "calls.example.com"
RELAY_HOST = "relay.example.net"


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Caller:
    """A calling server on python-diameter's own node, connected to the door or to a relay before it."""

    def __init__(self, node: Node, app: SimpleThreadingApplication) -> None:
        self._node = node
        self._app = app

    async def ask(self, request: CreditControlRequest) -> Any:
        """Send a request and wait for its answer."""
        return await asyncio.to_thread(self._app.send_request, request, 10)

    def session(self) -> str:
        return self._node.session_generator.next_id()


@asynccontextmanager
async def a_caller(port: int, peer: str = CREDIT_HOST, host: str = CALLS_HOST) -> AsyncIterator[Caller]:
    """A calling server that is connected; hung up at the end."""
    node = Node(host, host.partition(".")[2])
    node.wakeup_interval = 1
    realm = peer.partition(".")[2]
    far = node.add_peer(f"aaa://{peer}:{port}", realm, [HOST], is_persistent=True)
    app = SimpleThreadingApplication(names.APP_DIAMETER_CREDIT_CONTROL_APPLICATION, is_auth_application=True)
    node.add_application(app, [far], [REALM])
    node.start()
    try:
        await asyncio.to_thread(app.wait_for_ready, 15)
        yield Caller(node, app)
    finally:
        await asyncio.to_thread(node.stop, 5)


class PlainCaller:
    """A calling server that writes what it is told to, byte by byte if need be; quicker to hang up."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._ids = count(1)
        self._sessions = count(1)

    @classmethod
    async def connect(cls, port: int, host: str = CALLS_HOST, *, introduced: bool = True) -> "PlainCaller":
        caller = cls(*await asyncio.open_connection(HOST, port))
        if introduced:
            answer = await caller.ask(a_hello(host))
            assert answer.result_code == 2001, answer.result_code
        return caller

    async def ask(self, request: Any) -> Any:
        """Send a request and wait for its answer; one is under way at a time."""
        number = self.send(request)
        answer = await self.receive()
        assert answer.header.hop_by_hop_identifier == number
        return answer

    def send(self, request: Any) -> int:
        """Send a request; returns the hop-by-hop identifier that its answer will have."""
        number = next(self._ids)
        request.header.hop_by_hop_identifier = request.header.end_to_end_identifier = number
        request.header.application_id = 4 if isinstance(request, CreditControlRequest) else 0
        self.writer.write(request.as_bytes())
        return number

    async def receive(self) -> Any:
        async with asyncio.timeout(10):
            start = await self.reader.readexactly(4)
            return Message.from_bytes(start + await self.reader.readexactly(int.from_bytes(start[1:]) - 4))

    def session(self) -> str:
        return f"{CALLS_HOST};1;{next(self._sessions)}"

    async def is_hung_up_on(self) -> bool:
        """Whether the far end ends the connection, after whatever it still has to say."""
        async with asyncio.timeout(10):
            try:
                await self.reader.read()
            except ConnectionResetError:
                return True
            return True

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


def a_hello(host: str = CALLS_HOST, application: int = 4) -> Any:
    hello = CapabilitiesExchangeRequest()
    hello.origin_host = host.encode()
    hello.origin_realm = host.partition(".")[2].encode()
    hello.host_ip_address = [HOST]
    hello.vendor_id = 0
    hello.product_name = "a test"
    hello.auth_application_id = [application]
    return hello


def a_request(session: str, number: int, kind: int, *, host: str = CALLS_HOST) -> CreditControlRequest:
    request = CreditControlRequest()
    request.session_id = session
    request.origin_host = host.encode()
    request.origin_realm = host.partition(".")[2].encode()
    request.destination_realm = REALM.encode()
    request.service_context_id = "calls@obverse"
    request.cc_request_type = kind
    request.cc_request_number = number
    return request


def an_initial(session: str, face: CardFace, seconds: int | None = 60, pin: str = "2580") -> Any:
    request = a_request(session, 0, names.E_CC_REQUEST_TYPE_INITIAL_REQUEST)
    show(request, face, pin)
    request.requested_service_unit = RequestedServiceUnit(cc_time=seconds)
    return request


def show(request: CreditControlRequest, face: CardFace, pin: str = "2580") -> None:
    """Put a card's number and PIN into a request."""
    request.add_subscription_id(names.E_SUBSCRIPTION_ID_TYPE_END_USER_PRIVATE, face.number.reveal())
    request.service_parameter_info = [ServiceParameterInfo(1, pin.encode())]


def an_update(session: str, number: int, used: int, seconds: int | None = 60) -> Any:
    request = a_request(session, number, names.E_CC_REQUEST_TYPE_UPDATE_REQUEST)
    request.used_service_unit = [UsedServiceUnit(cc_time=used)]
    if seconds is not None:
        request.requested_service_unit = RequestedServiceUnit(cc_time=seconds)
    return request


def a_termination(session: str, number: int, used: int) -> Any:
    request = a_request(session, number, names.E_CC_REQUEST_TYPE_TERMINATION_REQUEST)
    request.used_service_unit = [UsedServiceUnit(cc_time=used)]
    request.termination_cause = names.E_TERMINATION_CAUSE_DIAMETER_LOGOUT
    return request


@contextmanager
def a_relay(folder: Path, door_port: int) -> Iterator[int]:
    """freeDiameter between calling servers and the door; yields the port it listens on."""
    assert FREE_DIAMETER is not None
    port = a_free_port()
    certificate, key = _write_certificate(folder)
    (folder / "allowed.conf").write_text(f"ALLOW_IPSEC {CALLS_HOST}\n")
    config = folder / "relay.conf"
    # It wants a certificate, also where nobody speaks TLS to it.
    config.write_text(f"""
Identity = "{RELAY_HOST}";
Realm = "{RELAY_HOST.partition(".")[2]}";
Port = {port};
SecPort = 0;
No_SCTP;
No_IPv6;
ListenOn = "{HOST}";
TLS_Cred = "{certificate}", "{key}";
TLS_CA = "{certificate}";
LoadExtension = "{EXTENSIONS}/dict_nasreq.fdx";
LoadExtension = "{EXTENSIONS}/dict_dcca.fdx";
LoadExtension = "{EXTENSIONS}/acl_wl.fdx" : "{folder}/allowed.conf";
ConnectPeer = "{CREDIT_HOST}" {{ ConnectTo = "{HOST}"; No_TLS; Port = {door_port}; }};
""")
    log = folder / "relay.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [FREE_DIAMETER, "-c", str(config)], stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    try:
        yield port
    finally:
        process.kill()  # it would take its time to say goodbye to peers that have gone already
        process.wait()


async def is_connected(folder: Path, seconds: float = 15) -> None:
    """Return once the relay has found the door."""
    deadline = time.monotonic() + seconds
    log = folder / "relay.log"
    while "-> 'STATE_OPEN'" not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        await asyncio.sleep(0.05)


def _write_certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, RELAY_HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "relay.cert.pem", folder / "relay.key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    return paths
