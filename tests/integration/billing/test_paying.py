"""Money that comes in for bills: in part, twice, too much, for nothing known, late; refunds that pay too."""

import asyncio
from datetime import date

import pytest
from tests.factories.billing import BillingWorld, a_key, at, turn_to
from tests.factories.cards import a_one_time_card

from obverse.billing import Bill, BillState, CreditLineNotFound
from obverse.kit.ids import MemberId
from obverse.ledger import Ledger
from obverse.treasury.repository import unplaced
from obverse.wallet import SourceState


async def a_billed_member(world: BillingWorld, amount_minor: int = 30_000) -> tuple[MemberId, Bill]:
    member, _ = await world.member()
    await world.buy(member.id, amount_minor)
    await world.issue("2031-11")
    return member.id, await world.bill(member.id)


async def in_suspense(world: BillingWorld) -> int:
    """What came in and has not been placed."""
    lines = await Ledger(world.house.database).trial_balance()
    return sum(
        line.credits_posted_minor - line.debits_posted_minor for line in lines if line.kind == "suspense"
    )


async def test_a_payment_in_full_pays_the_bill(world: BillingWorld) -> None:
    member_id, bill = await a_billed_member(world)
    assert await world.pay(bill) == 1
    paid = await world.bill(member_id)
    assert (paid.state, paid.due_minor) == (BillState.PAID, 0)
    credit = await world.credit(member_id)
    assert (credit.owed_minor, credit.due_minor, credit.available_minor) == (0, 0, 1_000_000)
    assert await world.told("bill.paid") == 1
    assert await in_suspense(world) == 0
    await world.engine_world.books_are_right()


async def test_a_payment_in_part_leaves_the_rest_due(world: BillingWorld) -> None:
    member_id, bill = await a_billed_member(world)
    await world.pay(bill, 12_000)
    part = await world.bill(member_id)
    assert (part.state, part.due_minor) == (BillState.PARTLY_PAID, 18_000)
    assert await world.told("bill.paid") == 0
    await world.pay(bill, 18_000)
    assert (await world.bill(member_id)).state is BillState.PAID
    assert await world.told("bill.paid") == 1


async def test_what_is_paid_too_much_is_the_members_and_lowers_the_next_bill(world: BillingWorld) -> None:
    member_id, bill = await a_billed_member(world)
    await world.pay(bill, 50_000)
    credit = await world.credit(member_id)
    assert (credit.owed_minor, credit.due_minor, credit.unbilled_minor) == (-20_000, 0, -20_000)
    assert credit.available_minor == 1_020_000, "the limit is on what is owed, not on one's own money"
    await world.buy(member_id, 5_000)
    await world.issue("2031-12")
    following = await world.bill(member_id)
    assert (following.previous_minor, following.payments_minor) == (30_000, 50_000)
    assert (following.balance_minor, following.state, following.due_on) == (-15_000, BillState.PAID, None)
    await world.buy(member_id, 20_000)
    await world.issue("2032-01")
    assert (await world.bill(member_id)).balance_minor == 5_000


async def test_a_bill_paid_twice_is_paid_once_and_the_rest_is_kept(world: BillingWorld) -> None:
    member_id, bill = await a_billed_member(world)
    await world.pay(bill)
    assert await world.pay(bill) == 1
    assert (await world.credit(member_id)).owed_minor == -30_000
    assert await world.told("bill.paid") == 1


async def test_the_same_receipt_is_placed_once(world: BillingWorld) -> None:
    member_id, bill = await a_billed_member(world)
    assert await world.pay(bill) == 1
    assert await world.billing.take_payments() == 0
    assert (await world.credit(member_id)).owed_minor == 0


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("OBV-B-0123456788", id="no bill has it"),
        pytest.param("OBV-B-0123456789", id="its check letter does not fit"),
        pytest.param("for my November bill", id="no reference"),
        pytest.param("OBV-P-0123456788", id="somebody else's reference"),
    ],
)
async def test_a_payment_for_no_bill_of_ours_stays_where_an_operator_sees_it(
    world: BillingWorld, text: str
) -> None:
    member_id, _ = await a_billed_member(world)
    await world.transfer(text, 30_000)
    assert await world.billing.take_payments() == 0
    assert (await world.credit(member_id)).owed_minor == 30_000
    assert await in_suspense(world) == 30_000


