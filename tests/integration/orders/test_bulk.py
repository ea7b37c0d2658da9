"""Companies' lists over a real database: taken whole or not at all, and made in chunks."""

import time
from collections.abc import Callable

import pytest
from tests.factories.orders import HOME, Shop, a_list

from obverse.letters import Language
from obverse.orders import BulkRefused, OrderKind, OrderState, PieceState

BULK = 10_000


async def test_every_line_of_a_list_that_is_wrong_is_named_and_nothing_is_taken(shop: Shop) -> None:
    file = a_list(
        "a@example.com,A,10000,hello",
        "no address,B,10000,",
        "c@example.com,C,12345,",
        "d@example.com,D,ten,",
        "e@example.com,E",
        "f@example.com,F,5000,good",
    )

    with pytest.raises(BulkRefused) as refused:
        await shop.orders.place_bulk(shop.bulk(file), origin=HOME)

    assert [(problem.line, problem.column) for problem in refused.value.lines] == [
        (3, "mail"), (4, "amount"), (5, "amount"), (6, None),
    ]  # fmt: skip
    assert not any("12345" in problem.reason for problem in refused.value.lines)
    assert shop.world.card_company.asked == []
    async with shop.house.database.connection() as conn:
        assert await conn.fetchval("select count(*) from orders") == 0


async def test_a_list_becomes_gifts_in_the_companys_name(shop: Shop) -> None:
    file = a_list("a@example.com,에이,10000,고맙습니다", "b@example.com,,50000,")
    placed = await shop.orders.place_bulk(shop.bulk(file), origin=HOME)
    await shop.allocation.allocate()

    placed = await shop.again(placed)
    assert (placed.order.kind, placed.order.state) == (OrderKind.BULK, OrderState.ALLOCATED)
    assert placed.order.total_minor == 60_000
    gifts = [
        (to, data["from_name"], data["message"]) for name, to, data in await shop.letters() if name == "gift"
    ]
    assert gifts == [("a@example.com", "A Company", "고맙습니다"), ("b@example.com", "A Company", "")]
    sights = await shop.orders.pieces(placed.order, limit=10)
    assert [sight.piece.state for sight in sights] == [PieceState.GIVEN] * 2
    assert placed.order.language is Language.KOREAN


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_ten_thousand_gifts_of_one_order_are_all_there_and_all_paid_for(
    shop: Shop, record_property: Callable[[str, object], None]
) -> None:
    file = a_list(*[f"staff{n}@example.com,Staff {n},10000,Thank you" for n in range(BULK)])
    began = time.perf_counter()
    placed = await shop.orders.place_bulk(shop.bulk(file), origin=HOME)
    taken = time.perf_counter()

    await shop.allocation.allocate()

    record_property("taken_s", taken - began)
    record_property("allocated_s", time.perf_counter() - taken)
    placed = await shop.again(placed)
    assert (placed.order.state, placed.order.done) == (OrderState.ALLOCATED, BULK)
    assert await shop.balance("stored_balance") == BULK * 10_000
    async with shop.house.database.connection() as conn:
        assert await conn.fetchval("select count(*) from cards where kind = 'gift'") == BULK
        assert await conn.fetchval("select count(*) from claim_links") == BULK
        assert await conn.fetchval("select count(distinct id) from letters where template = 'gift'") == BULK
