"""Presentments for tests: an exchange that does as it is told, and worlds in which linked cards pay."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from itertools import count
from uuid import UUID

from tests.factories.draws import FakeBank, a_treasury
from tests.factories.engine import EngineWorld
from tests.factories.ledger import NOON, P0
from tests.factories.treasury import a_statement, an_entry
from tests.factories.wallet import House

from obverse.authorization import Authorization
from obverse.cards import CardFace
from obverse.clearing.presentments import (
    Acknowledgement,
    Direction,
    FileState,
    Presentment,
    PresentmentFile,
    PresentmentFileNotFound,
    Presentments,
    PresentmentState,
    Programme,
    Rejection,
)
from obverse.clearing.presentments.jobs import Exchange
from obverse.clearing.presentments.model import Totals
from obverse.clearing.presentments.rules import arn, less, totals
from obverse.kit.calendar import Calendar
from obverse.kit.errors import ObverseError
from obverse.kit.ids import (
    ActionId,
    AuthorizationId,
    PresentmentFileId,
    PresentmentId,
    VaultCardId,
)
from obverse.kit.money import KRW, Money
from obverse.kit.paging import PageRequest
from obverse.ledger import AccountKind, Ledger
from obverse.treasury import Treasury

ACQUIRER = "941012"
DAY = date(2026, 11, 20)
SEOUL = Calendar("Asia/Seoul", time(), "KR")
_numbers = count(1)
_entries = count(1)


def a_presentment(amount_minor: int = 34_000, **changes) -> Presentment:
    number = next(_numbers)
    given = {
        "id": PresentmentId(UUID(int=number)),
        "partition_id": P0,
        "action_id": ActionId(UUID(int=number)),
        "position": 0,
        "authorization_id": AuthorizationId(UUID(int=number)),
        "direction": Direction.DEBIT,
        "amount": Money(amount_minor, KRW),
        "vault_card_id": VaultCardId(UUID(int=7)),
        "arn": arn(ACQUIRER, DAY, number),
        "network_ref": f"1120030000|{number:06d}|RRN00000{number:04d}",
        "approval_code": "654321",
        "is_final": True,
        "merchant_name": "Books",
        "category": "5942",
        "paid_at": NOON,
        "state": PresentmentState.PRESENTED,
        "created_at": NOON,
        "file_id": PresentmentFileId(UUID(int=1)),
    } | changes
    return Presentment(**given)


def a_file(members: Sequence[Presentment] = (), **changes) -> PresentmentFile:
    """A file with these members, as it stands after being sent."""
    given = {
        "id": PresentmentFileId(UUID(int=1)),
        "reference": "OBV-P-ABCDEFGH23",
        "business_day": DAY,
        "sequence": 1,
        "currency": KRW,
        "totals": totals(members),
        "state": FileState.SENT,
        "next_try_at": NOON,
        "created_at": NOON,
    } | changes
    return PresentmentFile(**given)


@dataclass
class FakeExchange:
    """A card company's file exchange: takes all but what it is told to reject, and can be made to fail.

    `sending` and `answering` are raised once each, in order; `loses` files it is sent while it is set.
    """

    rejects: dict[str, str] = field(default_factory=dict)
    """Approval code -> reason."""
    refuses: str | None = None
    lies_by_minor: int = 0
    loses: bool = False
    sending: list[ObverseError] = field(default_factory=list)
    answering: list[ObverseError | None] = field(default_factory=list)
    sent: list[tuple[PresentmentFile, Sequence[Presentment]]] = field(default_factory=list)

    async def send(self, file: PresentmentFile, members: Sequence[Presentment]) -> bytes:
        self.sent.append((file, members))
        if self.sending:
            raise self.sending.pop(0)
        return hashlib.sha256(repr([member.arn for member in members]).encode()).digest()

    async def acknowledgement(self, file: PresentmentFile) -> Acknowledgement | None:
        if self.loses or not self.sent:
            raise PresentmentFileNotFound
        if self.answering:
            failure = self.answering.pop(0)
            if failure is None:
                return None
            raise failure
        if self.refuses is not None:
            return Acknowledgement(refused=self.refuses)
        (members,) = {tuple(members) for sent, members in self.sent if sent.id == file.id}
        rejected = [member for member in members if member.approval_code in self.rejects]
        accepted = less(totals(members), totals(rejected))
        lie = Totals(0, self.lies_by_minor, 0, 0)
        return Acknowledgement(
            rejections=[Rejection(each.arn, self.rejects[each.approval_code or ""]) for each in rejected],
            accepted=less(accepted, lie),
        )


@dataclass
class PresentingWorld:
    """An engine with linked cards behind it, and presentments to a card company that does as it is told."""

    world: EngineWorld
    presentments: Presentments
    exchange: Exchange
    card_company: FakeExchange
    treasury: Treasury

    async def pay(
        self, amount_minor: int = 34_000, *, capture: bool = True
    ) -> tuple[Authorization, CardFace]:
        """A payment on somebody's real card, captured at once unless not."""
        _, face = await self.world.off_us_card()
        paid = await self.world.engine.authorize(self.world.request(face, amount_minor))
        return (await self.world.engine.capture(paid.id) if capture else paid), face

    async def present(self) -> PresentmentFile:
        """One file of what waits, made now, exchanged as far as it gets."""
        (file,) = await self.presentments.present_now()
        await self.exchange.exchange()
        return await self.presentments.get_file(file.id)

    async def all(self) -> list[Presentment]:
        """Every presentment there is, in the order in which the payments were made."""
        page = await self.presentments.list(PageRequest(100))
        return sorted(page.items, key=lambda each: each.arn)

    async def receive(self, reference: str, amount_minor: int) -> None:
        """A bank statement with one payment in it comes in."""
        entry = an_entry(str(amount_minor), ref=f"E{next(_entries):07d}", text=reference)
        await self.treasury.import_statement(a_statement(entry, closing=str(amount_minor)))
        await self.exchange.place_receipts()

    async def balance(self, kind: AccountKind) -> int:
        """Debits less credits of all accounts of a kind, from the journal."""
        lines = await Ledger(self.world.house.database).trial_balance()
        return sum(
            line.debits_posted_minor - line.credits_posted_minor for line in lines if line.kind == kind
        )

    async def events(self, type_: str) -> list[str]:
        async with self.world.house.database.connection() as conn:
            rows = await conn.fetch("select data::text from events where type = $1 order by id", type_)
        return [row[0] for row in rows]

    def advance(self, by: timedelta) -> None:
        clock = self.world.house.clock
        clock.move_to(clock.offset + by)


async def a_presenting_world(world: EngineWorld, calendar: Calendar = SEOUL) -> PresentingWorld:
    house = world.house
    await Ledger(house.database).open_house([P0], KRW)
    presentments = presentments_room(house, calendar)
    treasury = a_treasury(house, FakeBank())
    card_company = FakeExchange()
    exchange = Exchange(
        house.database, presentments, card_company, treasury, clock=house.clock, new_id=house.new_id
    )
    return PresentingWorld(world, presentments, exchange, card_company, treasury)


def presentments_room(house: House, calendar: Calendar = SEOUL) -> Presentments:
    return Presentments(
        house.database,
        Programme(calendar, KRW, ACQUIRER),
        clock=house.clock,
        new_id=house.new_id,
        random_bytes=house.random_bytes,
    )
