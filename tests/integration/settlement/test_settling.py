"""P14 on a real PostgreSQL: what a day means to a merchant, once and to the last won."""

import asyncio
import random
from collections.abc import Callable
from datetime import date, time, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from tests.factories.settlement import THURSDAY, SettlementWorld, a_settlement_world
from tests.factories.wallet import build_house

from obverse.authorization.model import ActionKind
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import NewId
from obverse.kit.paging import PageRequest
from obverse.merchants import FeePlan, Rhythm, fee_minor
from obverse.settlement import DayNotOver, DayPassed, Routine, SettlementState, Totals
from obverse.settlement import service as settling

FRIDAY = THURSDAY + timedelta(days=1)
FEE = FeePlan(basis_points=250, fixed_minor=10)


async def test_p14_a_merchant_is_paid_what_it_captured_less_what_went_back_and_fees(
    world: SettlementWorld,
) -> None:
    merchant = await world.merchant(FEE)
    await world.act(merchant, 10_000)
    await world.act(merchant, 4_000)
    await world.act(merchant, 1_000, ActionKind.REFUND)
    await world.act(merchant, 500, ActionKind.DISPUTE_LOST)
    await world.act(merchant, 700, ActionKind.DISPUTE)
    await world.act(merchant, 700, ActionKind.DISPUTE_WON)
    await world.act(merchant, 300, ActionKind.RELEASE)
    await world.settle()
    statement = await world.last_statement(merchant)
    fees = fee_minor(FEE, 10_000) + fee_minor(FEE, 4_000)
    assert statement.totals == Totals(14_000, 1_000, 0, 500, fees, 4)
    assert (statement.brought_minor, statement.carried_minor) == (0, 0)
    assert statement.paid_minor == 14_000 - 1_000 - 500 - fees
    await world.books_agree()


async def test_p14_settling_a_day_twice_changes_nothing(world: SettlementWorld) -> None:
    merchant = await world.merchant(FEE)
    await world.act(merchant, 10_000)
    await world.settle()
    before = await world.fetch("select * from merchant_statements, payouts, settlements")
    transfers = await world.fetch("select id from transfers order by id")
    assert len(before) == 1
    await world.settle()
    await world.settlements.finish()
    await world.settlements.settle_past_days()
    assert await world.fetch("select * from merchant_statements, payouts, settlements") == before
    assert await world.fetch("select id from transfers order by id") == transfers
    await world.books_agree()


async def test_p14_eight_at_once_settle_a_day_as_one_does(
    world: SettlementWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "CHUNK", 100)
    monkeypatch.setattr(settling, "MERCHANTS_AT_ONCE", 7)
    merchants = [await world.merchant(FEE) for _ in range(30)]
    await world.add_captures([merchant.id for merchant in merchants], 2_345)
    settled = await asyncio.gather(*[world.settlements.settle(THURSDAY) for _ in range(8)])
    assert {each.state for each in settled} == {SettlementState.CLOSED}
    assert {each.actions for each in settled} == {2_345}
    page = await world.reports.payouts(PageRequest(100))
    assert len({each.payout.merchant_id for each in page.items}) == len(page.items) == 30
    await world.books_agree()


@pytest.mark.parametrize(
    "plan",
    [
        FeePlan(),
        FeePlan(250, 0),
        FeePlan(1, 0),
        FeePlan(49, 7),
        FeePlan(10_000, 0),
        FeePlan(10_000, 100),
        FeePlan(333, 1_000),
    ],
    ids=repr,
)
async def test_fees_in_sql_and_in_python_agree_to_the_last_unit(
    world: SettlementWorld, plan: FeePlan
) -> None:
    rng = random.Random(1)
    merchant = await world.merchant(plan)
    amounts = [1, 49, 50, 51, 99, 100, 149, 150, 5_000, 10**11, *(rng.randrange(1, 10**6) for _ in range(40))]
    expected = {await world.act(merchant, amount): fee_minor(plan, amount) for amount in amounts}
    await world.settle()
    assert {
        row["id"]: row["fee_minor"] for row in await world.fetch("select id, fee_minor from actions")
    } == (expected)
    await world.books_agree()


