"""P4 and P6 over whatever sessions of one card there may be, against a ledger in plain Python."""

import asyncio
import os
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.factories.metering import OPERATOR, MeterWorld, a_meter_world, a_tariff, prices
from tests.factories.wallet import build_house

from obverse.cards import Card, CardFace
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import MeterSessionId, uuid7_source
from obverse.kit.secret import Secret
from obverse.metering import SessionOver, SessionState
from obverse.metering.rules import SECONDS_MAX, charged_minor, cost_minor, granted_seconds, seconds_for

SESSIONS = 3
PRICES = {
    "usual": {},
    "connection": {"connection_minor": 50, "first_minor": 0, "first_seconds": 1},
    "minutes": {"first_seconds": 60, "first_minor": 90, "next_seconds": 60, "next_minor": 90},
}
SECONDS = st.sampled_from([0, 1, 29, 30, 31, 59, 60, 61, 120, 600])
STEPS = st.tuples(
    st.sampled_from(["open", "consume", "extend", "extend", "extend", "close", "consume", "open", "cut"]),
    st.integers(0, SESSIONS - 1),
    SECONDS,
    st.sampled_from([1, 30, 60, 300, 900]),
    st.booleans(),  # sent twice
)
Step = tuple[str, int, int, int, bool]
_names = count(1)


@dataclass
class Pocket:
    """What a session has reserved and used, as an accountant would write it down."""

    reserved: int
    used: int = 0


@dataclass
class PlainLedger:
    """A card's money, and nothing but additions: time is bought interval by interval."""

    available: int
    connection: int
    first: tuple[int, int]
    next: tuple[int, int]
    spent: int = 0
    pockets: dict[int, Pocket] = field(default_factory=dict)

    def price(self, seconds: int) -> int:
        if seconds == 0:
            return 0
        bought, paid = self.first[0], self.connection + self.first[1]
        while bought < seconds:
            bought, paid = bought + self.next[0], paid + self.next[1]
        return paid

    def buys(self, money: int) -> int:
        seconds = 0
        while self.price(seconds + 1) <= money and money > 0 and seconds < 2_000:
            seconds += 1
        return seconds

    def reserve(self, at: int, seconds: int) -> bool:
        """Take what the balance allows, unless it buys nothing more."""
        pocket = self.pockets.get(at, Pocket(0))
        wanted = self.price(seconds) - pocket.reserved
        taken = min(wanted, self.available)
        if wanted <= 0 or self.buys(pocket.reserved + taken) == self.buys(pocket.reserved):
            return False
        pocket.reserved += taken
        self.available -= taken
        self.pockets[at] = pocket
        return True

    def end(self, at: int) -> int:
        pocket = self.pockets.pop(at)
        charge = min(self.price(pocket.used), pocket.reserved)
        self.spent += charge
        self.available += pocket.reserved - charge
        return charge


