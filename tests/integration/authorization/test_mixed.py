"""P9 over real sockets: points of several issuers and a card in one payment, all legs or none."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

import pytest
from tests.factories.mixed_world import MixedWorld, a_mixed_world, a_process
from tests.factories.wallet import House

from obverse.authorization import Authorization, Decline, Status
from obverse.authorization.model import LegStatus, Tender
from obverse.authorization.ports import LegAnswer, LegOutcome
from obverse.kit.ids import SourceId
from obverse.kit.paging import PageRequest
from obverse.sandbox.faults import Fault, FaultRule, MessageKind

_ALL: Final = PageRequest(limit=10)
_TWO_MINUTES: Final = timedelta(minutes=2)


@pytest.fixture
async def mixed(house: House) -> AsyncIterator[MixedWorld]:
    async with a_mixed_world(house) as world:
        yield world


def picks(sources: list[SourceId], *amounts: int) -> list[Tender]:
    return [Tender(amount, source_id=id_) for id_, amount in zip(sources, amounts, strict=False)]


async def test_three_kinds_of_points_and_a_card_pay_and_come_back_in_two_parts(mixed: MixedWorld) -> None:
    card, number, sources = await mixed.wallet()
    request = mixed.swipe(card, number, 10_000, *picks(sources, 4_000, 1_005, 333))
    paid = await mixed.engine.authorize(request)
    assert paid.status is Status.APPROVED
    assert [(leg.amount_minor, leg.units) for leg in paid.legs] == [
        (4_000, 8_000),
        (1_005, 101),
        (333, 500),
        (4_662, None),
    ]
    await mixed.drain()
    assert mixed.kept_by_issuers(paid) == [8_000, 101, 500]
    await mixed.engine.refund(paid.id, 5_000)
    await mixed.drain()
    assert mixed.kept_by_issuers(paid) == [8_000, 101, 500 - 500 * 333 // 333]
    await mixed.engine.refund(paid.id)
    await mixed.drain()
    assert mixed.kept_by_issuers(paid) == [0, 0, 0]


async def test_points_before_the_card_are_spent_by_themselves_as_far_as_they_go(mixed: MixedWorld) -> None:
    card, number, sources = await mixed.wallet(units=1_001)
    (linked, *_) = card.funding
    assert card.member_id is not None
    card = await mixed.house.card_funding.set_order(card.id, card.member_id, [*sources, linked])
    paid = await mixed.engine.authorize(mixed.swipe(card, number, 12_345))
    assert [(leg.amount_minor, leg.units) for leg in paid.legs] == [
        (500, 1_000),
        (10_010, 1_001),
        (667, 1_001),
        (1_168, None),
    ]


async def test_all_of_one_kind_may_be_picked_beside_so_much_of_another(mixed: MixedWorld) -> None:
    card, number, (miles, stars, _) = await mixed.wallet(units=1_000)
    tender = Tender(400, source_id=miles), Tender(None, source_id=stars)
    paid = await mixed.engine.authorize(mixed.swipe(card, number, 5_000, *tender))
    assert [(leg.amount_minor, leg.units) for leg in paid.legs] == [(400, 800), (4_600, 460)]


async def test_a_balance_that_has_shrunk_is_a_clear_answer_and_costs_nothing(mixed: MixedWorld) -> None:
    card, number, sources = await mixed.wallet(units=1_000)
    request = mixed.swipe(card, number, 20_000, *picks(sources, 500, 10_010))
    declined = await mixed.engine.authorize(request)
    assert declined.decline is Decline.INSUFFICIENT_POINTS
    await mixed.drain()
    assert mixed.kept_by_issuers(declined) == [0, 0]
    assert not mixed.card_company.asked, "the card is asked last"


async def test_an_issuer_that_is_down_costs_its_own_part_only_and_is_left_alone_after_a_while(
    mixed: MixedWorld,
) -> None:
    card, number, sources = await mixed.wallet()
    miles = mixed.ids[0]
    assert mixed.client.is_answering(miles)
    await mixed.partners.sky_miles.set_fault(MessageKind.CONNECTION, FaultRule(Fault.REFUSE))
    for _ in range(6):
        declined = await mixed.engine.authorize(mixed.swipe(card, number, 1_000, *picks(sources, 500, 500)))
        assert declined.decline is Decline.POINTS_ISSUER_UNAVAILABLE
    assert not mixed.client.is_answering(miles)
    without = mixed.swipe(card, number, 1_000, *picks(sources[1:], 500))
    assert (await mixed.engine.authorize(without)).status is Status.APPROVED
    await mixed.partners.sky_miles.set_fault(MessageKind.CONNECTION, None)
    await mixed.drain()


FAULTS = [
    FaultRule(Fault.CLOSE, chance=0.4),
    FaultRule(Fault.DUPLICATE, chance=0.4),
    FaultRule(Fault.LATE, delay_ms=700, chance=0.3),
    FaultRule(Fault.SILENT, chance=0.3),
    FaultRule(Fault.LOST, chance=0.3),
    FaultRule(Fault.BREAK, chance=0.4),
    FaultRule(Fault.GARBAGE, chance=0.4),
    FaultRule(Fault.SLOW, delay_ms=200, chance=0.4),
]


@pytest.mark.parametrize("rule", FAULTS, ids=[rule.fault.value for rule in FAULTS])
async def test_p09_no_payment_is_left_with_one_leg_whatever_issuers_do(
    mixed: MixedWorld, rule: FaultRule
) -> None:
    card, number, sources = await mixed.wallet()
    kinds = (MessageKind.POINTS_TAKES, MessageKind.POINTS_CONFIRMATIONS, MessageKind.POINTS_CANCELLATIONS)
    for issuer in mixed.partners.all:
        for kind in kinds:
            await issuer.set_fault(kind, rule)
    payments: list[Authorization] = []
    for turn in range(4):
        if turn == 3:
            mixed.card_company.answer = LegAnswer(LegOutcome.DECLINED, "51")
        requests = [mixed.swipe(card, number, 1_000 + n, *picks(sources, 100, 100, 100)) for n in range(6)]
        payments += await asyncio.gather(*[mixed.engine.authorize(request) for request in requests])
    for issuer in mixed.partners.all:
        issuer.faults.clear()
    await mixed.drain()
    for payment in payments:
        await _is_whole(mixed, payment)
    assert any(payment.status is Status.DECLINED for payment in payments)


async def _is_whole(mixed: MixedWorld, answered: Authorization) -> None:
    """Every leg holds or none does, for us, for the issuers and for whoever was answered."""
    now = await mixed.engine.get(answered.id)
    assert now.status is answered.status
    points = [leg for leg in now.legs if leg.units is not None]
    if now.status is Status.APPROVED:
        assert mixed.kept_by_issuers(now) == [leg.units for leg in points]
        assert {leg.status for leg in now.legs} == {LegStatus.APPROVED}
    else:
        assert now.status is Status.DECLINED
        assert mixed.kept_by_issuers(now) == [0] * len(points)
        assert {leg.status for leg in points} <= {LegStatus.DECLINED, LegStatus.REVERSED}


async def test_p09_a_relay_that_dies_in_between_leaves_no_units_taken(
    house: House, mixed: MixedWorld
) -> None:
    card, number, sources = await mixed.wallet()
    mixed.card_company.gate = asyncio.Event()
    request = mixed.swipe(card, number, 10_000, *picks(sources, 1_000, 1_000, 1_000))
    asking = asyncio.create_task(mixed.engine.authorize(request))
    await mixed.card_company.was_asked()
    payment = (await mixed.engine.list(_ALL, card_id=card.id)).items[0]
    assert mixed.kept_by_issuers(payment) == [2_000, 100, 1_500]
    # It never wakes up again; another one takes over when its time is up.
    await mixed.courier.stop()
    successor = await a_process(house, mixed.partners, mixed.shop)
    successor.by_source = mixed.by_source
    house.clock.move_to(house.clock.offset + _TWO_MINUTES)
    assert await successor.engine.recover() == 1
    await successor.drain()
    assert successor.kept_by_issuers(payment) == [0, 0, 0]
    assert (await successor.engine.get(payment.id)).status is Status.DECLINED
    mixed.card_company.gate.set()
    assert (await asking).status is Status.DECLINED, "its answer comes too late and changes nothing"
    await successor.drain()
    assert successor.kept_by_issuers(payment) == [0, 0, 0]
    await successor.stop()
