"""Whatever happens to a credit line over months, its bills and the ledger tell of the same debt."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.factories.billing import SEOUL, BillingWorld, a_billing_world, a_key, at, turn_to
from tests.factories.wallet import build_house

from obverse.authorization import Authorization
from obverse.billing import BillState, Month
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.errors import ObverseError
from obverse.kit.ids import MemberId, uuid7_source
from obverse.kit.secret import Secret

LIMIT = 200_000
AMOUNT = st.integers(1, 60_000)
WHICH = st.integers(0, 7)
STEP = st.one_of(
    st.tuples(st.just("buy"), AMOUNT, st.booleans()),
    st.tuples(st.just("buy"), AMOUNT, st.booleans()),
    st.tuples(st.just("capture"), WHICH, AMOUNT),
    st.tuples(st.just("refund"), WHICH, AMOUNT),
    st.tuples(st.just("cancel"), WHICH),
    st.tuples(st.just("dispute"), WHICH, AMOUNT),
    st.tuples(st.just("dispute"), WHICH, AMOUNT),
    st.tuples(st.just("decide"), st.booleans()),
    st.tuples(st.just("pay"), WHICH, AMOUNT),
    st.tuples(st.just("pay in full"), WHICH),
    st.tuples(st.just("days"), st.integers(1, 25)),
    st.tuples(st.just("month")),
    st.tuples(st.just("month")),
)

# Written out anew: what the ledger posts to a credit line for each kind of step, debits and credits.
_UNBILLED = """
select coalesce(sum(a.parts[l.position + 1]) filter (where a.kind in ('capture', 'dispute_won')), 0)::bigint,
    coalesce(sum(a.parts[l.position + 1]) filter (where a.kind in ('refund', 'reversal', 'dispute')), 0)
        ::bigint
from actions as a join legs as l using (authorization_id, partition_id)
where l.kind = 'credit_line' and l.debit_account_id = $1
    and not exists (select from bill_lines as b where b.action_id = a.id)
