"""A scripted card company: a server that answers by the test's script, and remembers what it was told."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from tests.factories.iso8583 import Fields

from obverse.authorization.ports import LegRequest
from obverse.kit.ids import VaultCardId
from obverse.kit.money import KRW, Money
from obverse.kit.secret import Secret
from obverse.networks.card_company import CardFace
from obverse.networks.iso8583 import FrameReader, decode, frame
from obverse.networks.iso8583.messages import answer
from obverse.wallet.model import CardDetails

REAL_NUMBER = "9530101234567890"
VAULT_CARD = VaultCardId(UUID(int=7))


@dataclass(frozen=True)
class Face:
    number: Secret = Secret(REAL_NUMBER)  # noqa: RUF009 - immutable
    exp_month: int = 8
    exp_year: int = 2029


async def open_cards(ids: Sequence[VaultCardId], /) -> Mapping[VaultCardId, CardFace]:
    """A vault with one card in it."""
    return {id_: Face() for id_ in ids if id_ == VAULT_CARD}


def leg(network_ref: str, amount_minor: int = 34_000) -> LegRequest:
    return LegRequest(
        network_ref=network_ref,
        vault_card_id=VAULT_CARD,
        amount=Money(amount_minor, KRW),
        merchant_name="모퉁이 Corner shop",
        merchant_category="5411",
    )


def details() -> CardDetails:
    return CardDetails(
        number=Secret(REAL_NUMBER),
        exp_month=8,
        exp_year=2029,
        cvv=Secret("321"),
        birth_date=Secret("900101"),
    )


class Line:
    """The scripted company's end of one connection."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer

    def say(self, request: Fields, code: str = "00", **changes: str) -> None:
        """Answer `request`; `DE11="..."` bends a field of the answer."""
        bent = {**request, **{name.removeprefix("DE"): value for name, value in changes.items()}}
        self.writer.write(frame(answer(bent, code, "777777" if code == "00" else None)))

    def hang_up(self) -> None:
        self.writer.transport.abort()


Script = Callable[[Line, Fields], Awaitable[None]]


async def approve(line: Line, request: Fields) -> None:
    line.say(request)


async def silence(line: Line, request: Fields) -> None:
    """Say nothing."""


class ScriptedCompany:
    """Signs callers on by itself; everything else goes to `script`."""

    def __init__(self, script: Script = approve) -> None:
        self.script = script
        self.network_script: Script = approve
        self.received: list[Fields] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._lines: set[Line] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuse connections, and hang up on those there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for line in list(self._lines):
            line.hang_up()
        await asyncio.sleep(0)

    def payments(self) -> list[Fields]:
        return [message for message in self.received if not message["t"].startswith("08")]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(writer)
        self._lines.add(line)
        frames = FrameReader()
        try:
            while data := await reader.read(65536):
                frames.feed(data)
                while (received := frames.next_frame()) is not None:
                    message = decode(received.body)
                    self.received.append(message)
                    network = message["t"].startswith("08")
                    await (self.network_script if network else self.script)(line, message)
        except ConnectionError:
            pass  # the client hung up, as some tests want it to
        finally:
            self._lines.discard(line)
            writer.close()
