"""Whatever a programme does by its own rules, nothing differs: neither afterwards nor in the middle of it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.factories.reconciliation import OPERATOR, Programme, open_kinds
from tests.factories.wallet import a_member_with_credit_line

from obverse.kit.ids import AccountId, PartitionId
from obverse.kit.money import KRW
from obverse.ledger import AccountKind
from obverse.ledger.rules import house_account
from obverse.reconciliation import BreakKind
from obverse.treasury import Decision, Direction

P0, P1 = PartitionId(0), PartitionId(1)
BECAUSE = Decision(OPERATOR, "the sender said so on the telephone")
AccountOf = Callable[[Programme], Awaitable[tuple[PartitionId, AccountId]]]


def sums(run) -> dict[str, tuple[int, int, int | None]]:
    return {each.topic: (each.ours_minor, each.ledger_minor, each.partner_minor) for each in run.comparisons}


async def test_a_busy_hour_leaves_no_break(programme: Programme) -> None:
    await programme.busy_hour()
    found = sums(await programme.fits())
    assert found["card_company_receivable"] == (28_500, 28_500, 28_500)
    assert found["disputed"] == (0, 0, None)


async def test_disputes_that_are_open_on_undone_payments_leave_no_break(programme: Programme) -> None:
    engine = programme.world.engine
    paid = [(await programme.pay(off_us=off_us)).id for off_us in (True, True, False, False)]
    for number, id_ in enumerate(paid):
        await engine.open_dispute(id_, 3_000, key=f"open {number}")
        await engine.cancel(id_)
    assert sums(await programme.fits())["disputed"] == (12_000, 12_000, None)
    for number, id_ in enumerate(paid):
        await engine.close_dispute(id_, 3_000, key=f"close {number}", merchant_pays=number % 2 == 0)
    await programme.fits()
    await programme.present()
    await programme.fits()


async def test_from_payment_to_payout_over_a_weekend_nothing_differs(programme: Programme) -> None:
    await programme.busy_hour()
    reference = await programme.present()
    await programme.fits()

    programme.be_at(2026, 11, 21)  # a Saturday: the banks are closed, and the payout waits for Monday
    await programme.settlements.settle(programme.settlements.last_day_over)
    assert await programme.fetch("select count(*) from payouts where ordered_at is null") == [(1,)]
    await programme.fits()

    programme.be_at(2026, 11, 23)
    await programme.settlements.finish()
    await programme.fits()
    await programme.treasury.send()
    await programme.fits()

    file = await programme.fetch("select accepted_minor from presentment_files")
    await programme.statement(Direction.CREDIT, int(str(file[0][0])), text=reference)
    assert await programme.fetch("select count(*) from bank_entries where direction = 'debit'") == [(0,)]
    await programme.fits()
    await programme.exchange.place_receipts()
    found = sums(await programme.fits())
    assert found["card_company_receivable"] == (0, 0, 0)

    (transfer,) = await programme.fetch("select wire_id, amount_minor from bank_transfers")
    await programme.statement(Direction.DEBIT, transfer[1], e2e=transfer[0])  # type: ignore[arg-type]
    found = sums(await programme.fits())
    assert found["bank"][0] == found["bank"][1] == found["bank"][2] == programme.balance_minor


async def test_a_settlement_that_is_half_done_leaves_no_break(programme: Programme) -> None:
    await programme.busy_hour()
    programme.be_at(2026, 11, 21)
    settlement = await programme.settlements.open(programme.settlements.last_day_over)
    while await programme.settlements.step() is not None:
        await programme.fits()
    assert settlement.day.isoformat() == "2026-11-20"


async def test_draws_leave_no_break(programme: Programme) -> None:
    await programme.draw()
    await programme.fits()
    await programme.treasury.send()
    await programme.fits()
    programme.be_at(2026, 11, 24)
    await programme.settlements.settle(programme.settlements.last_day_over)
    await programme.fits()


async def test_what_is_rejected_is_a_break_until_it_is_written_off_or_taken(programme: Programme) -> None:
    await programme.pay(7_000)
    await programme.pay(5_000)
    programme.card_company.rejects["654321"] = "no such approval"
    await programme.present()
    assert (await programme.books.run()).found == 2
    assert await open_kinds(programme.books) == {BreakKind.PRESENTMENT_REJECTED: 2}

    rejected = await programme.fetch("select id from presentments order by amount_minor")
    (first,), (second,) = rejected
    await programme.presentments.write_off(first, actor=OPERATOR, reason="too old")  # type: ignore[arg-type]
    await programme.presentments.resubmit(second, actor=OPERATOR, reason="mended")  # type: ignore[arg-type]
    programme.card_company.rejects.clear()
    assert (await programme.books.run()).cleared == 2
    await programme.present()
    found = sums(await programme.fits())
    assert found["written_off"] == (5_000, 5_000, None)
    assert found["card_company_receivable"] == (7_000, 7_000, 7_000)


# what operators place by hand ------------------------------------------------------------------------------


def on_house_account(kind: AccountKind, partition: PartitionId = P0) -> AccountOf:
    async def account(_: Programme) -> tuple[PartitionId, AccountId]:
        return partition, house_account(kind, partition, KRW).id

    return account


async def on_the_shop(programme: Programme) -> tuple[PartitionId, AccountId]:
    return P0, programme.world.shop.account_id


async def on_a_credit_line(programme: Programme) -> tuple[PartitionId, AccountId]:
    _, line = await a_member_with_credit_line(programme.house)
    (found,) = await programme.fetch(
        f"select partition_id, account_id from funding_sources where id = '{line.id}'"
    )
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize(
    "account",
    [
        pytest.param(on_the_shop, id="merchant"),
        pytest.param(on_a_credit_line, id="credit line"),
        *(
            pytest.param(on_house_account(kind), id=kind)
            for kind in (
                AccountKind.CARD_COMPANY_RECEIVABLE,
                AccountKind.IN_TRANSIT,
                AccountKind.FEE_INCOME,
                AccountKind.DISPUTED,
                AccountKind.WRITTEN_OFF,
            )
        ),
        pytest.param(on_house_account(AccountKind.FEE_INCOME, P1), id="fee_income of another partition"),
    ],
)
async def test_what_is_placed_by_hand_leaves_no_break(
    programme: Programme, account: AccountOf, direction: Direction
) -> None:
    partition_id, account_id = await account(programme)
    await programme.statement(direction, 700)
    receipt = await programme.newest_receipt()
    await programme.desk.place(receipt.id, partition_id, account_id, BECAUSE)
    await programme.fits()


async def test_what_is_sent_back_leaves_no_break(programme: Programme) -> None:
    await programme.statement(Direction.CREDIT, 700)
    await programme.desk.send_back((await programme.newest_receipt()).id, None, BECAUSE)
    await programme.fits()
    await programme.treasury.send()
    await programme.fits()


# under load ------------------------------------------------------------------------------------------------


async def test_nothing_differs_while_payments_settlements_and_files_go_on(programme: Programme) -> None:
    """Payments and refunds of both kinds, what is presented of them, and a settlement of the day before."""
    await programme.busy_hour()
    programme.be_at(2026, 11, 23)
    finished = asyncio.Event()
    runs = 0

    async def pay_and_refund(worker: int) -> None:
        engine = programme.world.engine
        for number in range(12):
            paid = await programme.pay(1_000 + worker, off_us=number % 2 == 0)
            if number % 3 == 0:
                await engine.refund(paid.id, 300)
            elif number % 3 == 1:
                await engine.cancel(paid.id)

    async def clear_and_settle() -> None:
        await programme.settlements.settle(programme.settlements.last_day_over)
        await programme.treasury.send()
        while not finished.is_set():
            await programme.presentments.present_now()
            await programme.exchange.exchange()
            await asyncio.sleep(0.01)

    async def compare() -> None:
        nonlocal runs
        while not finished.is_set():
            await programme.fits()
            runs += 1

    background = [asyncio.create_task(compare()), asyncio.create_task(clear_and_settle())]
    await asyncio.gather(*[pay_and_refund(worker) for worker in range(6)])
    finished.set()
    await asyncio.gather(*background)
    assert runs > 2
    assert await programme.fetch("select count(distinct partition_id) from transfers") == [(2,)]
    await programme.fits()
