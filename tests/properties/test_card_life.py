"""P4, P16 over one card's life: bought, given, claimed, charged, spent, held, metered, refunded, expired.

The model is a plain Python ledger: a list of lots, and what each payment took from which. After every step
each lot has to hold what the model says, to the won, and the books have to be right.
"""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid5

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine
from msgspec.structs import replace
from tests.factories.ledger import MONTHS_ON, P0
from tests.factories.metering import MeterWorld, a_meter_world, a_tariff
from tests.factories.programmes import a_programme
from tests.factories.stored_value import a_prepaid_card, fund
from tests.factories.wallet import a_member_with_credit_line, build_house

from obverse.authorization import Authorization, Entry, Status
from obverse.authorization.model import Purpose
from obverse.cards import Card, CardFace
from obverse.cards.pins import NewPin
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import AuthorizationId, uuid7_source
from obverse.kit.money import KRW
from obverse.kit.secret import Secret
from obverse.ledger import Ledger
from obverse.metering.rules import cost_minor
from obverse.wallet import REFUNDABLE_LOTS, LotKind

CEILING = 100_000
GRACE = timedelta(days=30)
AMOUNTS = st.sampled_from([1, 999, 5_000, 10_000, 33_333, 70_000])
PIN = "2580"


@dataclass
class ModelLot:
    """Money of one kind that ends on one date."""

    id: Any
    kind: LotKind
    expires_at: datetime
    available: int
    held: int = 0


@dataclass
class ModelPayment:
    """What a payment took from which lots, and what became of it: part by part, in their order."""

    id: AuthorizationId
    lots: list[ModelLot]
    taken: list[int]
    captured: list[int]
    released: list[int]
    refunded: list[int]

    @property
    def open(self) -> list[int]:
        return [t - c - r for t, c, r in zip(self.taken, self.captured, self.released, strict=True)]

    @property
    def refundable(self) -> list[int]:
        return [c - r for c, r in zip(self.captured, self.refunded, strict=True)]


@dataclass
class Model:
    """One card as a plain ledger."""

    source_id: Any
    expires_at: datetime
    lots: list[ModelLot] = field(default_factory=list)
    payments: list[ModelPayment] = field(default_factory=list)

    def spendable(self, now: datetime) -> list[ModelLot]:
        live = [lot for lot in self.lots if lot.expires_at > now]
        return sorted(live, key=lambda lot: (lot.expires_at, lot.id))

    def available(self, now: datetime) -> int:
        return sum(lot.available for lot in self.spendable(now))

    def in_it(self, now: datetime) -> int:
        return sum(lot.available + lot.held for lot in self.spendable(now))

    def fund(self, kind: LotKind, amount: int, expires_at: datetime) -> None:
        """Into the lot of this kind and date; one that was given away since is of another kind."""
        by_id = {lot.id: lot for lot in self.lots}
        for turn in count():
            id_ = uuid5(self.source_id, f"{kind}:{expires_at.isoformat()}" + (f":{turn}" if turn else ""))
            if id_ not in by_id:
                self.lots.append(ModelLot(id_, kind, expires_at, amount))
                return
            if by_id[id_].kind is kind:
                by_id[id_].available += amount
                return

    def pay(self, id_: AuthorizationId, amount: int, now: datetime, *, at_once: bool) -> ModelPayment:
        lots, taken = [], []
        for lot in self.spendable(now):
            part = min(amount, lot.available)
            if part:
                lots.append(lot)
                taken.append(part)
                amount -= part
                lot.available -= part
                lot.held += 0 if at_once else part
        assert amount == 0
        nothing = [0] * len(lots)
        captured = list(taken) if at_once else list(nothing)
        payment = ModelPayment(id_, lots, taken, captured, list(nothing), list(nothing))
        self.payments.append(payment)
        return payment

    def capture(self, payment: ModelPayment, amount: int) -> None:
        for at, part in enumerate(shared(payment.open, amount)):
            payment.captured[at] += part
            payment.lots[at].held -= part

    def release(self, payment: ModelPayment, amount: int, now: datetime) -> None:
        for at, part in enumerate(shared(payment.open[::-1], amount)[::-1]):
            payment.released[at] += part
            payment.lots[at].held -= part
            self.comes_back(payment.lots[at], part, now)

    def refund(self, payment: ModelPayment, amount: int, now: datetime) -> None:
        for at, part in enumerate(shared(payment.refundable[::-1], amount)[::-1]):
            payment.refunded[at] += part
            self.comes_back(payment.lots[at], part, now)

    @staticmethod
    def comes_back(lot: ModelLot, part: int, now: datetime) -> None:
        lot.available += part
        if part and lot.expires_at <= now:
            lot.expires_at = now + GRACE

    def expire(self, now: datetime) -> None:
        for lot in self.lots:
            if lot.expires_at <= now:
                lot.available = 0

    def drain(self, now: datetime) -> int:
        total = 0
        for lot in self.lots:
            if lot.kind in REFUNDABLE_LOTS:
                total += lot.available
                lot.available = 0
        return total

    def give(self) -> None:
        for lot in self.lots:
            if lot.kind in REFUNDABLE_LOTS:
                lot.kind = LotKind.GIVEN


