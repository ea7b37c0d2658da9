"""The sandbox till's day through the real door: sales, upload, totals (OT-16)."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from random import Random

import pytest
from tests.factories.claims import ClaimWorld

from obverse.clearing.claims import BatchTotals, Count, TerminalBatch
from obverse.doors.acquirer import AcquirerDoor
from obverse.kit.clock import Clock
from obverse.kit.money import KRW
from obverse.sandbox.clearing_house import ClearingHouse, Route
from obverse.sandbox.terminal import Receipt, Shop, Till
from obverse.sandbox.trace import Trace

HOST = "127.0.0.1"


@pytest.fixture
async def till(claiming: ClaimWorld) -> AsyncIterator[Till]:
    """The shop's till, behind a clearing house that passes what it sends to our door."""
    shop, house = claiming.shop, claiming.engine.house
    async with AsyncExitStack() as stack:
        door = AcquirerDoor(claiming.engine.engine, claiming.claims, house.merchants, now=house.clock.now)
        await door.start(HOST, 0)
        stack.push_async_callback(door.stop)
        switch = ClearingHouse([Route("941012", "Obverse", HOST, door.port)], Trace(Clock()))
        await switch.start(HOST)
        stack.push_async_callback(switch.stop)
        place = Shop(shop.acquirer_id, shop.merchant_no, shop.terminals[0])
        till = Till(HOST, switch.port, place, clock=house.clock, rng=Random(1))
        stack.push_async_callback(till.close)
        yield till


async def sold(claiming: ClaimWorld, till: Till, amount_minor: int, *, capture: bool = False) -> Receipt:
    _, face = await claiming.engine.card()
    receipt = await till.purchase(face.number, face.expiry, face.cvv, amount_minor, capture=capture)
    assert receipt.approved, receipt
    return receipt


async def paid(claiming: ClaimWorld) -> list[tuple[int, int]]:
    async with claiming.engine.house.database.connection() as conn:
        rows = await conn.fetch("select captured_minor, refunded_minor from authorizations order by id")
    return [tuple(row) for row in rows]


async def test_a_day_is_uploaded_and_closed_in_balance(claiming: ClaimWorld, till: Till) -> None:
    whole, part = await sold(claiming, till, 10_000), await sold(claiming, till, 20_000)
    at_once, back = [await sold(claiming, till, 5_000, capture=True) for _ in range(2)]
    till.claim(whole, 10_000)
    till.claim(part, 15_000)
    till.claim(at_once, 5_000)
    till.claim(back, 2_000, refund=True)
    batch = TerminalBatch(claiming.shop.id, till.shop.terminal, till.batch.text)

    first = await till.reconcile()
    closed = await till.close_day()

    assert (first.response_code, first.answer["66"]) == ("95", "2"), "nothing was uploaded yet"
    assert (closed.response_code, closed.answer["66"]) == ("00", "1")
    assert await paid(claiming) == [(10_000, 0), (15_000, 0), (5_000, 0), (5_000, 2_000)]
    totals = BatchTotals(KRW, Count(3, 30_000), Count(1, 2_000))
    assert await claiming.claims.close_batch(batch, totals)
    assert till.batch.text != batch.batch_no


async def test_uploading_and_closing_again_gives_the_same_answers(claiming: ClaimWorld, till: Till) -> None:
    till.claim(await sold(claiming, till, 10_000), 10_000)
    first, again = await till.upload(), await till.upload()
    closed, once_more = await till.reconcile(), await till.reconcile()
    late = await till.upload()

    codes = [receipt.response_code for receipt in [*first, *again, closed, once_more, *late]]
    assert codes == ["00"] * 5
    assert await paid(claiming) == [(10_000, 0)]


async def test_a_batch_with_a_claim_that_is_refused_stays_out_of_balance(
    claiming: ClaimWorld, till: Till
) -> None:
    receipt = await sold(claiming, till, 10_000)
    till.claim(receipt, 10_001)
    (answer,) = await till.upload()
    closed = await till.close_day()

    assert (answer.response_code, closed.response_code) == ("13", "95")
    assert await paid(claiming) == [(0, 0)]
    assert "claim_batch.out_of_balance" in await claiming.events("claim_batch")