class Calls:
    """The same on the platform."""

    def __init__(self, meter: MeterWorld, tariff: str, card: Card, face: CardFace, book: PlainLedger) -> None:
        self.meter, self.tariff, self.card, self.face, self.book = meter, tariff, card, face, book
        self.open: dict[int, MeterSessionId] = {}

    async def step(self, what: str, at: int, used: int, more: int, twice: bool) -> None:
        if what == "cut":
            await self.meter.later(minutes=10)
            for each in list(self.open):
                await self.over(each, SessionState.CUT)
        elif at not in self.open:
            await self.begin(at, more, twice)
        elif what != "open":
            for _ in range(1 + twice):
                await self.report(what, at, used, more)
            if what == "close":
                await self.over(at, SessionState.CLOSED)
        assert await self.meter.available(self.card) == self.book.available
        live = sum(pocket.reserved for pocket in self.book.pockets.values())
        used_up = await self.meter.held(self.card)
        assert used_up <= live, "what is captured is not held"

    async def begin(self, at: int, seconds: int, twice: bool) -> None:
        opening, key = self.meter.opening(self.face, seconds, tariff=self.tariff), f"call {next(_names)}"
        opened = [(await self.meter.metering.open(opening, key=key)).session for _ in range(1 + twice)]
        assert len({each.id for each in opened}) == 1
        if self.book.reserve(at, seconds):
            assert opened[-1].state is SessionState.OPEN
            assert granted_seconds(opened[-1]) == self.book.buys(self.book.pockets[at].reserved)
            self.open[at] = opened[-1].id
        else:
            assert opened[-1].state is SessionState.DECLINED

    async def report(self, what: str, at: int, used: int, more: int) -> None:
        pocket, metering, id_ = self.book.pockets[at], self.meter.metering, self.open[at]
        pocket.used = max(pocket.used, used)
        if what == "consume":
            session = await metering.consume(id_, used)
        elif what == "close":
            await metering.close(id_, used)
            return
        else:
            session = await metering.extend(id_, used, used + more)
            self.book.reserve(at, used + more)
        assert granted_seconds(session) == self.book.buys(pocket.reserved)
        assert charged_minor(session) == min(self.book.price(pocket.used), pocket.reserved)

    async def over(self, at: int, state: SessionState) -> None:
        id_ = self.open.pop(at)
        charge = self.book.end(at)
        session = await self.meter.metering.get(id_)
        assert (session.state, charged_minor(session)) == (state, charge)
        with pytest.raises(SessionOver):
            await self.meter.metering.extend(id_, 10, 60)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_p04_sessions_of_one_card_move_what_a_plain_ledger_moves(database_url: str, tmp_path: Path) -> None:
    async def a_world(database: Database) -> MeterWorld:
        clock = Clock()
        new_id = uuid7_source(clock.now_ms, os.urandom)
        world = await a_meter_world(build_house(database, tmp_path / "keys.json", clock, new_id, os.urandom))
        for name, changes in PRICES.items():
            await world.tariffs.add(world.service, prices(name=name, **changes), OPERATOR)
        return world

    async def live(tariff: str, balance: int, steps: list[Step]) -> None:
        card, face = await meter.card(balance)
        price = a_tariff(**PRICES[tariff])
        book = PlainLedger(
            balance,
            price.connection_minor,
            (price.first_seconds, price.first_minor),
            (price.next_seconds, price.next_minor),
        )
        calls = Calls(meter, tariff, card, face, book)
        for step in steps:
            await calls.step(*step)
        await calls.step("cut", 0, 0, 0, False)
        assert (book.available + book.spent, await meter.held(card)) == (balance, 0)
        await meter.world.books_are_right()

    @settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(
        tariff=st.sampled_from(list(PRICES)),
        balance=st.sampled_from([17, 100, 250, 1_000, 5_000]),
        steps=st.lists(STEPS, min_size=10, max_size=30),
    )
    def whatever_is_called(tariff: str, balance: int, steps: list[Step]) -> None:
        runner.run(live(tariff, balance, steps))

    with asyncio.Runner() as runner:
        database = Database(Secret(database_url))
        runner.run(database.open())
        meter = runner.run(a_world(database))
        whatever_is_called()
        runner.run(meter.world.engine.stop())
        runner.run(database.close())


@given(
    connection=st.integers(0, 500),
    first=st.tuples(st.integers(1, 300), st.integers(0, 500)),
    further=st.tuples(st.integers(1, 300), st.integers(1, 500)),
    seconds=st.integers(1, SECONDS_MAX),
    money=st.integers(0, 1_000_000),
)
def test_time_and_money_are_exchanged_in_whole_intervals(
    connection: int, first: tuple[int, int], further: tuple[int, int], seconds: int, money: int
) -> None:
    tariff = a_tariff(
        connection_minor=connection,
        first_seconds=first[0],
        first_minor=first[1],
        next_seconds=further[0],
        next_minor=further[1],
        effective_from=timedelta(),
    )
    cost = cost_minor(tariff, seconds)
    if cost:
        assert seconds_for(tariff, cost) >= min(seconds, SECONDS_MAX), "what was paid may be used"
    bought = seconds_for(tariff, money)
    assert cost_minor(tariff, bought) <= money, "nobody uses more than they have"
    if 0 < bought < SECONDS_MAX:
        assert cost_minor(tariff, bought + 1) > money, "and all of what they have"