"""
_BILLED = "select coalesce(sum(amount_minor), 0)::bigint from bill_lines where account_id = $1"
_PAID = "select coalesce(sum(amount_minor), 0)::bigint from bill_payments where account_id = $1"


class CreditLine:
    """One member's credit line, and everything that may happen to it."""

    def __init__(self, world: BillingWorld, member_id: MemberId, account_id: Any) -> None:
        self.world = world
        self.member_id = member_id
        self.account_id = account_id
        self.payments: list[Authorization] = []
        self.disputed: dict[int, int] = {}

    async def step(self, what: str, *given: int) -> None:
        engine = self.world.engine_world.engine
        which = given[0] % len(self.payments) if self.payments and given else 0
        payment = self.payments[which] if self.payments else None
        match what, payment:
            case "buy", _:
                self.payments.append(await self.world.buy(self.member_id, given[0], capture=bool(given[1])))
            case "capture", Authorization():
                await engine.capture(payment.id, given[1], key=a_key())
            case "refund", Authorization():
                await engine.refund(payment.id, given[1], key=a_key())
            case "cancel", Authorization():
                await engine.cancel(payment.id)
            case "dispute", Authorization():
                left = (await engine.get(payment.id)).captured_minor
                amount = min(left, given[1])
                await engine.open_dispute(payment.id, amount, key=a_key())
                self.disputed[which] = amount
            case "decide", Authorization() if self.disputed:
                which, amount = self.disputed.popitem()
                await engine.close_dispute(
                    self.payments[which].id, amount, key=a_key(), merchant_pays=bool(given[0])
                )
            case "days", _:
                turn_to(self.world.house.clock, self.world.house.clock.now() + timedelta(days=given[0]))
                await self.world.billing.follow_up()
            case "month", _:
                today = SEOUL.local_date(self.world.house.clock.now())
                await self.world.issue(str(Month.of(today)))
                await self.nothing_was_forgotten()
            case (("pay" | "pay in full"), _):
                if bills := await self.world.bills(self.member_id):
                    bill = bills[given[0] % len(bills)]
                    amount = given[1] if what == "pay" else max(1, bill.due_minor)
                    assert await self.world.pay(bill, amount) == 1

    async def the_books_agree(self) -> None:
        async with self.world.house.database.connection() as conn:
            debits, credits = await conn.fetchrow(_UNBILLED, self.account_id)
            billed = await conn.fetchval(_BILLED, self.account_id)
            paid = await conn.fetchval(_PAID, self.account_id)
            counted = await conn.fetchval(f"{_PAID} and month is not null", self.account_id)
        credit = await self.world.credit(self.member_id)
        bills = await self.world.bills(self.member_id)
        balance = bills[0].balance_minor if bills else 0
        unbilled = debits - credits
        assert billed + unbilled - paid == credit.owed_minor
        assert balance - (paid - counted) + unbilled == credit.owed_minor
        assert credit.due_minor + credit.unbilled_minor == credit.owed_minor
        assert credit.due_minor == max(0, balance - credits - (paid - counted)), (
            "credits pay the oldest first"
        )
        assert 0 <= credit.overdue_minor <= credit.due_minor
        assert credit.available_minor == LIMIT - credit.owed_minor - credit.held_minor

    async def nothing_was_forgotten(self) -> None:
        """Right after a month was billed, its bill and those before it have everything."""
        async with self.world.house.database.connection() as conn:
            assert tuple(await conn.fetchrow(_UNBILLED, self.account_id)) == (0, 0)
        bills = await self.world.bills(self.member_id)
        credit = await self.world.credit(self.member_id)
        assert credit.owed_minor == (bills[0].balance_minor if bills else 0)

    async def the_bills_add_up(self) -> None:
        await self.world.billing.follow_up()
        bills = await self.world.bills(self.member_id)
        today = SEOUL.local_date(self.world.house.clock.now())
        previous = 0
        for bill in reversed(bills):
            assert bill.previous_minor == previous
            lines = await self.world.line_amounts(bill)
            assert sum(lines.values()) == bill.charges_minor - bill.credits_minor
            assert bill.payments_minor == sum(p.amount_minor for p in await self.world.billing.payments(bill))
            assert (bill.state is BillState.PAID) == (bill.due_minor == 0)
            late = bill.due_on is not None and bill.due_on < today and bill.due_minor > 0
            assert (bill.state is BillState.OVERDUE) == late
            previous = bill.balance_minor
        assert await self.world.told("bill.issued") >= len(bills)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_bills_less_payments_and_what_is_unbilled_are_what_the_ledger_says(
    database_url: str, tmp_path: Path
) -> None:
    with asyncio.Runner() as runner:
        database = Database(Secret(database_url))
        runner.run(database.open())
        world = runner.run(_a_world(database, tmp_path))

        @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(STEP, min_size=25, max_size=60))
        def live(steps: list[tuple[Any, ...]]) -> None:
            runner.run(_live(world, steps))

        live()
        runner.run(world.engine_world.books_are_right())
        runner.run(world.engine_world.engine.stop())
        runner.run(database.close())


async def _a_world(database: Database, folder: Path) -> BillingWorld:
    clock, rng = Clock(), Random(17)
    turn_to(clock, at("2031-11-01 09:00"))
    new_id = uuid7_source(clock.now_ms, rng.randbytes)
    return await a_billing_world(build_house(database, folder / "keys.json", clock, new_id, rng.randbytes))


async def _live(world: BillingWorld, steps: list[tuple[Any, ...]]) -> None:
    member, source = await world.member(LIMIT)
    line = CreditLine(world, member.id, source.account_id)
    for step in steps:
        with suppress(ObverseError):
            await line.step(*step)
        await line.the_books_agree()
    await line.the_bills_add_up()