@pytest.mark.parametrize("days_between", [0, 1], ids=["on the same day", "on the day after"])
async def test_the_fees_of_a_reversed_payment_are_given_back_with_the_fees_of_each_of_its_captures(
    world: SettlementWorld, days_between: int
) -> None:
    merchant, payment = await world.merchant(FEE), uuid4()
    await world.act(merchant, 3_333, payment=payment)
    await world.act(merchant, 777, payment=payment)
    await world.act(merchant, 50_000)
    if days_between:
        await world.settle()
    day = THURSDAY + timedelta(days=days_between)
    await world.act(merchant, 4_110, ActionKind.REVERSAL, day=day, at=time(13), payment=payment)
    await world.settle(day)
    statements = (await world.reports.statements(PageRequest(), merchant_id=merchant.id)).items
    assert sum(each.totals.fees_minor for each in statements) == fee_minor(FEE, 50_000)
    assert sum(each.totals.reversed_minor for each in statements) == 4_110
    await world.books_agree()


async def test_a_reversal_gives_back_what_was_kept_whatever_the_fee_is_by_now(world: SettlementWorld) -> None:
    merchant, payment = await world.merchant(FEE), uuid4()
    await world.act(merchant, 10_000, payment=payment)
    await world.settle()
    await world.fetch("update merchants set fee_basis_points = 9000, fee_fixed_minor = 0")
    await world.act(merchant, 10_000, ActionKind.REVERSAL, day=FRIDAY, payment=payment)
    await world.settle(FRIDAY)
    assert (await world.last_statement(merchant)).totals.fees_minor == -fee_minor(FEE, 10_000)
    await world.books_agree()


async def test_a_refund_keeps_the_fee_and_a_debt_is_set_against_later_captures(
    world: SettlementWorld,
) -> None:
    merchant = await world.merchant(FEE)
    await world.act(merchant, 10_000)
    await world.settle()
    await world.act(merchant, 10_000, ActionKind.REFUND, day=FRIDAY)
    await world.settle(FRIDAY)
    owing = await world.last_statement(merchant)
    assert (owing.totals.fees_minor, owing.paid_minor, owing.carried_minor) == (0, 0, -10_000)
    saturday = FRIDAY + timedelta(days=1)
    await world.act(merchant, 30_000, day=saturday)
    await world.settle(saturday)
    after = await world.last_statement(merchant)
    assert after.brought_minor == -10_000
    assert after.paid_minor == 20_000 - fee_minor(FEE, 30_000)
    await world.books_agree()


async def test_what_comes_at_the_cut_off_or_late_falls_into_the_next_day(world: SettlementWorld) -> None:
    merchant = await world.merchant()
    await world.act(merchant, 1, at=time(23, 59, 59, 999_000))
    await world.act(merchant, 20, day=FRIDAY, at=time(0))
    await world.settle()
    assert (await world.last_statement(merchant)).totals.captured_minor == 1
    # Committed only now, after its day was settled: it was created before and has a smaller id.
    await world.act(merchant, 300, at=time(8))
    await world.settle(FRIDAY)
    assert (await world.last_statement(merchant)).totals.captured_minor == 320
    await world.books_agree()


@pytest.mark.parametrize(
    ("rhythm", "pay_day"),
    [(Rhythm.WEEKLY, date(2026, 11, 22)), (Rhythm.MONTHLY, date(2026, 11, 30))],
    ids=["weekly", "monthly"],
)
async def test_a_merchant_of_a_longer_rhythm_is_owed_day_by_day_and_paid_at_its_end(
    world: SettlementWorld, rhythm: Rhythm, pay_day: date
) -> None:
    merchant = await world.merchant(FEE, rhythm=rhythm)
    days = [THURSDAY + timedelta(days=n) for n in range((pay_day - THURSDAY).days + 1)]
    for day in days[:2]:
        await world.act(merchant, 1_000, day=day)
    for day in days:
        assert (await world.reports.payouts(PageRequest())).items == []
        await world.settle(day)
    statement = await world.last_statement(merchant)
    assert (statement.day, statement.totals) == (pay_day, Totals())
    assert (statement.brought_minor, statement.paid_minor) == (2 * (1_000 - fee_minor(FEE, 1_000)),) * 2
    told = (await world.reports.statements(PageRequest(), merchant_id=merchant.id)).items
    assert [each.day for each in told] == [pay_day, FRIDAY, THURSDAY], "days without news have no statement"
    await world.books_agree()


