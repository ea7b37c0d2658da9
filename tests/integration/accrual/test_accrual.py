"""Points accrue behind the payments, once for each step, and are taken back with refunds."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from msgspec.structs import replace
from tests.factories.accrual import an_accrual, points_room
from tests.factories.engine import EngineWorld, an_engine_world
from tests.factories.ledger import P0
from tests.factories.stored_value import a_prepaid_card
from tests.factories.wallet import House, a_member_with_credit_line

from obverse.accrual import MovementKind, PointsRuleNotFound, RuleTerms
from obverse.cards import CardFace
from obverse.kit.ids import MemberId
from obverse.kit.money import KRW
from obverse.kit.paging import PageRequest
from obverse.ledger import Ledger
from obverse.merchants.errors import MerchantNotFound
from obverse.programmes.errors import ProgrammeNotFound

WHO = {"actor": "key_test", "reason": "spring"}


@pytest.fixture
async def world(house: House) -> AsyncIterator[EngineWorld]:
    world = await an_engine_world(house)
    world.shop = replace(world.shop, accepts=frozenset({"prepaid"}))
    await Ledger(house.database).open_house([P0], KRW)
    await points_room(house).set_rule(RuleTerms(basis_points=100, validity_months=12), **WHO)
    yield world
    await world.engine.stop()
    await world.books_are_right()


async def a_members_card(world: EngineWorld) -> tuple[MemberId, CardFace]:
    member, _ = await a_member_with_credit_line(world.house, 1_000)
    _, face, _ = await a_prepaid_card(world.house, balance_minor=100_000, member=member)
    return member.id, face


async def points_of(world: EngineWorld, member_id: MemberId) -> int:
    return sum(b.available_minor for b in await points_room(world.house).balance(member_id))


async def test_p16_a_refund_takes_back_its_share_and_all_of_it_with_the_rest(world: EngineWorld) -> None:
    member_id, face = await a_members_card(world)
    payment = await world.engine.authorize(world.request(face, 30_000, capture=True))
    await an_accrual(world.house).run()
    assert await points_of(world, member_id) == 300
    await world.engine.refund(payment.id, 10_001)
    await an_accrual(world.house).run()
    assert await points_of(world, member_id) == 200
    await world.engine.refund(payment.id)
    await an_accrual(world.house).run()
    assert await points_of(world, member_id) == 0


async def test_however_many_look_at_once_each_step_counts_once(world: EngineWorld) -> None:
    member_id, face = await a_members_card(world)
    for _ in range(5):
        await world.engine.authorize(world.request(face, 1_000, capture=True))
    await asyncio.gather(*[an_accrual(world.house).run() for _ in range(4)])
    await an_accrual(world.house).run()
    assert await points_of(world, member_id) == 50


async def test_points_that_were_spent_before_a_refund_are_made_good_by_the_next(world: EngineWorld) -> None:
    house = world.house
    member_id, face = await a_members_card(world)
    payment = await world.engine.authorize(world.request(face, 30_000, capture=True))
    await an_accrual(house).run()
    (lot,) = await points_room(house).balance(member_id)
    async with house.database.transaction() as conn:
        source = lot.lot.source_id
        assert await house.balances.drain(conn, P0, source, world.shop.account_id, source) == 300
    await world.engine.refund(payment.id)
    await an_accrual(house).run()
    await world.engine.authorize(world.request(face, 50_000, capture=True))
    await an_accrual(house).run()
    assert await points_of(world, member_id) == 200
    page = await points_room(house).movements(member_id, PageRequest(10))
    assert [(m.kind, m.points, m.owed) for m in page.items] == [
        (MovementKind.EARNED, 500, -300),
        (MovementKind.TAKEN_BACK, 300, 300),
        (MovementKind.EARNED, 300, 0),
    ]


async def test_a_card_of_nobody_earns_nothing_and_points_end_on_their_own_date(world: EngineWorld) -> None:
    house = world.house
    _, face, _ = await a_prepaid_card(house, balance_minor=10_000)
    await world.engine.authorize(world.request(face, 5_000, capture=True))
    member_id, own = await a_members_card(world)
    await world.engine.authorize(world.request(own, 5_000, capture=True))
    await an_accrual(house).run()
    assert await points_of(world, member_id) == 50
    house.clock.move_to(house.clock.offset + timedelta(days=400))
    await house.balances.expire()
    assert await points_of(world, member_id) == 0


async def test_a_rule_that_has_ended_earns_nothing_more(world: EngineWorld) -> None:
    room = points_room(world.house)
    (rule,) = (await room.rules(PageRequest(10))).items
    ended = await room.end_rule(rule.id, **WHO)
    assert await room.end_rule(rule.id, **WHO) == ended
    member_id, face = await a_members_card(world)
    await world.engine.authorize(world.request(face, 5_000, capture=True))
    await an_accrual(world.house).run()
    assert await points_of(world, member_id) == 0
    with pytest.raises(PointsRuleNotFound):
        await room.end_rule(world.house.new_id(), **WHO)
    with pytest.raises(MerchantNotFound):
        await room.set_rule(RuleTerms(1, 1, merchant_id=world.house.new_id()), **WHO)
    with pytest.raises(ProgrammeNotFound):
        await room.set_rule(RuleTerms(1, 1, programme_id=world.house.new_id()), **WHO)
