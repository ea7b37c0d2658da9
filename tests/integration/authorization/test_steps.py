"""What is done to a payment after its approval, over a real database."""

import asyncio
from datetime import timedelta

import pytest
from tests.factories.books import nothing_is_held_for_what_was_undone
from tests.factories.engine import APPROVE, EngineWorld
from tests.factories.ledger import P0

from obverse.authorization import Authorization, Status
from obverse.authorization.commands import Capture, Conclude, Reverse
from obverse.authorization.errors import AuthorizationExpired, RefundTooLarge
from obverse.authorization.ports import LegAnswer
from obverse.authorization.repository import find_presented
from obverse.cards import CardFace
from obverse.kit.database import Database
from obverse.kit.errors import InvalidRequest, KeyReused
from obverse.kit.money import KRW, CurrencyCode, Money
from obverse.kit.secret import Secret
from obverse.ledger import Ledger


async def presents(database: Database) -> dict[str, bool]:
    async with database.connection() as conn:
        rows = await conn.fetch("select kind, to_present from actions order by id")
    return {row["kind"]: row["to_present"] for row in rows}


async def bought(world: EngineWorld, amount: int = 10_000, *, off_us: bool = False) -> Authorization:
    _, face = await (world.off_us_card() if off_us else world.card())
    return await world.engine.authorize(world.request(face, amount, capture=True))


async def all_is_right(world: EngineWorld) -> None:
    await nothing_is_held_for_what_was_undone(world.house.database)
    await world.books_are_right()


async def test_p16_refunds_asked_for_at_once_never_exceed_what_was_captured(world: EngineWorld) -> None:
    payment = await bought(world)
    answers = await asyncio.gather(
        *[world.engine.refund(payment.id, 3_000) for _ in range(16)], return_exceptions=True
    )
    assert sum(isinstance(a, RefundTooLarge) for a in answers) == 13
    assert (await world.engine.get(payment.id)).refunded_minor == 9_000
    await all_is_right(world)


async def test_p06_a_refund_asked_for_again_is_one_refund_and_its_key_is_good_for_nothing_else(
    world: EngineWorld,
) -> None:
    payment = await bought(world)
    answers = [await world.engine.refund(payment.id, 3_000, key="r") for _ in range(3)]
    assert [(a.refunded_minor, a.repeated) for a in answers] == [
        (3_000, False),
        (3_000, True),
        (3_000, True),
    ]
    with pytest.raises(KeyReused):
        await world.engine.refund(payment.id, 2_000, key="r")
    with pytest.raises(KeyReused):
        await world.engine.refund(payment.id, key="r")
    with pytest.raises(KeyReused):
        await world.engine.refund((await bought(world)).id, 3_000, key="r")


async def test_time_releases_what_was_not_captured(world: EngineWorld) -> None:
    _, face = await world.card()
    held = await world.engine.authorize(world.request(face))
    paid = await bought(world)
    clock = world.house.clock
    clock.move_to(clock.offset + timedelta(days=6, hours=23))
    assert await world.engine.expire() == 0
    clock.move_to(clock.offset + timedelta(hours=1))
    assert await world.engine.expire() == 1
    assert await world.engine.expire() == 0
    assert (await world.engine.get(held.id)).status is Status.EXPIRED
    assert (await world.engine.get(paid.id)).status is Status.APPROVED
    with pytest.raises(AuthorizationExpired):
        await world.engine.capture(held.id)
    assert (await world.engine.capture(held.id, late=True)).captured_minor == 34_000
    await all_is_right(world)


async def test_a_sale_on_a_real_card_that_is_undone_at_once_is_never_presented(world: EngineWorld) -> None:
    payment = await bought(world, off_us=True)
    assert await presents(world.house.database) == {"capture": True}
    await world.engine.cancel(payment.id)
    assert await presents(world.house.database) == {"capture": False, "reversal": False}
    assert await world.run_reversals() == 1
    await all_is_right(world)