async def test_without_a_bank_account_all_stays_owed_until_there_is_one(world: SettlementWorld) -> None:
    merchant = await world.merchant(account=False)
    await world.act(merchant, 1_000)
    await world.settle()
    assert (await world.last_statement(merchant)).carried_minor == 1_000
    await world.books_agree()
    await world.give_account(merchant)
    await world.settle(FRIDAY)
    statement = await world.last_statement(merchant)
    assert (statement.brought_minor, statement.paid_minor, statement.carried_minor) == (1_000, 1_000, 0)
    await world.books_agree()


async def test_the_programmes_own_merchant_is_passed_by_and_not_looked_at_again(
    world: SettlementWorld,
) -> None:
    own, other = await world.merchant(FEE, rhythm=Rhythm.NEVER), await world.merchant(FEE)
    await world.act(own, 1_000)
    await world.act(other, 1_000)
    await world.settle()
    assert [each.merchant_id for each in (await world.reports.statements(PageRequest())).items] == [other.id]
    assert await world.fetch("select from actions where settlement_id is null") == []
    assert (
        await world.fetch("select from accounts where id = $1 and debits_posted_minor > 0", own.account_id)
        == []
    )
    await world.books_agree()


async def test_merchants_with_nothing_to_tell_get_no_statement(world: SettlementWorld) -> None:
    busy, idle = await world.merchant(), await world.merchant()
    await world.act(busy, 1)
    await world.settle()
    assert (await world.reports.statements(PageRequest(), merchant_id=idle.id)).items == []
    assert len((await world.reports.statements(PageRequest())).items) == 1


async def test_a_day_is_settled_after_its_cut_off_and_in_the_order_of_days(world: SettlementWorld) -> None:
    with pytest.raises(DayNotOver):
        await world.settlements.settle(FRIDAY)
    await world.settle(FRIDAY)
    with pytest.raises(DayPassed):
        await world.settlements.settle(THURSDAY)
    assert [row["day"] for row in await world.fetch("select day from settlements")] == [FRIDAY]


async def test_past_days_are_settled_by_themselves_each_on_its_own(world: SettlementWorld) -> None:
    merchant = await world.merchant()
    await world.settlements.settle_past_days()
    assert await world.fetch("select from settlements") == [], (
        "before the first capture there is nothing to do"
    )
    await world.act(merchant, 1, day=THURSDAY - timedelta(days=40))
    await world.act(merchant, 1)
    await world.settlements.settle_past_days()
    assert (await world.last_statement(merchant)).totals.captured_minor == 2
    for days in (1, 3):
        await world.act(merchant, days, day=THURSDAY + timedelta(days=days))
    world.be_at(THURSDAY + timedelta(days=4))
    await world.settlements.settle_past_days()
    told = (await world.reports.statements(PageRequest())).items
    assert [(each.day - THURSDAY).days for each in told] == [3, 1, 0]
    assert len(await world.fetch("select from settlements where state = 'closed'")) == 4
    await world.books_agree()


@pytest.mark.parametrize("opens_days", [True, False], ids=["by itself", "when told to"])
async def test_the_routine_finishes_what_is_open_and_opens_days_only_where_it_may(
    world: SettlementWorld, opens_days: bool
) -> None:
    merchant = await world.merchant()
    await world.act(merchant, 1)
    await world.act(merchant, 2, day=FRIDAY)
    routine = Routine(world.settlements, opens_days=opens_days)
    await world.settlements.open(THURSDAY)
    world.be_at(FRIDAY + timedelta(days=1))
    for _ in range(2):
        await routine.run()
    told = (await world.reports.statements(PageRequest())).items
    assert [each.day for each in told] == ([FRIDAY, THURSDAY] if opens_days else [THURSDAY])
    await world.books_agree()


