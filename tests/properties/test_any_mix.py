"""P2, P4, P9, P16 over any mix of a balance in lots, points of two issuers and a linked card.

Payments are made by the holder's pick or in the order of the wallet, with and without a quote; then they are
captured, released, refunded, disputed, undone and expired, while processes die, issuers misbehave and the
operator changes rates. After every drain all books have to say what a plain Python wallet says.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine
from tests.factories.any_mix import MILES, NAMES, POINTS, STAMPS, UNITS, Life, Payment, World, all_books_agree
from tests.factories.any_mix_steps import Step, command_for, limit_of, note
from tests.factories.far_ends import Asked, Mood, Told
from tests.factories.plain_wallet import PlainPick, Share
from tests.factories.worlds import Worlds

from obverse.authorization import Authorization, AuthorizationRequest, Status
from obverse.authorization.errors import RefundTooLarge
from obverse.points import Rate, courier

RATES = st.sampled_from(
    [
        Rate(2, 1),
        Rate(1, 10),
        Rate(7, 3),
        Rate(3, 2, minimum_units=40),
        Rate(1, 1, 20, 10),
        Rate(10, 3, 1, 4),
        Rate(97, 13),
    ]
)
AMOUNTS = st.sampled_from([1, 7, 999, 5_000, 12_345, 12_346, 20_001, 40_000])
ORDERS = st.one_of(st.permutations(NAMES), st.permutations(NAMES[:3]).map(lambda before: [*before, "card"]))
PICK = st.tuples(
    st.builds(PlainPick, st.sampled_from(NAMES), st.sampled_from([None, None, 1, 33, 100, 701, 2_500])),
    st.booleans(),
)
PICKS = st.one_of(
    st.just([]),
    st.lists(PICK, min_size=1, max_size=3, unique_by=lambda pick: pick[0].name),
    st.lists(PICK, min_size=1, max_size=3),
)
TURNS = st.integers(0, 300)


def mostly(usual: Any, others: type[Enum]) -> st.SearchStrategy[Any]:
    return st.sampled_from([usual] * 5 * len(others) + list(others))


STEP = st.builds(
    Step,
    st.sampled_from(["capture", "capture", *["refund"] * 4, "release", "dispute", "decide", "reverse"]),
    st.integers(1, 4),
    st.booleans(),
    st.sampled_from([None] * 6 + [0, 5, 20, 60, 150, 300]),
)


class Fate(Enum):
    """What happens while a payment is asked for."""

    NOTHING = auto()
    COMES_TWICE = auto()
    DIES_BEFORE_POINTS_ARE_TAKEN = auto()
    DIES_AFTER_POINTS_ARE_TAKEN = auto()
    DIES_SOME_TIME = auto()
    IS_REVERSED_BEFORE_POINTS_ARE_TAKEN = auto()
    IS_REVERSED_AFTER_POINTS_ARE_TAKEN = auto()


class Quoted(Enum):
    """Whether a till has shown what the points are worth."""

    NO = auto()
    NOW = auto()
    EARLIER = auto()


@dataclass(frozen=True)
class Wish:
    """A payment as somebody wants it, how it goes for everybody outside, and what is done with it then."""

    amount: int
    picks: Sequence[tuple[PlainPick, bool]]
    quoted: Quoted
    partial: bool
    capture: bool
    asked: Sequence[Asked]
    mood: Mood
    fate: Fate
    turns: int
    new_rates: Sequence[tuple[str, Rate]]
    """What the operator sets: the first between quote and payment, the other before the steps after it."""
    then: Sequence[Step]


WISH = st.builds(
    Wish,
    AMOUNTS,
    PICKS,
    st.sampled_from(Quoted),
    st.booleans(),
    st.booleans(),
    st.tuples(mostly(Asked.ANSWERS, Asked), mostly(Asked.ANSWERS, Asked)),
    mostly(Mood.APPROVES, Mood),
    mostly(Fate.NOTHING, Fate),
    TURNS,
    st.lists(st.tuples(st.sampled_from(POINTS), RATES), max_size=2),
    st.lists(STEP, min_size=1, max_size=5),
)


def thing(name: str, **how: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    return st.tuples(st.just(name), st.fixed_dictionaries(how))


THINGS = st.one_of(
    thing("pay", wish=WISH),
    thing("pay", wish=WISH),
    thing("pay", wish=WISH),
    thing("steps_are_taken", which=st.integers(0, 9), steps=st.lists(STEP, min_size=1, max_size=4)),
    thing("a_till_shows_what_the_points_are_worth"),
    thing(
        "the_member_changes_the_order",
        order=ORDERS,
        without=st.sampled_from([(), (), POINTS, ("card",)]),
    ),
    thing("time_passes", days=st.sampled_from([8, 15])),
    thing(
        "a_courier_goes_round",
        told=st.tuples(st.sampled_from(Told), st.sampled_from(Told)),
        dies_after=st.sampled_from([None, None, 1, 10, 40, 150]),
    ),
    thing("the_background_works", acknowledges=st.booleans()),
    thing("what_was_late_arrives"),
    thing("everything_is_told"),
)


_AT_A_GATE = {
    Fate.DIES_BEFORE_POINTS_ARE_TAKEN: False,
    Fate.DIES_AFTER_POINTS_ARE_TAKEN: True,
    Fate.IS_REVERSED_BEFORE_POINTS_ARE_TAKEN: False,
    Fate.IS_REVERSED_AFTER_POINTS_ARE_TAKEN: True,
}
_REVERSED = (Fate.IS_REVERSED_BEFORE_POINTS_ARE_TAKEN, Fate.IS_REVERSED_AFTER_POINTS_ARE_TAKEN)


async def hear(world: World, request: AuthorizationRequest, wish: Wish) -> Authorization:
    """Have a payment decided, whatever happens meanwhile; what whoever asks once more is told at last."""
    first, second = world.engines
    match wish.fate:
        case Fate.NOTHING:
            return await first.authorize(request)
        case Fate.COMES_TWICE:
            one, other = await asyncio.gather(first.authorize(request), second.authorize(request))
            assert (one.id, one.status) == (other.id, other.status)
            return one
        case Fate.DIES_SOME_TIME:
            await world.crash_after(wish.turns, lambda engine: engine.authorize(request))
            return await _ask_again(world, request)
    world.issuers.shut(after=_AT_A_GATE[wish.fate])
    asking = asyncio.create_task(first.authorize(request))
    waiting = asyncio.create_task(world.issuers.somebody_waits())
    await asyncio.wait([asking, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if wish.fate in _REVERSED:
        await second.reverse(request.request_key, request.number, request.amount, world.shop.id)
        world.issuers.open()
        return await first.get((await asking).id)
    asking.cancel()
    await world.crash(first)
    world.issuers.open()
    await world.add_engine()
    return await _ask_again(world, request)


async def _ask_again(world: World, request: AuthorizationRequest) -> Authorization:
    await world.recover()
    return await world.engines[0].authorize(request)


def machine_over(worlds: Worlds, runner: asyncio.Runner) -> type[RuleBasedStateMachine]:
    """A machine class whose runs use one world, each with a card and issuers of its own."""
    run = runner.run

    class AnyMix(RuleBasedStateMachine):
        world: World
        life: Life

        @initialize(miles=RATES, stamps=RATES, order=ORDERS)
        def begin(self, miles: Rate, stamps: Rate, order: Sequence[str]) -> None:
            self.world = run(worlds.take())
            self.life = run(self.world.begin({MILES: miles, STAMPS: stamps}))
            run(self.world.set_order(self.life, order))

        @rule(things=st.lists(THINGS, min_size=6, max_size=12))
        def things_happen(self, things: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
            for name, how in things:
                getattr(self, name)(**how)

        # paying --------------------------------------------------------------------------------------------

        def pay(self, wish: Wish) -> None:
            run(self._pay(wish))

        async def _pay(self, wish: Wish) -> None:
            life, world = self.life, self.world
            if wish.quoted is Quoted.NOW:
                await self._show()
            for name, rate in wish.new_rates[:1]:
                await world.set_rate(life, name, rate)
            for name, how in zip(POINTS, wish.asked, strict=True):
                life.books[name].asked = how
            world.company.mood = wish.mood
            quote = life.quote if wish.quoted is not Quoted.NO else None
            request = world.request(
                life, wish.amount, wish.picks, quote=quote, partial=wish.partial, capture=wish.capture
            )
            shares = None
            if quote is None or life.holds(quote, world.now):
                purses, picks = life.purses(quote), [pick for pick, _ in wish.picks]
                shares = life.wallet.split(wish.amount, purses, picks, partial=wish.partial, now=world.now)
            agreed = shares is not None and self._all_agree(shares)
            told = await hear(world, request, wish)
            if wish.fate in (Fate.NOTHING, Fate.COMES_TWICE):
                assert (told.status is Status.APPROVED) == agreed, told.decline
            assert told.status in (Status.APPROVED, Status.DECLINED) or wish.fate in _REVERSED
            payment = Payment(request, (), told.id, told.status)
            if told.status is Status.APPROVED:
                assert agreed
                payment.shares = shares or ()
                assert told.amount.amount_minor == payment.sum("amount")
                life.wallet.pay(payment.shares, at_once=wish.capture)
            life.payments.append(payment)
            for name in POINTS:
                life.books[name].asked = Asked.ANSWERS
            for name, rate in wish.new_rates[1:]:
                await world.set_rate(life, name, rate)
            for step in wish.then:
                await self._step(payment, step)

        def _all_agree(self, shares: Sequence[Share]) -> bool:
            """Whether everybody outside has what they are asked for, and says so in time."""
            for share in shares:
                book = self.life.books.get(share.name)
                if book is not None and share.units is not None:
                    enough = share.units <= book.units[self.life.sources[share.name]]
                    if not enough or book.asked is not Asked.ANSWERS:
                        return False
            on_card = any(share.name == "card" for share in shares)
            return self.world.company.mood is Mood.APPROVES or not on_card

        def a_till_shows_what_the_points_are_worth(self) -> None:
            run(self._show())

        async def _show(self) -> None:
            life = self.life
            shown = await self.world.quotes.quote(life.card, self.world.shop)
            purses = life.purses(None)
            names = [name for name in life.wallet.order if name in POINTS]
            assert [line.source_id for line in shown.lines] == [life.sources[name] for name in names]
            for name, line in zip(names, shown.lines, strict=True):
                told = purses[name].told
                assert (line.rate, line.units) == (life.rates[name], told)
                assert line.worth_minor == purses[name].most(10**12, told)
            life.quote = shown if shown.reference else None

        def the_member_changes_the_order(self, order: Sequence[str], without: Sequence[str]) -> None:
            run(self.world.set_order(self.life, [name for name in order if name not in without]))

        # afterwards ----------------------------------------------------------------------------------------

        def steps_are_taken(self, which: int, steps: Sequence[Step]) -> None:
            if payments := self.life.payments:
                for step in steps:
                    run(self._step(payments[which % len(payments)], step))

        async def _step(self, payment: Payment, step: Step) -> None:
            """Take a step that can be taken; whoever does not see the answer takes it once more."""
            limit = limit_of(payment, step.what)
            if not limit:
                return
            payment.steps += 1
            amount = max(1, limit * step.quarters // 4)
            command = command_for(payment, step, amount)
            if step.dies_after is not None:
                await self.world.crash_after(step.dies_after, command)
            await command(self.world.engines[0])
            if step.what == "refund" and (left := payment.sum("refundable") - amount):
                with pytest.raises(RefundTooLarge):
                    await self.world.engines[1].refund(payment.id, left + 1)
            note(self.life.wallet, payment, step, amount, self.world.now)

        def time_passes(self, days: int) -> None:
            self.world.time_passes(timedelta(days=days))
            run(self.world.end_what_is_over())
            for payment in self.life.payments:
                if payment.status is Status.APPROVED and (left := payment.sum("open")):
                    if not payment.sum("captured"):
                        payment.status = Status.EXPIRED
                    self.life.wallet.release(payment.shares, left, self.world.now)
            self.life.wallet.end_lots(self.world.now)

        # what has to be told -------------------------------------------------------------------------------

        def a_courier_goes_round(self, told: Sequence[Told], dies_after: int | None) -> None:
            for name, how in zip(POINTS, told, strict=True):
                self.life.books[name].told = how
            self.world.time_passes(timedelta(seconds=45))
            if dies_after is None:
                run(self.world.courier_goes_round())
            else:
                run(self.world.courier_dies_after(dies_after))

        def the_background_works(self, acknowledges: bool) -> None:
            self.world.company.acknowledges = acknowledges
            run(self.world.run_jobs())

        def what_was_late_arrives(self) -> None:
            for book in self.life.books.values():
                book.late_ones_arrive()

        def everything_is_told(self) -> None:
            run(self._settle())

        async def _settle(self) -> None:
            await self.world.drain(self.life)
            await all_books_agree(self.world, self.life)

        def teardown(self) -> None:
            if hasattr(self, "life"):
                run(self._end())

        async def _end(self) -> None:
            """All that was paid is undone, so every unit is back, whatever became of it before (P16)."""
            life = self.life
            try:
                await self._settle()
                for payment in life.payments:
                    for what in ("decide", "reverse", "refund"):
                        await self._step(payment, Step(what, 4, merchant_pays=True, dies_after=None))
                self.what_was_late_arrives()
                await self._settle()
                assert {name: sum(book.units.values()) for name, book in life.books.items()} == UNITS
            finally:
                for engine in list(self.world.engines):
                    await self.world.crash(engine)
            worlds.give_back(self.world)

    return AnyMix


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_p02_p16_whatever_pays_and_whatever_happens_all_books_say_what_a_plain_wallet_says(
    postgres_url: str, template_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "_REST_S", 0.0)
    with asyncio.Runner() as runner:
        worlds = Worlds(postgres_url, template_database, tmp_path)
        try:
            run_machine(
                machine_over(worlds, runner),
                settings=settings(
                    max_examples=60,
                    stateful_step_count=2,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                    report_multiple_bugs=False,
                    phases=[Phase.generate],  # to make what it finds smaller takes minutes
                ),
            )
        finally:
            runner.run(worlds.close())
