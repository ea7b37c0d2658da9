"""P14: money leaves the bank once, whenever the platform is killed between sending an order and noting it."""

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from tests.factories.callers import HOST
from tests.factories.estate import Estate
from tests.factories.platform import running
from tests.factories.treasury import (
    ScriptedBank,
    TreasuryHouse,
    a_bank_account,
    a_sandbox_bank,
    treasury_house,
)

from obverse.kit.clock import Clock, ClockFollower
from obverse.sandbox.bank import Bank
from obverse.sandbox.faults import Fault, FaultRule, MessageKind
from obverse.treasury import TransferOrder

KILLS = 8
ORDERS_A_ROUND = 25


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_p14_an_order_leaves_the_bank_once_through_kills_and_lost_answers(
    estate: Estate, tmp_path: Path
) -> None:
    bank = a_sandbox_bank(Clock())
    await bank.start(HOST)
    # The test orders; the platform's processes, killed and started again, send and ask.
    owner = await treasury_house(estate.house, ScriptedBank())
    settings = estate.settings(tmp_path / "data", bank_url=f"http://{HOST}:{bank.port}")
    orders: list[TransferOrder] = []
    rng = Random(14)
    try:
        async with running(tmp_path / "platform", settings) as platform:
            for kill in range(KILLS):
                rule = FaultRule(Fault.LATE, delay_ms=400) if kill % 2 else FaultRule(Fault.CLOSE, chance=0.5)
                bank._faults.set(MessageKind.TRANSFER, rule)
                booked_before = booked(bank)
                new = [an_order(owner, len(orders) + n) for n in range(ORDERS_A_ROUND)]
                await owner.order(*new)
                orders += new
                await until_booked(bank, booked_before + 1)
                await asyncio.sleep(rng.random() / 5)  # somewhere between the booking and the note of it
                platform.kill()
                await platform.start()
            bank._faults.set(MessageKind.TRANSFER, None)
            await until_done(owner, len(orders))
            await until_read(owner, len(orders))
    finally:
        await bank.stop()
    assert {number(n): booked_to(bank, n) for n in range(len(orders))} == {
        number(n): order.amount.amount_minor for n, order in enumerate(orders)
    }
    total = sum(order.amount.amount_minor for order in orders)
    assert await owner.balances() == {"merchant_payable": total, "bank": -total}
    assert bank.book.provider.balance_minor == -total
    await estate.books_are_right()


def an_order(owner: TreasuryHouse, n: int) -> TransferOrder:
    return owner.an_order(1_000 + n, to=a_bank_account(number(n)))


def number(n: int) -> str:
    return f"11022233{n:04d}"


def booked_to(bank: Bank, n: int) -> int:
    account = bank.book.account(number(n))
    return account.balance_minor if account else 0


def booked(bank: Bank) -> int:
    return len(bank.book.entries(bank.book.provider.number, bank.book.today()))


async def until_booked(bank: Bank, count: int) -> None:
    deadline = time.monotonic() + 30
    while booked(bank) < count:
        assert time.monotonic() < deadline, f"{booked(bank)} of {count} booked"
        await asyncio.sleep(0.005)


async def until_done(owner: TreasuryHouse, count: int) -> None:
    """Let the time pass after which what was lost is asked for, until nothing is open."""
    follower = ClockFollower(owner.database, owner.house.clock)
    deadline = time.monotonic() + 60
    while await count_of(owner, "select count(*) from bank_transfers where state = 'done'") < count:
        assert time.monotonic() < deadline, "not all orders come to an end"
        await follower.advance(timedelta(minutes=2))
        await asyncio.sleep(0.5)


async def until_read(owner: TreasuryHouse, count: int) -> None:
    """The statement confirms each order, and tells of nothing else."""
    deadline = time.monotonic() + 30
    while await count_of(owner, "select count(*) from bank_entries") < count:
        assert time.monotonic() < deadline, "the statement is not read"
        await asyncio.sleep(0.1)
    assert await count_of(owner, "select count(*) from receipts") == 0


async def count_of(owner: TreasuryHouse, query: str) -> int:
    (row,) = await owner.fetch(query)
    return row[0]