async def test_what_is_open_is_finished_before_a_later_day_is_touched(
    world: SettlementWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "CHUNK", 10)
    merchant = await world.merchant()
    await world.add_captures([merchant.id], 45)
    await world.act(merchant, 5, day=FRIDAY)
    await world.settlements.open(THURSDAY)
    await world.settlements.step()
    await world.settle(FRIDAY)
    told = (await world.reports.statements(PageRequest())).items
    assert [(each.day, each.totals.actions) for each in told] == [(FRIDAY, 1), (THURSDAY, 45)]
    await world.books_agree()


async def test_begin_comes_back_when_patience_ends_and_finish_does_the_rest(world: SettlementWorld) -> None:
    merchant = await world.merchant()
    await world.act(merchant, 5)
    begun = await world.settlements.begin(THURSDAY, timedelta())
    assert begun.state is SettlementState.GATHERING
    assert await world.settlements.count_open(begun) == 1
    await world.settlements.finish()
    again = await world.settlements.begin(THURSDAY, timedelta(seconds=10))
    assert (again.id, again.state, again.actions) == (begun.id, SettlementState.CLOSED, 1)
    assert await world.settlements.count_open(begun) == 0
    assert len(await world.fetch("select from bank_transfers")) == 1


async def test_p14_partitions_are_settled_as_one(
    database: Database, tmp_path: Path, clock: Clock, new_id: NewId, random_bytes: Callable[[int], bytes]
) -> None:
    house = build_house(database, tmp_path / "keys.json", clock, new_id, random_bytes, partitions=2)
    world = await a_settlement_world(house, partitions=2)
    here, there, both = [await world.merchant(FEE) for _ in range(3)]
    await world.act(here, 1_000)
    await world.act(there, 2_000, partition=1)
    await world.act(both, 5_000)
    await world.act(both, 7_000, ActionKind.REFUND, partition=1)
    await world.act(both, 4_000, partition=1)
    await world.settle()
    await world.books_agree()
    paid = {
        each.merchant_id: each.paid_minor for each in (await world.reports.statements(PageRequest())).items
    }
    assert paid == {
        here.id: 1_000 - fee_minor(FEE, 1_000),
        there.id: 2_000 - fee_minor(FEE, 2_000),
        both.id: 2_000 - fee_minor(FEE, 5_000) - fee_minor(FEE, 4_000),
    }
    left = await world.fetch(
        "select from accounts where kind = 'merchant_payable' and credits_posted_minor <> debits_posted_minor"
    )
    assert left == [], "every partition's account is empty, not only their sum"
    await world.treasury.send()
    await world.books_agree()
    kinds = await world.fetch(
        "select kind, sum(credits_posted_minor - debits_posted_minor)::bigint as left from accounts"
        " where kind in ('in_transit', 'bank') group by kind"
    )
    assert {row["kind"]: row["left"] for row in kinds} == {"in_transit": 0, "bank": sum(paid.values())}


async def test_the_database_itself_refuses_a_statement_that_does_not_add_up(world: SettlementWorld) -> None:
    merchant = await world.merchant()
    settlement = await world.settlements.open(THURSDAY)
    with pytest.raises(asyncpg.CheckViolationError, match="merchant_statements_add_up"):
        await world.fetch(
            "insert into merchant_statements values ($1, $2, $3, 0, 100, 0, 0, 0, 0, 101, 0, 1, now())",
            uuid4(), settlement.id, merchant.id,
        )  # fmt: skip


@pytest.mark.parametrize("table", ["merchant_statements", "payouts", "settlements", "settlement_lines"])
async def test_what_was_settled_cannot_be_taken_away(database: Database, table: str) -> None:
    async with database.connection() as conn:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute(f"delete from {table}")


@pytest.mark.parametrize(
    "change", ["merchant_statements set paid_minor = 0", "payouts set amount_minor = 1"], ids=str.split
)
async def test_what_was_told_cannot_be_told_otherwise(database: Database, change: str) -> None:
    async with database.connection() as conn:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute(f"update {change}")
