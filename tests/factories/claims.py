"""Claims and claim files, and an engine world in which merchants claim."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from itertools import count
from uuid import UUID

from tests.factories.engine import EngineWorld
from tests.factories.wallet import House

from obverse.authorization import Authorization, Engine
from obverse.cards import CardFace
from obverse.clearing.claims import Claim, ClaimFile, ClaimFiles, ClaimKind, ClaimRecord, Claims, FileWork
from obverse.kit.ids import MerchantId
from obverse.kit.money import KRW, CurrencyCode, Money
from obverse.kit.secret import Secret
from obverse.merchants import Merchant

NUMBER = "9410121234567893"
SHOP = MerchantId(UUID(int=7))
_references = count(1)


def a_claim(amount_minor: int = 34_000, **changes) -> Claim:
    given = {
        "merchant_id": SHOP,
        "kind": ClaimKind.CAPTURE,
        "number": Secret(NUMBER),
        "approval_code": "A2B3C4",
        "amount": Money(amount_minor, KRW),
        "reference": f"ORDER-{next(_references)}",
    } | changes
    return Claim(**given)


def a_line(
    kind: str = "capture",
    *,
    reference: str | None = None,
    number: str = NUMBER,
    code: str = "A2B3C4",
    amount: object = 34_000,
    terminal: str = "TERM0001",
    time: str = "2026-11-20T09:30:00+09:00",
    final: str = "",
) -> str:
    """One detail line of a claim file."""
    columns = (
        kind,
        reference or f"ORDER-{next(_references)}",
        number,
        code,
        str(amount),
        terminal,
        time,
        final,
    )
    return ",".join(columns)


def a_file(lines: Iterable[str], *, header: str = "header,1,KRW", trailer: str | None = None) -> bytes:
    """A whole file; the trailer agrees with the lines unless it is given."""
    lines = list(lines)
    if trailer is None:
        amounts = [line.split(",")[4] for line in lines if line.count(",") >= 4]
        trailer = f"trailer,{len(lines)},{sum(int(amount) for amount in amounts if amount.isdigit())}"
    return ("\n".join([header, *lines, trailer]) + "\n").encode()


async def in_pieces(data: bytes, size: int = 1_000) -> AsyncIterator[bytes]:
    """As a door hands it on."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


@dataclass
class Approved:
    """A payment and the number it was made with."""

    face: CardFace
    payment: Authorization

    @property
    def code(self) -> str:
        assert self.payment.approval_code is not None
        return self.payment.approval_code

    @property
    def number(self) -> str:
        return self.face.number.reveal()


@dataclass
class ClaimRooms:
    """The room, joined as the bootstrap joins it."""

    service: Claims
    files: ClaimFiles
    work: FileWork


def claim_rooms(house: House, engine: Engine) -> ClaimRooms:
    joined = {"clock": house.clock, "new_id": house.new_id}
    return ClaimRooms(
        Claims(house.database, engine, **joined),
        ClaimFiles(house.database, engine, house.vault, **joined),
        FileWork(house.database, engine, **joined),
    )


@dataclass
class ClaimWorld:
    """An engine, one shop, and what it claims."""

    engine: EngineWorld
    claims: Claims
    files: ClaimFiles
    work: FileWork

    @property
    def shop(self) -> Merchant:
        return self.engine.shop

    async def approved(
        self, amount_minor: int = 34_000, *, off_us: bool = False, capture: bool = False
    ) -> Approved:
        """A payment at the shop, on credit unless `off_us`."""
        _, face = await (self.engine.off_us_card() if off_us else self.engine.card())
        payment = await self.engine.engine.authorize(self.engine.request(face, amount_minor, capture=capture))
        assert payment.approval_code is not None, payment
        return Approved(face, payment)

    async def send(self, data: bytes, merchant: Merchant | None = None) -> tuple[ClaimFile, bool]:
        return await self.files.receive((merchant or self.shop).id, in_pieces(data))

    async def done(self, data: bytes) -> tuple[ClaimFile, list[ClaimRecord]]:
        """Send a file and have it carried out: its report and its lines."""
        file, _ = await self.send(data)
        await self.work.carry_out_due()
        return await self.files.get(file.id), await self.lines(file)

    async def lines(self, file: ClaimFile) -> list[ClaimRecord]:
        return [record async for portion in self.files.results(file) for record in portion]

    async def captured(self, approved: Approved) -> int:
        return (await self.engine.engine.get(approved.payment.id)).captured_minor

    async def events(self, prefix: str = "claim") -> list[str]:
        """Types of events so far, oldest first."""
        async with self.engine.house.database.connection() as conn:
            rows = await conn.fetch("select type from events where starts_with(type, $1) order by id", prefix)
        return [row["type"] for row in rows]


def a_claim_world(engine: EngineWorld) -> ClaimWorld:
    rooms = claim_rooms(engine.house, engine.engine)
    return ClaimWorld(engine, rooms.service, rooms.files, rooms.work)


def claim_of(approved: Approved, amount_minor: int = 34_000, **changes) -> Claim:
    """A claim for this payment as its shop would make it."""
    assert approved.payment.merchant_id is not None
    given = {
        "merchant_id": approved.payment.merchant_id,
        "number": approved.face.number,
        "approval_code": approved.code,
    } | changes
    return a_claim(amount_minor, **given)


def line_of(approved: Approved, amount: object = 34_000, **changes) -> str:
    return a_line(**{"number": approved.number, "code": approved.code, "amount": amount} | changes)


EUR = CurrencyCode("EUR")
