"""Billing over a real engine and the treasury, whose bank tells what the test wants."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from tests.factories.cards import a_one_time_card
from tests.factories.engine import EngineWorld, an_engine_world
from tests.factories.treasury import ScriptedBank, a_statement, an_entry, korea, treasury_house
from tests.factories.wallet import House, a_member_with_credit_line

from obverse.authorization import Authorization
from obverse.billing import Bill, Billing, BillTerms, Credit, Issuing, Month, Run
from obverse.cards import Viewer
from obverse.kit.clock import Clock
from obverse.kit.ids import MemberId
from obverse.kit.paging import PageRequest
from obverse.members import Member
from obverse.treasury import Treasury
from obverse.wallet import Source

SEOUL = korea()
TERMS = BillTerms(due_days=14, grace_days=7)
_entries = count(1)
_keys = count(1)


@dataclass
class BillingWorld:
    """A house with an engine, a shop, billing, and a calendar that the test turns."""

    engine_world: EngineWorld
    billing: Billing
    issuing: Issuing
    treasury: Treasury

    @property
    def house(self) -> House:
        return self.engine_world.house

    async def member(self, limit: int = 1_000_000) -> tuple[Member, Source]:
        return await a_member_with_credit_line(self.house, limit)

    async def buy(
        self, member_id: MemberId, amount_minor: int = 34_000, *, capture: bool = True
    ) -> Authorization:
        """Pay with a fresh one-time card; the shop claims at once or later."""
        _, face = await a_one_time_card(self.house, member_id, None)
        return await self.engine_world.engine.authorize(
            self.engine_world.request(face, amount_minor, capture=capture)
        )

    async def transfer(self, text: str, amount_minor: int) -> None:
        """Somebody sends money to the programme's bank account; the bank's statement tells."""
        number = next(_entries)
        entry = an_entry(str(amount_minor), ref=f"E{number}", text=text)
        await self.treasury.import_statement(a_statement(entry, id_=f"S{number}"))

    async def pay(self, bill: Bill, amount_minor: int | None = None) -> int:
        """The member pays a bill by bank transfer; returns how many receipts were placed."""
        await self.transfer(bill.reference, bill.balance_minor if amount_minor is None else amount_minor)
        return await self.billing.take_payments()

    async def issue(self, month: str) -> Run:
        """Bill a month, the day after it has ended at the latest."""
        end = Month.parse(month).next().begins(SEOUL.zone)
        if self.house.clock.now() < end:
            turn_to(self.house.clock, end + timedelta(minutes=1))
        return await self.issuing.issue(Month.parse(month))

    async def bills(self, member_id: MemberId) -> list[Bill]:
        """A member's bills, newest first."""
        return list((await self.billing.list(PageRequest(100), member_id=member_id)).items)

    async def bill(self, member_id: MemberId) -> Bill:
        """A member's newest bill."""
        return (await self.bills(member_id))[0]

    async def line_amounts(self, bill: Bill) -> dict[str, int]:
        """A bill's lines, added up by kind."""
        sums: dict[str, int] = {}
        async for line in self.billing.each_line(bill, Viewer.OPERATOR):
            sums[line.kind] = sums.get(line.kind, 0) + line.amount_minor
        return sums

    async def credit(self, member_id: MemberId) -> Credit:
        return await self.billing.credit(member_id)

    async def events(self) -> list[Mapping[str, Any]]:
        """Billing's events, oldest first."""
        async with self.house.database.connection() as conn:
            rows = await conn.fetch(
                "select type, data::text from events where type ~ '^(bill|source)' order by id"
            )
        return [dict(row) for row in rows]

    async def told(self, type_: str) -> int:
        """How many events of this type there are."""
        return sum(event["type"] == type_ for event in await self.events())


def turn_to(clock: Clock, moment: datetime) -> None:
    """Turn the platform's clock to a moment; it only goes forward."""
    ahead = moment - clock.now()
    assert ahead > timedelta(), "the clock only moves forward"
    clock.move_to(clock.offset + ahead)


def at(text: str) -> datetime:
    """A local time in Seoul."""
    return datetime.fromisoformat(text).replace(tzinfo=SEOUL.zone).astimezone(UTC)


def billing_rooms(house: House, treasury: Treasury) -> tuple[Billing, Issuing]:
    billing = Billing(house.database, treasury, SEOUL, TERMS, clock=house.clock, new_id=house.new_id)
    return billing, an_issuing(house)


def an_issuing(house: House, random_bytes: Callable[[int], bytes] | None = None) -> Issuing:
    return Issuing(
        house.database,
        SEOUL,
        TERMS,
        clock=house.clock,
        new_id=house.new_id,
        random_bytes=random_bytes or house.random_bytes,
    )


async def a_billing_world(house: House, *, partitions: int = 1) -> BillingWorld:
    """Everything started; stop `engine_world.engine` at the end."""
    treasury = (await treasury_house(house, ScriptedBank(), partitions)).treasury
    billing, issuing = billing_rooms(house, treasury)
    return BillingWorld(await an_engine_world(house, partitions=partitions), billing, issuing, treasury)


def a_key() -> str:
    return f"key {next(_keys)}"
