"""Drawing up bills: what is on them, each action once, over kills, stragglers and two processes."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.factories.billing import BillingWorld, a_billing_world, a_key, an_issuing, at, turn_to
from tests.factories.wallet import build_house

from obverse.billing import BillState, Month, MonthNotOver, MonthPassed, RunState
from obverse.billing import issuing as issuing_module
from obverse.billing.rules import new_reference
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import NewId


async def test_a_bill_has_every_step_that_moved_what_the_member_owes(world: BillingWorld) -> None:
    engine = world.engine_world.engine
    member, source = await world.member()
    bought = await world.buy(member.id, 50_000)
    await engine.refund(bought.id, 5_000, key=a_key())
    undone = await world.buy(member.id, 7_000)
    await engine.cancel(undone.id)
    in_parts = await world.buy(member.id, 30_000, capture=False)
    await engine.capture(in_parts.id, 10_000, key=a_key())
    await engine.capture(in_parts.id, 8_000, key=a_key(), final=True)
    await world.buy(member.id, 99_000, capture=False)  # held, not claimed: nobody owes it yet
    won = await world.buy(member.id, 20_000)
    await engine.open_dispute(won.id, 20_000, key=a_key())
    await engine.close_dispute(won.id, 20_000, key=a_key(), merchant_pays=False)
    lost = await world.buy(member.id, 3_000)
    await engine.open_dispute(lost.id, 3_000, key=a_key())
    await engine.close_dispute(lost.id, 3_000, key=a_key(), merchant_pays=True)

    run = await world.issue("2031-11")

    assert (run.state, run.bills) == (RunState.DONE, 1)
    bill = await world.bill(member.id)
    assert bill.source_id == source.id
    assert await world.line_amounts(bill) == {
        "capture": 50_000 + 7_000 + 18_000 + 20_000 + 3_000,
        "refund": -5_000,
        "reversal": -7_000,
        "dispute": -23_000,
        "dispute_won": 20_000,
    }
    assert (bill.charges_minor, bill.credits_minor) == (118_000, 35_000)
    assert (bill.previous_minor, bill.payments_minor) == (0, 0)
    credit = await world.credit(member.id)
    assert bill.balance_minor == 83_000 == credit.owed_minor == credit.due_minor
    assert (credit.unbilled_minor, credit.held_minor) == (0, 99_000)
    assert bill.state is BillState.ISSUED
    assert str(bill.due_on) == "2031-12-15"
    assert await world.told("bill.issued") == 1


async def test_a_month_ends_at_midnight_in_the_programmes_zone(world: BillingWorld) -> None:
    member, _ = await world.member()
    turn_to(world.house.clock, at("2031-11-30 23:59:50"))
    await world.buy(member.id, 1_000)
    turn_to(world.house.clock, at("2031-12-01 00:00:01"))
    await world.buy(member.id, 2_000)
    await world.issue("2031-11")
    assert (await world.bill(member.id)).charges_minor == 1_000
    assert (await world.credit(member.id)).unbilled_minor == 2_000
    await world.issue("2031-12")
    assert [bill.charges_minor for bill in await world.bills(member.id)] == [2_000, 1_000]


async def test_billing_a_month_again_changes_nothing(world: BillingWorld) -> None:
    member, _ = await world.member()
    await world.buy(member.id)
    first = await world.issue("2031-11")
    bill = await world.bill(member.id)
    assert await world.issue("2031-11") == first
    await world.issuing.issue_due()
    assert await world.bills(member.id) == [bill]
    assert await world.told("bill.issued") == 1


async def test_the_next_bill_carries_on_from_the_one_before(world: BillingWorld) -> None:
    member, _ = await world.member()
    await world.buy(member.id, 30_000)
    await world.issue("2031-11")
    await world.pay(await world.bill(member.id), 10_000)
    await world.buy(member.id, 5_000)
    await world.issue("2031-12")
    bill = await world.bill(member.id)
    assert (bill.previous_minor, bill.payments_minor, bill.charges_minor) == (30_000, 10_000, 5_000)
    assert bill.balance_minor == 25_000
    (payment,) = await world.billing.payments(bill)
    assert payment.amount_minor == 10_000


async def test_what_is_owed_on_a_removed_credit_line_is_still_billed(world: BillingWorld) -> None:
    member, source = await world.member()
    await world.buy(member.id, 30_000)
    await world.house.wallet.remove(source.id)
    await world.issue("2031-11")
    assert (await world.bill(member.id)).balance_minor == 30_000
    assert (await world.credit(member.id)).due_minor == 30_000


async def test_who_did_nothing_and_owes_nothing_gets_no_bill(world: BillingWorld) -> None:
    idle, _ = await world.member()
    busy, _ = await world.member()
    await world.buy(busy.id)
    await world.issue("2031-11")
    await world.pay(await world.bill(busy.id))
    await world.issue("2031-12")
    assert [bill.balance_minor for bill in await world.bills(busy.id)] == [0, 34_000]
    await world.issue("2032-01")
    assert len(await world.bills(busy.id)) == 2
    assert await world.bills(idle.id) == []


async def test_months_missed_in_an_outage_are_billed_in_order(world: BillingWorld) -> None:
    member, _ = await world.member()
    await world.buy(member.id, 1_000)
    await world.issue("2031-11")
    turn_to(world.house.clock, at("2031-12-10 12:00"))
    await world.buy(member.id, 2_000)
    turn_to(world.house.clock, at("2032-02-10 12:00"))
    await world.buy(member.id, 4_000)
    turn_to(world.house.clock, at("2032-03-10 12:00"))
    await world.issuing.issue_due()
    found = [(str(b.month), b.charges_minor, b.balance_minor) for b in await world.bills(member.id)]
    assert found == [
        ("2032-02", 4_000, 7_000),
        ("2032-01", 0, 3_000),
        ("2031-12", 2_000, 3_000),
        ("2031-11", 1_000, 1_000),
    ]


async def test_the_first_month_ever_takes_along_what_was_before(world: BillingWorld) -> None:
    member, _ = await world.member()
    await world.buy(member.id, 1_000)
    turn_to(world.house.clock, at("2032-01-10 12:00"))
    await world.buy(member.id, 2_000)
    await world.issue("2032-01")
    assert (await world.bill(member.id)).charges_minor == 3_000
    with pytest.raises(MonthPassed):
        await world.issue("2031-11")


async def test_a_month_that_is_not_over_is_refused(world: BillingWorld) -> None:
    with pytest.raises(MonthNotOver):
        await world.issuing.issue(Month(2031, 11))


async def test_an_action_committed_after_its_month_was_billed_is_on_the_next_bill(
    world: BillingWorld,
) -> None:
    """Whichever months are billed before it commits: it is neither forgotten nor billed twice."""
    member, _ = await world.member()
    await world.buy(member.id, 1_000)
    late = await world.buy(member.id, 2_000)
    database = world.house.database
    async with database.connection() as conn:
        action = await conn.fetchrow("select * from actions where authorization_id = $1", late.id)
    async with database.transaction() as straggler:
        # The same step as one whose transaction is still open while two months are billed.
        await straggler.execute(
            "insert into actions (partition_id, id, authorization_id, merchant_id, kind, amount_minor, parts,"
            " currency, request_key, asked, to_present, created_at)"
            " values ($1, $2, $3, $4, 'capture', 500, '{500}', $5, 'straggler', 'all', false, $6)",
            action["partition_id"],
            world.house.new_id(),
            late.id,
            action["merchant_id"],
            action["currency"],
            action["created_at"],
        )
        await world.issue("2031-11")
        await world.issue("2031-12")
        assert (await world.bill(member.id)).balance_minor == 3_000
    await world.issue("2032-01")
    bills = await world.bills(member.id)
    assert [(str(bill.month), bill.charges_minor) for bill in bills] == [
        ("2032-01", 500),
        ("2031-12", 0),
        ("2031-11", 3_000),
    ]
    await world.issue("2032-02")
    assert (await world.bill(member.id)).charges_minor == 0


async def test_two_processes_at_once_bill_everybody_once(
    world: BillingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuing_module, "ACTIONS_PER_CHUNK", 3)
    monkeypatch.setattr(issuing_module, "BILLS_PER_CHUNK", 2)
    members = [(await world.member())[0] for _ in range(9)]
    for member in members:
        await world.buy(member.id, 1_000)
        await world.buy(member.id, 2_000)
    turn_to(world.house.clock, at("2031-12-01 00:01"))
    other = an_issuing(world.house)
    runs = await asyncio.gather(
        *[each.issue(Month(2031, 11)) for each in (world.issuing, other, world.issuing, other)]
    )
    assert {(run.state, run.actions, run.lines, run.bills) for run in runs} == {(RunState.DONE, 18, 18, 9)}
    for member in members:
        assert [bill.charges_minor for bill in await world.bills(member.id)] == [3_000]
    assert await world.told("bill.issued") == 9


async def test_a_run_that_stopped_goes_on_where_it_was(
    world: BillingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuing_module, "ACTIONS_PER_CHUNK", 2)
    monkeypatch.setattr(issuing_module, "BILLS_PER_CHUNK", 1)
    members = [(await world.member())[0] for _ in range(3)]
    for member in members:
        await world.buy(member.id, 1_000)
    seen: list[tuple[str, int, int]] = []

    class StoppedHere(Exception):
        pass

    def observe(run: object, done: int, total: int) -> None:
        seen.append((run.state, done, total))  # type: ignore[attr-defined]
        raise StoppedHere

    turn_to(world.house.clock, at("2031-12-01 00:01"))
    while True:
        try:
            run = await an_issuing(world.house).issue(Month(2031, 11), observe)
        except StoppedHere:
            continue
        break
    assert (run.actions, run.lines, run.credit_lines, run.bills) == (3, 3, 3, 3)
    assert seen == [
        ("collecting", 2, 3),
        ("drawing_up", 0, 3),
        ("drawing_up", 1, 3),
        ("drawing_up", 2, 3),
        ("drawing_up", 3, 3),
        ("done", 3, 3),
    ]
    for member in members:
        assert [bill.charges_minor for bill in await world.bills(member.id)] == [1_000]


async def test_a_reference_drawn_twice_is_drawn_again(world: BillingWorld) -> None:
    drawn = [b"same--", b"same--", b"other-"]
    for _ in range(2):
        member, _ = await world.member()
        await world.buy(member.id)
    turn_to(world.house.clock, at("2031-12-01 00:01"))

    def random_bytes(size: int) -> bytes:
        return drawn.pop(0)[:size] if drawn else world.house.random_bytes(size)

    run = await an_issuing(world.house, random_bytes).issue(Month(2031, 11))
    assert (run.state, run.bills) == (RunState.DONE, 2)
    assert not drawn
    assert (await world.bill(member.id)).reference != new_reference(lambda _: b"same--")


async def test_members_of_every_partition_are_billed(
    database: Database, tmp_path: Path, clock: Clock, new_id: NewId, random_bytes: Callable[[int], bytes]
) -> None:
    turn_to(clock, at("2031-11-01 09:00"))
    house = build_house(database, tmp_path / "keys.json", clock, new_id, random_bytes, partitions=3)
    world = await a_billing_world(house, partitions=3)
    members = {}
    while len(members) < 3:
        member, source = await world.member()
        members[source.partition_id] = member
    for partition_id, member in members.items():
        await world.buy(member.id, 1_000 + partition_id)
    await world.issue("2031-11")
    for partition_id, member in members.items():
        bill = await world.bill(member.id)
        assert (bill.partition_id, bill.balance_minor) == (partition_id, 1_000 + partition_id)
        assert await world.pay(bill) == 1
        assert (await world.credit(member.id)).owed_minor == 0
    await world.engine_world.engine.stop()