@pytest.mark.parametrize("at_once", [False, True], ids=["captured", "captured at once"])
async def test_a_sale_captured_and_undone_in_one_batch_is_never_presented(
    world: EngineWorld, at_once: bool
) -> None:
    _, face = await world.off_us_card()
    if at_once:
        opened, answers = await _asked(world, face)
        steps = [Conclude(opened.id, answers), Reverse(opened.id)]
    else:
        opened = await world.engine.authorize(world.request(face, 10_000))
        steps = [Capture(opened.id, None, "c"), Reverse(opened.id)]
    await world.engine._carry_out(P0, steps)
    assert await presents(world.house.database) == {"capture": False, "reversal": False}
    assert await world.run_reversals() == 1
    await all_is_right(world)


async def _asked(world: EngineWorld, face: CardFace) -> tuple[Authorization, dict[int, LegAnswer]]:
    """A sale captured at once that waits for its card company."""
    request = world.request(face, 10_000, capture=True)
    (opened,) = await world.engine._carry_out(P0, [world.engine._authorize_command(request)])
    assert isinstance(opened, Authorization)
    return opened, {0: APPROVE}


async def test_p06_a_terminal_that_names_another_currency_is_refused(world: EngineWorld) -> None:
    _, face = await world.card()
    request = world.request(face, 10_000)
    await world.engine.authorize(request)
    for step in (world.engine.capture_by_key, world.engine.release_by_key, world.engine.refund_by_key):
        with pytest.raises(InvalidRequest):
            await step(request.request_key, face.number, Money(1_000, CurrencyCode("USD")))


async def test_a_capture_on_us_alone_tells_no_card_company(world: EngineWorld) -> None:
    _, face = await world.card()
    payment = await world.engine.authorize(world.request(face, 10_000))
    await world.engine.capture(payment.id, 4_000)
    async with world.house.database.connection() as conn:
        assert await find_presented(conn, P0, [payment.id]) == set()


async def test_a_sale_on_a_real_card_that_was_presented_is_undone_by_a_credit(world: EngineWorld) -> None:
    payment = await bought(world, off_us=True)
    async with world.house.database.transaction() as conn:
        await conn.execute("update actions set to_present = false")
    await world.engine.cancel(payment.id)
    assert await presents(world.house.database) == {"capture": False, "reversal": True}
    assert await world.run_reversals() == 0
    await all_is_right(world)


async def test_a_claim_finds_its_payment_by_number_and_approval_code(world: EngineWorld) -> None:
    cards = [await world.card() for _ in range(3)]
    payments = [await world.engine.authorize(world.request(face)) for _, face in cards]
    codes = [payment.approval_code or "" for payment in payments]
    numbers = [face.number for _, face in cards]
    claims = [*zip(numbers, codes, strict=True), (numbers[0], codes[1]), (Secret("4111111111111111"), "A")]
    found = await world.engine.find_claimed(claims)
    assert [a.id if a else None for a in found] == [*[p.id for p in payments], None, None]


async def test_a_dispute_moves_money_in_the_books_and_lets_nobody_spend_it(world: EngineWorld) -> None:
    await Ledger(world.house.database).open_house([P0], KRW)
    _, face = await world.card(limit=10_000)
    payment = await world.engine.authorize(world.request(face, 10_000, capture=True))
    await world.engine.open_dispute(payment.id, 4_000, key="d")
    assert (await world.engine.open_dispute(payment.id, 4_000, key="d")).repeated
    await all_is_right(world)
    closed = await world.engine.close_dispute(payment.id, 4_000, key="e", merchant_pays=True)
    assert (closed.disputed_minor, closed.refunded_minor) == (0, 4_000)
    await all_is_right(world)
    lines = {line.kind: line for line in await Ledger(world.house.database).trial_balance()}
    assert lines["disputed"].debits_posted_minor == lines["disputed"].credits_posted_minor == 4_000
    assert lines["merchant_payable"].credits_posted_minor - lines["merchant_payable"].debits_posted_minor == (
        6_000
    )
