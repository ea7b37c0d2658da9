"""What is paid goes out on a banking day, once; what the bank refuses stays visible until it is put right."""

import asyncio
import json
from datetime import date, timedelta

import pytest
from tests.factories.settlement import THURSDAY, SettlementWorld

from obverse.kit.ids import BankTransferId, to_text
from obverse.kit.paging import PageRequest
from obverse.kit.secret import Secret
from obverse.settlement import PayoutNotFound, PayoutState, Routine
from obverse.settlement.model import TrackedPayout
from obverse.treasury import BankAccount
from obverse.treasury.ports import Verdict

CHRISTMAS_EVE = date(2026, 12, 24)
"""A Thursday; the Friday after it is a holiday."""


async def the_payout(world: SettlementWorld) -> TrackedPayout:
    (payout,) = (await world.reports.payouts(PageRequest())).items
    assert await world.reports.payout(payout.payout.id) == payout
    return payout


async def test_a_payout_reaches_the_bank_once_whoever_asks_how_often(world: SettlementWorld) -> None:
    merchant = await world.merchant()
    await world.act(merchant, 1_000)
    await world.settle()
    assert (await the_payout(world)).state is PayoutState.READY
    for _ in range(3):
        await world.settlements.finish()
        await world.treasury.send()
    payout = await the_payout(world)
    assert (payout.state, payout.last_four, payout.payout.amount.amount_minor) == (
        PayoutState.DONE, "6789", 1_000,
    )  # fmt: skip
    (order,) = world.bank.orders
    assert (order.amount.amount_minor, order.to.number.reveal()) == (1_000, "110123456789")
    assert order.reference == "SETTLEMENT 2026-11-19"
    await world.books_agree()


@pytest.mark.parametrize(
    ("day", "pay_on"),
    [
        (THURSDAY, THURSDAY + timedelta(days=1)),
        (date(2026, 11, 20), date(2026, 11, 23)),
        (date(2026, 11, 21), date(2026, 11, 23)),
        (CHRISTMAS_EVE, date(2026, 12, 28)),
    ],
    ids=["weekday", "before a weekend", "on a weekend", "before a holiday and a weekend"],
)
async def test_money_goes_out_on_the_next_banking_day(
    world: SettlementWorld, day: date, pay_on: date
) -> None:
    merchant = await world.merchant()
    await world.act(merchant, 1_000, day=day)
    await world.settle(day)
    assert (await the_payout(world)).payout.pay_on == pay_on
    morning = day + timedelta(days=1)
    while morning < pay_on:
        world.be_at(morning)
        await world.settlements.finish()
        assert (await the_payout(world)).state is PayoutState.SCHEDULED
        await world.books_agree()
        morning += timedelta(days=1)
    world.be_at(pay_on)
    await world.settlements.finish()
    assert (await the_payout(world)).state is PayoutState.READY
    await world.books_agree()


async def test_what_the_bank_refuses_is_sent_to_the_corrected_account_and_paid_once(
    world: SettlementWorld,
) -> None:
    merchant = await world.merchant()
    await world.act(merchant, 1_000)
    world.bank.verdict = Verdict.REFUSED
    await world.settle()
    await world.treasury.send()
    refused = await the_payout(world)
    assert (refused.state, refused.reason) == (PayoutState.REFUSED, "closed account")
    await world.books_agree()
    world.bank.verdict = Verdict.DONE
    async with world.house.database.transaction() as conn:
        corrected = BankAccount("088", Secret("110999999999"), "Hanbit Mall")
        await world.treasury.redirect(conn, refused.payout.id, corrected)
    await world.treasury.send()
    paid = await the_payout(world)
    assert (paid.state, paid.last_four, paid.payout.id) == (PayoutState.DONE, "9999", refused.payout.id)
    assert len(world.bank.orders) == 2
    await world.books_agree()


async def test_a_merchant_is_told_once_of_money_that_arrived_and_of_each_refusal(
    world: SettlementWorld,
) -> None:
    merchant = await world.merchant()
    await world.act(merchant, 1_000)
    routine = Routine(world.settlements, opens_days=True)
    world.be_at(THURSDAY + timedelta(days=1))

    async def comes_to_be(verdict: Verdict) -> None:
        world.bank.verdict = verdict
        await world.treasury.send()
        await asyncio.gather(*[routine.run() for _ in range(3)])

    await routine.run()
    for _ in range(2):
        await comes_to_be(Verdict.REFUSED)
        payout = await the_payout(world)
        async with world.house.database.transaction() as conn:
            corrected = BankAccount("088", Secret("110999999999"), "Hanbit Mall")
            await world.treasury.redirect(conn, payout.payout.id, corrected)
    await comes_to_be(Verdict.DONE)

    told = await world.fetch("select type, data::text as data from events where type ~ '^payout' order by id")
    assert [each["type"] for each in told] == [
        "payout.ordered", "payout.refused", "payout.refused", "payout.paid",
    ]  # fmt: skip
    data = [json.loads(each["data"]) for each in told]
    assert {each["merchant"] for each in data} == {to_text("mer", merchant.id)}
    assert [each.get("reason") for each in data] == [None, "closed account", "closed account", None]


async def test_a_bank_that_does_not_answer_leaves_the_payout_unknown_until_it_does(
    world: SettlementWorld,
) -> None:
    merchant = await world.merchant()
    await world.act(merchant, 1_000)
    world.bank.verdict = Verdict.NO_ANSWER
    await world.settle()
    await world.treasury.send()
    assert (await the_payout(world)).state is PayoutState.UNKNOWN
    world.bank.verdict = Verdict.DONE
    world.be_at(THURSDAY + timedelta(days=2))
    await world.treasury.ask()
    assert (await the_payout(world)).state is PayoutState.DONE
    assert len(world.bank.orders) == 1
    await world.books_agree()


async def test_an_account_that_is_gone_by_its_day_keeps_only_its_own_payout_waiting(
    world: SettlementWorld,
) -> None:
    lost, other = await world.merchant(), await world.merchant()
    friday = THURSDAY + timedelta(days=1)
    for merchant in (lost, other):
        await world.act(merchant, 1_000, day=friday)
    await world.settle(friday)
    await world.fetch("delete from payout_accounts where merchant_id = $1", lost.id)
    world.be_at(friday + timedelta(days=3))
    await world.settlements.finish()
    states = {
        each.payout.merchant_id: each.state for each in (await world.reports.payouts(PageRequest())).items
    }
    assert states == {lost.id: PayoutState.WAITING, other.id: PayoutState.READY}
    await world.give_account(lost)
    await world.settlements.finish()
    (payout,) = (await world.reports.payouts(PageRequest(), lost.id)).items
    assert payout.state is PayoutState.READY
    await world.books_agree()


async def test_an_unknown_payout_is_refused(world: SettlementWorld) -> None:
    with pytest.raises(PayoutNotFound):
        await world.reports.payout(BankTransferId(world.house.new_id()))