def shared(limits: list[int], amount: int) -> list[int]:
    """An amount shared out in order, each part up to its limit."""
    parts = []
    for limit in limits:
        part = min(limit, amount)
        parts.append(part)
        amount -= part
    return parts


def machine_over(world: MeterWorld, runner: asyncio.Runner) -> type[RuleBasedStateMachine]:
    """A machine class whose runs all use this world, each with a card of its own."""
    run, house, engine = runner.run, world.house, world.world.engine
    shop = replace(world.world.shop, accepts=frozenset({"prepaid", "gift"}), is_agent=True)

    class Life(RuleBasedStateMachine):
        card: Card
        face: CardFace
        model: Model
        unused: bool

        @initialize(balance=st.sampled_from([5_000, 50_000]), months=st.integers(1, 12))
        def buy(self, balance: int, months: int) -> None:
            run(self._buy(balance, months))

        async def _buy(self, balance: int, months: int) -> None:
            house.clock.move_to(timedelta())  # every life begins today, so that each can be lived again
            programme = await a_programme(house, ceiling_minor=CEILING, validity_months=3)
            member, _ = await a_member_with_credit_line(house, 1)
            now = house.clock.now()
            self.card, self.face, _ = await a_prepaid_card(
                house, balance_minor=0, member=member, pin=PIN, programme=programme,
                expires_at=MONTHS_ON(now, 24),
            )  # fmt: skip
            self.model = Model(self.card.funding[0], self.card.expires_at)
            self.unused = True
            await self._fund(LotKind.BOUGHT, balance, MONTHS_ON(now, months))

        async def _fund(self, kind: LotKind, amount: int, ends: datetime) -> None:
            await fund(house, self.card, amount, kind=kind, expires_at=ends)
            self.model.fund(kind, amount, ends)

        @rule()
        def give_and_claim(self) -> None:
            """The number changes, and what was paid for it is a gift from then on."""
            if self.unused:
                run(self._give())

        async def _give(self) -> None:
            if self.model.expires_at <= house.clock.now():
                return
            _, token = await house.cards.hand_over(self.card.id)
            taker, _ = await a_member_with_credit_line(house, 1)
            new_pin = NewPin(Secret(PIN), Secret(PIN))
            self.card, _ = await house.cards.claim(token, member_id=taker.id, pin=new_pin)
            assert (await engine.authorize(world.world.request(self.face, 1))).status is Status.DECLINED
            self.face = house.cards.reveal(self.card)
            self.model.give()

        @rule(units=st.integers(1, 6))
        def charge_at_an_agents_till(self, units: int) -> None:
            run(self._charge(units * 10_000))

        async def _charge(self, amount: int) -> None:
            request = replace(
                world.world.request(self.face, amount, capture=True),
                merchant=shop, purpose=Purpose.LOAD, entry=Entry.SWIPE, cvv=None,
            )  # fmt: skip
            answer = await engine.authorize(request)
            now = answer.created_at
            fits = self.model.in_it(now) + amount <= CEILING and now < self.model.expires_at
            assert (answer.status is Status.APPROVED) == fits, answer.decline
            if fits:
                ends = min(MONTHS_ON(now, 3), self.model.expires_at)
                self.model.fund(LotKind.CHARGED, amount, ends)

        @rule(amount=st.sampled_from([1, 7_000]), months=st.integers(1, 6))
        def be_given(self, amount: int, months: int) -> None:
            run(self._fund(LotKind.GIVEN, amount, MONTHS_ON(house.clock.now(), months)))

        @rule(amount=AMOUNTS, at_once=st.booleans(), partial=st.booleans())
        def pay(self, amount: int, at_once: bool, partial: bool) -> None:
            run(self._pay(amount, at_once, partial))

        async def _pay(self, amount: int, at_once: bool, partial: bool) -> None:
            request = world.world.request(self.face, amount, capture=at_once)
            request = replace(request, merchant=shop, partial=partial)
            first, again = await asyncio.gather(engine.authorize(request), engine.authorize(request))
            assert (first.id, first.status) == (again.id, again.status)
            now, available = first.created_at, self.model.available(first.created_at)
            enough = available >= amount or (partial and available > 0)
            good = now < self.model.expires_at
            assert (first.status is Status.APPROVED) == (enough and good), first.decline
            if first.status is Status.APPROVED:
                self.unused = False
                paid = min(amount, available)
                assert first.amount.amount_minor == paid
                self.model.pay(first.id, paid, now, at_once=at_once)
                assert first.balance_minor == self.model.available(now)

        @rule(used=st.integers(0, 60))
        def call(self, used: int) -> None:
            run(self._call(used))

        async def _call(self, used: int) -> None:
            now = house.clock.now()
            if self.model.expires_at <= now or self.model.available(now) < cost_minor(a_tariff(), 60):
                return
            session = await world.call(self.face, 60)
            self.unused = False
            (grant,) = session.grants
            assert grant.authorization_id is not None
            payment = self.model.pay(
                grant.authorization_id, cost_minor(a_tariff(), 60), house.clock.now(), at_once=False
            )
            await world.metering.close(session.id, used)
            self.model.capture(payment, cost_minor(a_tariff(), used))
            self.model.release(payment, sum(payment.open), house.clock.now())

        @rule(which=st.integers(0, 9), share=st.integers(1, 4), what=st.sampled_from(["capture", "release"]))
        def end_a_hold(self, which: int, share: int, what: str) -> None:
            for payment in self._some(which, "open"):
                run(self._end(payment, max(1, sum(payment.open) * share // 4), what))

        async def _end(self, payment: ModelPayment, amount: int, what: str) -> None:
            if what == "capture":
                await engine.capture(payment.id, amount)
                self.model.capture(payment, amount)
            else:
                released = await engine.release(payment.id, amount)
                self.model.release(payment, amount, self._moment(released))

        @rule(which=st.integers(0, 9), share=st.integers(1, 4))
        def refund(self, which: int, share: int) -> None:
            for payment in self._some(which, "refundable"):
                run(self._refund(payment, max(1, sum(payment.refundable) * share // 4)))

        async def _refund(self, payment: ModelPayment, amount: int) -> None:
            refunded = await engine.refund(payment.id, amount)
            self.model.refund(payment, amount, self._moment(refunded))

        def _moment(self, _: Authorization) -> datetime:
            return house.clock.now()

        def _some(self, which: int, what: str) -> Iterator[ModelPayment]:
            found = [payment for payment in self.model.payments if sum(getattr(payment, what))]
            if found:
                yield found[which % len(found)]

        @rule(days=st.sampled_from([7, 45, 100]))
        def time_passes_and_takes_what_was_not_spent(self, days: int) -> None:
            house.clock.move_to(house.clock.offset + timedelta(days=days))
            run(house.balances.expire())
            self.model.expire(house.clock.now())

        @rule()
        def refund_the_rest(self) -> None:
            run(self._refund_the_rest())

        async def _refund_the_rest(self) -> None:
            async with house.database.transaction() as conn:
                taken = await house.balances.drain(
                    conn, P0, self.card.funding[0], shop.account_id, self.card.id, kinds=REFUNDABLE_LOTS
                )
            assert taken == self.model.drain(house.clock.now())

        @invariant()
        def every_lot_holds_what_the_model_says(self) -> None:
            if not hasattr(self, "model"):
                return
            told = {lot.id: (lot.available, lot.held) for lot in self.model.lots if lot.available or lot.held}
            assert run(self._stored()) == told

        async def _stored(self) -> dict[Any, tuple[int, int]]:
            async with house.database.connection() as conn:
                lots = (await house.balances.of(conn, self.card.funding))[self.card.funding[0]]
            return {
                b.lot.account_id: (b.available_minor, b.held_minor)
                for b in lots
                if b.available_minor or b.held_minor
            }

        def teardown(self) -> None:
            assert run(Ledger(house.database).check()) == []

    return Life


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_p04_p16_whatever_happens_to_a_card_every_lot_holds_what_a_plain_ledger_says(
    database_url: str, tmp_path: Path
) -> None:
    with asyncio.Runner() as runner:
        database = Database(Secret(database_url))
        runner.run(database.open())
        clock = Clock()
        new_id = uuid7_source(clock.now_ms, os.urandom)
        house = build_house(database, tmp_path / "keys.json", clock, new_id, os.urandom)
        world = runner.run(a_meter_world(house))
        runner.run(Ledger(database).open_house([P0], KRW))
        run_machine(
            machine_over(world, runner),
            settings=settings(
                max_examples=60,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
        runner.run(world.world.engine.stop())
        runner.run(database.close())
