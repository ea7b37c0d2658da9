"""PP-1 to PP-3 over a real database: what is ordered is paid, and only then allocated."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.factories.orders import BY_TRANSFER, HOME, Shop, a_gift, a_pin, a_shop, by_card
from tests.factories.wallet import build_house

from obverse.authorization import Status
from obverse.authorization.ports import LegAnswer, LegOutcome
from obverse.cards import CardKind, CardState
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.errors import InvalidRequest, KeyReused
from obverse.kit.ids import NewId, to_text
from obverse.kit.secret import Secret
from obverse.ledger import Ledger
from obverse.orders import (
    OrderNotFound,
    OrderState,
    PiecesRekey,
    PieceState,
    Placed,
    ProgrammeNotSold,
    TooManyOrders,
    buyers_rekey,
)
from obverse.orders.repository import pieces as piece_rows
from obverse.programmes import ProgrammeState
from obverse.programmes import repository as programme_rows
from obverse.sales import SaleNotCancellable
from obverse.vault.jobs import rotate

DECLINE = LegAnswer(LegOutcome.DECLINED, "51", None)


async def test_pp2_what_was_paid_by_card_gets_numbers_and_pins(shop: Shop) -> None:
    placed = await shop.bought(shop.line(5_000, 3), shop.line(10_000, 2))

    assert placed.order.state is OrderState.ALLOCATED
    assert await shop.balance("stored_balance") == 35_000
    assert await shop.balance("merchant_payable") == 0
    shown = await shop.orders.reveal(placed.order)
    assert [one.at for one in shown] == [1, 2, 3, 4, 5]
    assert len({one.face.number for one in shown}) == 5
    assert all(one.pin is not None and len(one.pin.reveal()) == 6 for one in shown)
    cards = await shop.cards()
    assert {(card.kind, card.state) for card in cards} == {(CardKind.PREPAID, CardState.INACTIVE)}


async def test_pp3_a_card_pays_once_its_buyer_has_set_it_up(shop: Shop) -> None:
    placed = await shop.bought()
    (shown,) = await shop.orders.reveal(placed.order)
    assert (await shop.spend(shown)).status is Status.DECLINED

    sight, token = await shop.orders.set_up(placed.order, 1, a_pin())

    assert sight.piece.state is PieceState.SET_UP
    assert (await shop.house.cards.of_holder(token)).state is CardState.ACTIVE
    (shown,) = await shop.orders.reveal(placed.order)
    assert shown.pin is None
    paid = await shop.spend(replace(shown, pin=a_pin().pin))
    assert paid.status is Status.APPROVED, paid.decline
    assert await shop.balance("stored_balance") == 2_000


async def test_pp2_nothing_is_allocated_before_the_transfer_is_there_whole(shop: Shop) -> None:
    placed = await shop.orders.place(shop.wish(shop.line(10_000), how=BY_TRANSFER), origin=HOME)
    await shop.transfer(placed, 9_000)
    assert await shop.allocation.allocate() == 0
    assert await shop.cards() == []
    (template, to, data) = (await shop.letters())[0]
    assert (template, to, data["reference"]) == (
        "order_received", "buyer@example.com", placed.sale.reference,
    )  # fmt: skip

    await shop.transfer(placed, 1_000)
    assert await shop.allocation.allocate() == 1

    assert (await shop.again(placed)).order.state is OrderState.ALLOCATED
    assert await shop.balance("stored_balance") == 10_000


async def test_p11_letters_and_events_hold_neither_numbers_nor_pins_nor_names(shop: Shop) -> None:
    placed = await shop.bought(shop.line(5_000), shop.line(10_000, gift=a_gift()))
    (shown,) = await shop.orders.reveal(placed.order)
    assert shown.pin is not None
    number, pin = shown.face.number.reveal(), shown.pin.reveal()

    letters = await shop.letters()
    assert [template for template, _, _ in letters] == ["gift", "order_cards"]
    delivered = letters[1][2]
    assert delivered["cards"] == [
        {"number": f"{number[:6]}******{number[-4:]}", "amount": {"amount_minor": 5_000, "currency": "KRW"}}
    ]
    assert delivered["link"] == f"/orders#{placed.token.reveal()}"
    assert not any(number in str(data) or pin in str(data).split() for _, _, data in letters)
    async with shop.house.database.connection() as conn:
        tables = await conn.fetch("select tablename from pg_tables where schemaname = 'public'")
        stored = [
            await conn.fetchval(f"select string_agg(t::text, ' ') from {row[0]} as t") for row in tables
        ]
        (audit,) = await conn.fetch("select actor, action from audit_log")
    everything = " ".join(text for text in stored if text)
    for secret in (number, placed.token.reveal(), "friend@example.com", "buyer@example.com", "Buyer"):
        assert secret not in everything
    assert (audit["actor"], audit["action"]) == (to_text("ord", placed.order.id), "order.revealed")


async def test_p06_the_same_key_is_one_order_and_one_payment_also_at_once(shop: Shop) -> None:
    wish = shop.wish(shop.line(5_000, 2))

    placed = await asyncio.gather(
        *[shop.orders.place(wish, origin=HOME, key="rest:buyer:k") for _ in range(4)]
    )

    assert len({one.order.id for one in placed}) == 1
    assert len({one.token for one in placed}) == 1
    assert [one.repeated for one in placed].count(False) == 1
    assert len(shop.world.card_company.asked) == 1
    with pytest.raises(KeyReused):
        await shop.orders.place(replace(wish, lines=[shop.line(5_000)]), origin=HOME, key="rest:buyer:k")


async def test_an_order_whose_card_is_declined_gets_nothing(shop: Shop) -> None:
    shop.world.card_company.answer = DECLINE

    placed = await shop.bought()
    await shop.allocation.end_unpaid()

    assert placed.sale.decline is not None
    assert (await shop.again(placed)).order.state is OrderState.DECLINED
    assert await shop.cards() == []


async def test_pp8_our_own_numbers_buy_nothing(shop: Shop) -> None:
    first = await shop.bought()
    (shown,) = await shop.orders.reveal(first.order)

    with pytest.raises(InvalidRequest) as refused:
        await shop.orders.place(shop.wish(how=by_card(number=shown.face.number)), origin=HOME)

    assert shown.face.number.reveal() not in str(refused.value)
    assert len(await shop.cards()) == 1


async def test_what_nobody_pays_lapses_and_what_nobody_wants_is_cancelled(shop: Shop) -> None:
    late = await shop.orders.place(shop.wish(how=BY_TRANSFER), origin=HOME)
    unwanted = await shop.orders.place(shop.wish(how=BY_TRANSFER), origin=HOME)

    cancelled = await shop.orders.cancel(unwanted.order)
    again = await shop.orders.cancel(unwanted.order)
    shop.house.clock.move_to(shop.house.clock.offset + timedelta(days=15))
    await shop.sales.sweep()
    assert await shop.allocation.end_unpaid() == 1

    assert cancelled.order.state is again.order.state is OrderState.CANCELLED
    assert (await shop.again(late)).order.state is OrderState.LAPSED
    await shop.transfer(late)
    assert await shop.allocation.allocate() == 0


async def test_what_is_being_paid_cannot_be_cancelled(shop: Shop) -> None:
    placed = await shop.orders.place(shop.wish(), origin=HOME)

    with pytest.raises(SaleNotCancellable):
        await shop.orders.cancel(placed.order)


async def test_a_programme_that_closes_sells_nothing_more_but_what_was_bought_holds(shop: Shop) -> None:
    placed = await shop.orders.place(shop.wish(shop.line(gift=a_gift())), origin=HOME)
    closed = replace(shop.programme, state=ProgrammeState.CLOSED, giftable=False)
    async with shop.house.database.transaction() as conn:
        await programme_rows.update(conn, closed)

    with pytest.raises(ProgrammeNotSold) as refused:
        await shop.orders.place(shop.wish(), origin=HOME)
    await shop.allocation.allocate()

    assert refused.value.param == "lines[0].programme"
    # Its cards are for their buyers by now, so the buyer has it in hand.
    assert (await shop.orders.piece(placed.order, 1)).piece.state is PieceState.READY
    assert len(await shop.orders.reveal((await shop.again(placed)).order)) == 1


async def test_p12_a_token_is_of_one_order_and_others_open_nothing(shop: Shop) -> None:
    placed = await shop.bought()

    assert (await shop.orders.of_token(placed.token)).id == placed.order.id
    with pytest.raises(OrderNotFound):
        await shop.orders.of_token(Secret("ob_order_" + "A" * 32))


async def test_cards_cannot_be_tried_out_by_ordering_again_and_again(shop: Shop) -> None:
    wish = shop.wish(how=BY_TRANSFER)
    for _ in range(30):
        await shop.orders.place(wish, origin=HOME)

    with pytest.raises(TooManyOrders):
        await shop.orders.place(wish, origin=HOME)
    await shop.orders.place(wish, origin="198.51.100.9")
    shop.house.clock.move_to(shop.house.clock.offset + timedelta(minutes=61))
    await shop.orders.place(wish, origin=HOME)


async def test_p09_an_allocation_that_was_killed_goes_on_and_doubles_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("obverse.orders.allocating.CHUNK", 3)
    placed = await shop.orders.place(shop.wish(shop.line(5_000, 8)), origin=HOME)
    save, calls = piece_rows.save, 0

    async def dies_in_the_second_chunk(*args: object) -> None:
        nonlocal calls
        calls += 1
        await save(*args)
        if calls == 2:
            raise ConnectionError

    monkeypatch.setattr(piece_rows, "save", dies_in_the_second_chunk)
    with pytest.raises(ConnectionError):
        await shop.allocation.allocate()
    half = await shop.again(placed)
    assert (half.order.state, half.order.done) == (OrderState.PAID, 3)
    assert len(await shop.cards()) == 3

    await asyncio.gather(shop.allocation.allocate(), shop.allocation.allocate())

    whole = await shop.again(placed)
    assert (whole.order.state, whole.order.done) == (OrderState.ALLOCATED, 8)
    assert len(await shop.cards()) == 8
    assert await shop.balance("stored_balance") == 40_000
    assert await shop.balance("merchant_payable") == 0


async def test_what_is_sealed_follows_when_keys_change(shop: Shop) -> None:
    wish = shop.wish(shop.line(5_000), shop.line(10_000, gift=a_gift()))
    placed = await shop.orders.place(wish, origin=HOME, key="k")
    await shop.allocation.allocate()
    placed = await shop.again(placed)
    before = await shop.orders.reveal(placed.order)

    rekeys = [buyers_rekey(shop.house.vault), PiecesRekey(shop.house.vault)]
    await rotate(shop.house.database, shop.house.vault, rekeys, lambda *_: None)

    async with shop.house.database.connection() as conn:
        assert [await rekey.count(conn) for rekey in rekeys] == [0, 0]
    assert await shop.orders.reveal(placed.order) == before
    assert (await shop.orders.piece(placed.order, 2)).gift == a_gift()
    assert (await shop.orders.place(wish, origin=HOME, key="k")).token == placed.token


async def test_orders_live_in_every_partition_and_give_back_in_their_own(
    database: Database,
    tmp_path: Path,
    clock: Clock,
    new_id: NewId,
    random_bytes: Callable[[int], bytes],
) -> None:
    house = build_house(database, tmp_path / "keys.json", clock, new_id, random_bytes, partitions=3)
    shop = await a_shop(house, partitions=3)
    placed: list[Placed] = []
    while {one.order.partition_id for one in placed} != {0, 1, 2}:
        placed.append(await shop.bought(shop.line(5_000, 2)))

    for one in placed:
        await shop.orders.set_up(one.order, 1, a_pin())
        await shop.orders.cancel(one.order, [2])
    await shop.sales.refund()

    assert await shop.balance("stored_balance") == len(placed) * 5_000
    assert await shop.balance("merchant_payable") == 0
    await shop.world.engine.stop()
    assert await Ledger(database).check() == []