async def test_unknown_references_do_not_stop_known_ones(
    world: BillingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("obverse.billing.service._RECEIPTS_PER_COMMIT", 2)
    member_id, bill = await a_billed_member(world)
    for _ in range(5):
        await world.transfer("OBV-B-0123456788", 1_000)
    assert await world.pay(bill) == 1
    assert (await world.bill(member_id)).state is BillState.PAID
    async with world.house.database.transaction() as conn:
        assert len(await unplaced(conn, "OBV-B-", 100)) == 5


async def test_processes_that_take_payments_at_once_place_each_once(world: BillingWorld) -> None:
    member_id, bill = await a_billed_member(world, 20_000)
    for _ in range(20):
        await world.transfer(bill.reference, 1_000)
    taken = await asyncio.gather(*[world.billing.take_payments() for _ in range(4)])
    assert sum(taken) + await world.billing.take_payments() == 20
    assert (await world.bill(member_id)).state is BillState.PAID
    assert (await world.credit(member_id)).owed_minor == 0
    assert await world.told("bill.paid") == 1
    await world.engine_world.books_are_right()


async def test_the_newest_bill_pays_older_ones_along(world: BillingWorld) -> None:
    member_id, first = await a_billed_member(world)
    await world.buy(member_id, 5_000)
    await world.issue("2031-12")
    second = await world.bill(member_id)
    assert second.balance_minor == 35_000
    await world.pay(second)
    assert [bill.state for bill in await world.bills(member_id)] == [BillState.PAID, BillState.PAID]
    assert first.id != second.id
    assert await world.told("bill.paid") == 2


async def test_an_old_bills_reference_pays_the_oldest_debt(world: BillingWorld) -> None:
    member_id, first = await a_billed_member(world)
    await world.buy(member_id, 5_000)
    await world.issue("2031-12")
    await world.pay(first, 30_000)
    second, oldest = await world.bills(member_id)
    assert (oldest.state, second.state, second.due_minor) == (BillState.PAID, BillState.PARTLY_PAID, 5_000)


async def test_a_refund_pays_a_bill_as_well(world: BillingWorld) -> None:
    member, _ = await world.member()
    bought = await world.buy(member.id, 30_000)
    await world.issue("2031-11")
    await world.engine_world.engine.refund(bought.id, 30_000, key=a_key())
    await world.buy(member.id, 8_000)
    credit = await world.credit(member.id)
    assert (credit.owed_minor, credit.due_minor, credit.unbilled_minor) == (8_000, 0, 8_000)
    await world.billing.follow_up()
    assert (await world.bill(member.id)).state is BillState.PAID
    turn_to(world.house.clock, at("2031-12-30 12:00"))
    await world.billing.follow_up()
    assert await world.told("bill.overdue") == 0


async def test_what_is_disputed_need_not_be_paid_until_it_is_decided(world: BillingWorld) -> None:
    engine = world.engine_world.engine
    member, _ = await world.member()
    bought = await world.buy(member.id, 30_000)
    await world.issue("2031-11")
    await engine.open_dispute(bought.id, 30_000, key=a_key())
    await world.billing.follow_up()
    assert (await world.bill(member.id)).state is BillState.PAID
    await engine.close_dispute(bought.id, 30_000, key=a_key(), merchant_pays=False)
    await world.issue("2031-12")
    assert (await world.bill(member.id)).balance_minor == 30_000


# overdue -----------------------------------------------------------------------------------------------


async def line_state(world: BillingWorld, member_id: MemberId) -> SourceState:
    (source,) = await world.house.wallet.list(member_id)
    return source.state


async def test_an_unpaid_bill_is_overdue_after_its_due_date_and_told_of_once(world: BillingWorld) -> None:
    member_id, bill = await a_billed_member(world)
    assert bill.due_on == date(2031, 12, 15)
    turn_to(world.house.clock, at("2031-12-15 23:59"))
    await world.billing.follow_up()
    assert (await world.bill(member_id)).state is BillState.ISSUED
    turn_to(world.house.clock, at("2031-12-16 00:01"))
    await world.billing.follow_up()
    await world.billing.follow_up()
    assert (await world.bill(member_id)).state is BillState.OVERDUE
    assert (await world.credit(member_id)).overdue_minor == 30_000
    assert await world.told("bill.overdue") == 1
    assert await line_state(world, member_id) is SourceState.ACTIVE, "there are days of grace"


async def test_a_credit_line_stops_paying_after_the_grace_and_pays_again_once_it_is_paid(
    world: BillingWorld,
) -> None:
    member_id, bill = await a_billed_member(world)
    turn_to(world.house.clock, at("2031-12-22 23:59"))
    await world.billing.follow_up()
    assert await line_state(world, member_id) is SourceState.ACTIVE
    turn_to(world.house.clock, at("2031-12-23 00:01"))
    await world.billing.follow_up()
    assert await line_state(world, member_id) is SourceState.SUSPENDED
    credit = await world.credit(member_id)
    assert (credit.in_arrears, credit.state) == (True, SourceState.SUSPENDED)
    await world.pay(bill, 29_999)
    assert await line_state(world, member_id) is SourceState.SUSPENDED
    await world.pay(bill, 1)
    assert await line_state(world, member_id) is SourceState.ACTIVE
    assert not (await world.credit(member_id)).in_arrears
    assert (await world.buy(member_id)).decline is None
    assert [await world.told(f"source.{what}") for what in ("suspended", "reinstated")] == [1, 1]
    assert await world.told("bill.paid") == 1


async def test_a_payment_in_arrears_is_declined(world: BillingWorld) -> None:
    member, _ = await world.member()
    turn_to(world.house.clock, at("2031-11-30 20:00"))
    await world.buy(member.id)
    await world.issue("2031-11")
    turn_to(world.house.clock, at("2031-12-22 20:00"))
    _, face = await a_one_time_card(world.house, member.id, None)
    turn_to(world.house.clock, at("2031-12-23 00:01"))
    await world.billing.follow_up()
    answer = await world.engine_world.engine.authorize(world.engine_world.request(face))
    assert answer.decline == "funding_inactive"


async def test_a_refund_lifts_arrears_too(world: BillingWorld) -> None:
    member, _ = await world.member()
    bought = await world.buy(member.id, 30_000)
    await world.issue("2031-11")
    turn_to(world.house.clock, at("2031-12-23 00:01"))
    await world.billing.follow_up()
    await world.engine_world.engine.refund(bought.id, 30_000, key=a_key())
    await world.billing.follow_up()
    assert await line_state(world, member.id) is SourceState.ACTIVE


async def test_standing_and_arrears_do_not_lift_each_other(world: BillingWorld) -> None:
    member_id, bill = await a_billed_member(world)
    wallet = world.house.wallet
    turn_to(world.house.clock, at("2031-12-23 00:01"))
    await world.billing.follow_up()
    await wallet.suspend(member_id)
    await wallet.reinstate(member_id)
    assert await line_state(world, member_id) is SourceState.SUSPENDED, "still in arrears"
    await wallet.suspend(member_id)
    await world.pay(bill)
    assert await line_state(world, member_id) is SourceState.SUSPENDED, "still of bad standing"
    await wallet.reinstate(member_id)
    assert await line_state(world, member_id) is SourceState.ACTIVE


async def test_a_bill_that_is_paid_late_is_paid(world: BillingWorld) -> None:
    member_id, bill = await a_billed_member(world)
    turn_to(world.house.clock, at("2031-12-17 12:00"))
    await world.billing.follow_up()
    await world.pay(bill)
    assert (await world.bill(member_id)).state is BillState.PAID


async def test_who_never_had_a_credit_line_has_no_credit(world: BillingWorld) -> None:
    with pytest.raises(CreditLineNotFound):
        await world.billing.credit(MemberId(world.house.new_id()))
