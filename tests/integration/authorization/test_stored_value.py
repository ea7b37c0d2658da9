"""Cards with balances of their own, over a real database: lots, PINs, loads, expiry; many at once."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from tests.factories.engine import EngineWorld, an_engine
from tests.factories.ledger import P0
from tests.factories.programmes import a_programme
from tests.factories.stored_value import a_calendar, a_prepaid_card, available, fund

from obverse.authorization import AuthorizationRequest, Entry, Status
from obverse.authorization.errors import LoadSpent
from obverse.authorization.model import Decline, Purpose
from obverse.cards import Card, CardFace, CardState
from obverse.cards import repository as cards
from obverse.kit.ids import CardBatchId
from obverse.kit.money import KRW, Money
from obverse.kit.secret import Secret
from obverse.ledger import AccountKind, Ledger
from obverse.ledger import repository as ledger
from obverse.wallet import LotKind

TAKES_ALL = frozenset({"one_time", "prepaid", "gift"})


@pytest.fixture
async def world(world: EngineWorld) -> EngineWorld:
    """The same, at a shop that takes stored value too."""
    world.shop = replace(world.shop, accepts=TAKES_ALL)
    await Ledger(world.house.database).open_house([P0], KRW)
    return world


def a_load(world: EngineWorld, card: CardFace, amount_minor: int, **changes: Any) -> AuthorizationRequest:
    agent = replace(world.shop, is_agent=True)
    request = replace(world.request(card, amount_minor, capture=True), merchant=agent, entry=Entry.SWIPE)
    return replace(request, **{"purpose": Purpose.LOAD, "cvv": None} | changes)


async def stored(world: EngineWorld, card: Card) -> Card:
    async with world.house.database.connection() as conn:
        found = await cards.get(conn, [P0], card.id)
    assert found is not None
    return found


async def test_p04_of_twenty_withdrawals_at_once_on_funds_for_ten_exactly_ten_are_approved(
    world: EngineWorld,
) -> None:
    card, face, _ = await a_prepaid_card(world.house, balance_minor=4_000)
    await fund(world.house, card, 6_000, expires_at=card.expires_at - timedelta(days=40))
    other = an_engine(world.house, world.card_company)
    await other.start()
    answers = await asyncio.gather(
        *[
            engine.authorize(world.request(face, 1_000, capture=True))
            for engine in (world.engine, other)
            for _ in range(10)
        ]
    )
    await other.stop()
    assert [a.status for a in answers].count(Status.APPROVED) == 10
    assert {a.decline for a in answers if a.status is Status.DECLINED} == {Decline.INSUFFICIENT_FUNDS}
    assert await available(world.house, card) == 0


async def test_p16_what_was_spent_over_two_lots_comes_back_to_both_in_parts(world: EngineWorld) -> None:
    card, face, _ = await a_prepaid_card(world.house, balance_minor=4_000)
    await fund(world.house, card, 6_000, expires_at=card.expires_at + timedelta(days=40))
    payment = await world.engine.authorize(world.request(face, 7_000, capture=True))
    assert [leg.amount_minor for leg in payment.legs] == [4_000, 3_000]
    await world.engine.refund(payment.id, 3_500)
    await world.engine.refund(payment.id, 3_500)
    async with world.house.database.connection() as conn:
        lots = (await world.house.balances.of(conn, card.funding))[card.funding[0]]
    assert [(b.lot.kind, b.available_minor) for b in lots] == [
        (LotKind.BOUGHT, 4_000),
        (LotKind.CHARGED, 6_000),
    ]


async def test_p17_guesses_at_a_pin_at_once_lock_the_card_after_five(world: EngineWorld) -> None:
    card, face, pin = await a_prepaid_card(world.house, pin="4711")

    def guess(given: str) -> AuthorizationRequest:
        return replace(world.request(face, 100), cvv=None, expiry=None, pin=Secret(given))

    answers = await asyncio.gather(*[world.engine.authorize(guess(f"{n:04}")) for n in range(20)])
    declines = [a.decline for a in answers]
    assert (declines.count(Decline.WRONG_PIN), declines.count(Decline.PIN_LOCKED)) == (5, 15)
    assert pin is not None
    right = await world.engine.authorize(guess(pin.reveal()))
    assert right.decline is Decline.PIN_LOCKED
    assert (await stored(world, card)).pin_failures == 5


async def test_p06_a_right_pin_pays_and_the_same_request_with_another_pin_is_another(
    world: EngineWorld,
) -> None:
    _, face, pin = await a_prepaid_card(world.house, pin="4711")
    request = replace(world.request(face, 100, key="k"), cvv=None, pin=pin)
    first, again = [await world.engine.authorize(request) for _ in range(2)]
    assert (first.status, again.id, again.repeated) == (Status.APPROVED, first.id, True)
    other = await world.engine.authorize(replace(request, pin=Secret("0815")))
    assert other.decline is Decline.KEY_REUSED


async def test_p04_loads_at_once_never_pass_the_ceiling_and_each_is_the_agents_debt(
    world: EngineWorld,
) -> None:
    programme = await a_programme(world.house, ceiling_minor=100_000)
    card, face, _ = await a_prepaid_card(world.house, balance_minor=50_000, programme=programme)
    answers = await asyncio.gather(*[world.engine.authorize(a_load(world, face, 10_000)) for _ in range(8)])
    assert [a.status for a in answers].count(Status.APPROVED) == 5
    assert {a.decline for a in answers if a.decline} == {Decline.BALANCE_CEILING}
    assert await available(world.house, card) == 100_000
    lines = {line.kind: line for line in await Ledger(world.house.database).trial_balance()}
    assert lines[AccountKind.MERCHANT_PAYABLE].debits_posted_minor == 50_000


async def test_p08_a_load_is_undone_by_its_reversal_once_and_not_while_it_is_spent(
    world: EngineWorld,
) -> None:
    card, face, _ = await a_prepaid_card(world.house, balance_minor=0)
    load = await world.engine.authorize(a_load(world, face, 20_000, request_key="load"))
    bought = await world.engine.authorize(world.request(face, 5_000))
    with pytest.raises(LoadSpent):
        await world.engine.reverse("load", face.number, Money(20_000, KRW))
    await world.engine.cancel(bought.id)
    for _ in range(3):
        undone = await world.engine.reverse("load", face.number, Money(20_000, KRW))
        assert (undone.id, undone.status) == (load.id, Status.REVERSED)
    assert await available(world.house, card) == 0


async def test_p08_a_spent_load_whose_till_was_told_no_is_given_up_and_not_tried_for_ever(
    world: EngineWorld,
) -> None:
    card, face, _ = await a_prepaid_card(world.house, balance_minor=0)
    arrived = world.house.clock.now()
    await world.engine.authorize(a_load(world, face, 20_000, request_key="load"))
    await world.engine.authorize(world.request(face, 5_000, capture=True))
    world.engine.reverse_later("load", face.number, Money(20_000, KRW), in_doubt_since=arrived)
    (undoing,) = world.engine._later
    await asyncio.wait_for(undoing, 5)
    assert await available(world.house, card) == 15_000


async def test_an_agents_card_is_sold_once_however_many_tills_try(world: EngineWorld) -> None:
    card, face, _ = await a_prepaid_card(
        world.house, balance_minor=0, state=CardState.INACTIVE, batch_id=CardBatchId(world.house.new_id()),
        face_value_minor=30_000,
    )  # fmt: skip
    sales = [a_load(world, face, 30_000, purpose=Purpose.ACTIVATION) for _ in range(6)]
    answers = await asyncio.gather(*[world.engine.authorize(sale) for sale in sales])
    assert [a.status for a in answers].count(Status.APPROVED) == 1
    assert (await stored(world, card)).state is CardState.ACTIVE
    assert await available(world.house, card) == 30_000


async def test_what_is_not_spent_in_time_is_income_and_what_comes_back_later_lives_on(
    world: EngineWorld,
) -> None:
    house = world.house
    card, face, _ = await a_prepaid_card(house, balance_minor=10_000)
    await fund(house, card, 5_000, expires_at=house.clock.now() + timedelta(days=1))
    payment = await world.engine.authorize(world.request(face, 2_000, capture=True))
    held = await world.engine.authorize(world.request(face, 1_000))
    house.clock.move_to(house.clock.offset + timedelta(days=2))
    assert await house.balances.expire() == 1
    assert await house.balances.expire() == 0
    assert await available(house, card) == 10_000
    await world.engine.refund(payment.id)
    await world.engine.cancel(held.id)
    assert await available(house, card) == 13_000
    spent = await world.engine.authorize(world.request(face, 13_000, capture=True))
    assert spent.status is Status.APPROVED
    await world.engine.refund(spent.id, 3_000)
    house.clock.move_to(house.clock.offset + timedelta(days=31))
    await house.balances.expire()
    lines = {line.kind: line for line in await Ledger(house.database).trial_balance()}
    assert lines[AccountKind.EXPIRED_VALUE].credits_posted_minor == 2_000
    assert await available(house, card) == 3_000


async def test_what_comes_back_while_its_lot_is_being_expired_is_not_taken_with_it(
    world: EngineWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = world.house
    card, face, _ = await a_prepaid_card(house, balance_minor=0)
    await fund(house, card, 5_000, expires_at=house.clock.now() + timedelta(days=1))
    payment = await world.engine.authorize(world.request(face, 5_000, capture=True))
    house.clock.move_to(house.clock.offset + timedelta(days=2))
    lock_accounts = ledger.lock_accounts

    async def after_a_refund(*given: Any) -> Any:
        """The lot was found; its account is not held yet."""
        monkeypatch.undo()
        await world.engine.refund(payment.id)
        return await lock_accounts(*given)

    monkeypatch.setattr(ledger, "lock_accounts", after_a_refund)
    await house.balances.expire()

    spent = await world.engine.authorize(world.request(face, 5_000, capture=True))
    assert spent.status is Status.APPROVED


async def test_what_comes_into_a_lot_that_was_over_long_ago_is_over_too(world: EngineWorld) -> None:
    house = world.house
    card, _, _ = await a_prepaid_card(house, balance_minor=0)
    ended = house.clock.now()
    for _ in range(2):
        await fund(house, card, 5_000, kind=LotKind.EARNED, expires_at=ended)
        await house.balances.expire()
    assert await available(house, card) == 0


async def test_pp13_what_a_recipient_pays_in_is_theirs_beside_what_they_were_given(
    world: EngineWorld,
) -> None:
    house = world.house
    programme = await a_programme(house)
    card, face, _ = await a_prepaid_card(house, balance_minor=0, programme=programme)
    ends = a_calendar().months_on(house.clock.now(), programme.validity_months)
    given = 0
    for amount in (20_000, 30_000, 40_000):
        await fund(house, card, amount, expires_at=ends)
        await world.engine.authorize(a_load(world, face, 10_000))
        charged = Counter[LotKind]()
        for balance in await house.stand_ins.balance(card):
            charged[balance.lot.kind] += balance.available_minor
        assert (charged[LotKind.CHARGED], charged[LotKind.GIVEN]) == (amount + 10_000, given)
        async with house.database.transaction() as conn:
            await house.balances.hand_on(conn, card, as_gift=True)
        given += amount + 10_000


async def test_a_balance_of_two_lots_is_emptied_from_its_end_and_what_is_held_stays(
    world: EngineWorld,
) -> None:
    house = world.house
    card, face, _ = await a_prepaid_card(house, balance_minor=10_000)
    await fund(house, card, 5_000, kind=LotKind.GIVEN)
    await world.engine.authorize(world.request(face, 4_000))
    pocket = world.shop.account_id
    async with house.database.transaction() as conn:
        taken = await house.balances.drain(
            conn, P0, card.funding[0], pocket, card.id, kinds=[LotKind.BOUGHT], amount_minor=8_000
        )
    assert 6_000 <= taken <= 8_000
    assert await available(house, card) == 11_000 - taken
