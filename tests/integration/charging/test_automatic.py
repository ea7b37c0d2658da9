"""WA-6: a card that charges itself when it runs short, once for each time, until something is wrong."""

import asyncio

import pytest
from tests.factories.engine import APPROVE
from tests.factories.sales import Shop
from tests.factories.stored_value import a_prepaid_card
from tests.factories.wallet import (
    a_member_with_credit_line,
    a_member_with_linked_card,
    a_wallet_member,
    card_details,
)

from obverse.authorization.ports import LegAnswer, LegOutcome
from obverse.cards import Card, CardFace, Viewer
from obverse.charging import (
    AutomaticChargeNotFound,
    AutomaticState,
    BalanceCeiling,
    CardNotChargeable,
    ChargeKind,
    ChargeUnit,
    Shortage,
)
from obverse.kit.errors import InvalidRequest, ObverseError
from obverse.kit.paging import PageRequest
from obverse.wallet import CardWish, Source, SourceNotActive, SourceNotFound

WHEN_SHORT = Shortage(threshold_minor=10_000, amount_minor=30_000)


async def a_card_that_charges_itself(
    shop: Shop, wish: Shortage = WHEN_SHORT
) -> tuple[Card, CardFace, Source]:
    member, linked = await a_member_with_linked_card(shop.house)
    card, face, _ = await a_prepaid_card(shop.house, member=member, balance_minor=20_000)
    await shop.rooms.automatic.set(card, member.id, wish)
    return card, face, linked


async def spend(shop: Shop, face: CardFace, amount: int) -> None:
    payment = await shop.world.engine.authorize(shop.world.request(face, amount, capture=True))
    assert payment.decline is None


async def test_wa6_a_card_charges_itself_when_it_runs_short_and_once(shop: Shop) -> None:
    card, face, _ = await a_card_that_charges_itself(shop)
    assert await shop.rooms.automatic.charge_short() == 0

    await spend(shop, face, 15_000)
    await asyncio.gather(*[shop.rooms.automatic.charge_short() for _ in range(4)])
    await shop.rooms.automatic.charge_short()

    assert await shop.lots(card) == {"bought": 5_000, "charged": 30_000}
    (charged,) = (await shop.rooms.charging.list(PageRequest(), card.id)).items
    assert charged.charge.kind is ChargeKind.AUTOMATIC
    assert len(shop.world.card_company.asked) == 1


async def test_a_silent_card_company_does_not_make_it_charge_twice(shop: Shop) -> None:
    card, face, _ = await a_card_that_charges_itself(shop)
    await spend(shop, face, 15_000)
    shop.world.card_company.gate = asyncio.Event()
    first = asyncio.create_task(shop.rooms.automatic.charge_short())
    await shop.world.card_company.was_asked()

    assert await shop.rooms.automatic.charge_short() == 0
    shop.world.card_company.gate.set()
    await first

    assert (await shop.left(card), len(shop.world.card_company.asked)) == (35_000, 1)


async def test_one_that_failed_pauses_until_its_member_sets_it_again(shop: Shop) -> None:
    card, face, _ = await a_card_that_charges_itself(shop)
    await spend(shop, face, 15_000)
    shop.world.card_company.answer = LegAnswer(LegOutcome.DECLINED, "51")
    await shop.rooms.automatic.charge_short()
    shop.world.card_company.answer = APPROVE
    await shop.rooms.automatic.charge_short()

    rule = await shop.rooms.automatic.get(card.id)
    assert (rule.state, rule.pause_reason) == (AutomaticState.PAUSED, "card_company_declined")
    assert (await shop.left(card), len(shop.world.card_company.asked)) == (5_000, 1)
    assert "automatic_charge.paused" in await shop.news("automatic_charge.%")

    assert card.member_id is not None
    await shop.rooms.automatic.set(card, card.member_id, WHEN_SHORT)
    await shop.rooms.automatic.charge_short()
    assert await shop.left(card) == 35_000


async def test_a_member_is_told_of_one_that_paused(shop: Shop) -> None:
    member = await a_wallet_member(shop.house)
    await shop.house.wallet.link_card(member.id, card_details())
    card, face, _ = await a_prepaid_card(shop.house, member=member, balance_minor=20_000)
    await shop.rooms.automatic.set(card, member.id, WHEN_SHORT)
    shop.world.card_company.answer = LegAnswer(LegOutcome.DECLINED, "51")
    await spend(shop, face, 15_000)

    await shop.rooms.automatic.charge_short()

    async with shop.house.database.connection() as conn:
        rows = await conn.fetch("select template, member_id from letters where subject_id = $1", card.id)
    assert [tuple(row) for row in rows] == [("automatic_charge_paused", member.id)]


async def test_it_charges_three_times_a_day_at_most(shop: Shop) -> None:
    card, face, _ = await a_card_that_charges_itself(shop)
    await spend(shop, face, 15_000)
    for _ in range(5):
        await shop.rooms.automatic.charge_short()
        await spend(shop, face, min(30_000, await shop.left(card)))

    assert len(shop.world.card_company.asked) == 3


async def test_a_source_that_was_removed_pauses_it(shop: Shop) -> None:
    card, face, linked = await a_card_that_charges_itself(shop)
    await shop.house.wallet.remove(linked.id)
    await spend(shop, face, 15_000)

    assert await shop.rooms.automatic.charge_short() == 0

    assert (await shop.rooms.automatic.get(card.id)).pause_reason == "source_not_active"


async def test_wa5_the_members_order_of_sources_says_what_pays(shop: Shop) -> None:
    member, first = await a_member_with_linked_card(shop.house)
    second = await shop.house.wallet.link_card(member.id, card_details())
    card, face, _ = await a_prepaid_card(shop.house, member=member, balance_minor=20_000)
    await shop.rooms.automatic.set(card, member.id, WHEN_SHORT)
    ordered = await shop.house.wallet.set_order(member.id, [second.id])
    assert [source.id for source in ordered] == [second.id, first.id]

    await spend(shop, face, 15_000)
    await shop.rooms.automatic.charge_short()

    assert [leg.vault_card_id for leg in shop.world.card_company.asked] == [second.vault_card_id]
    with pytest.raises(InvalidRequest):
        await shop.house.wallet.set_order(member.id, [first.id, first.id])
    _, foreign = await a_member_with_linked_card(shop.house)
    with pytest.raises(SourceNotFound):
        await shop.house.wallet.set_order(member.id, [foreign.id])


@pytest.mark.parametrize(
    ("wish", "refusal"),
    [
        (Shortage(10_000, 15_000), ChargeUnit),
        (Shortage(30_000, 20_000), InvalidRequest),
        (Shortage(0, 20_000), InvalidRequest),
        (Shortage(10_000, 1_000_000), BalanceCeiling),
    ],
    ids=["between units", "less than the shortage", "no threshold", "beyond the ceiling"],
)
async def test_what_cannot_end_a_shortage_is_refused(
    shop: Shop, wish: Shortage, refusal: type[ObverseError]
) -> None:
    with pytest.raises(refusal):
        await a_card_that_charges_itself(shop, wish)


async def test_only_what_can_pay_charges_and_only_cards_with_a_balance(shop: Shop) -> None:
    member, _ = await a_member_with_credit_line(shop.house)
    card, _, _ = await a_prepaid_card(shop.house, member=member)
    with pytest.raises(SourceNotActive):
        await shop.rooms.automatic.set(card, member.id, WHEN_SHORT)
    await shop.house.wallet.link_card(member.id, card_details())
    one_time = (await shop.house.wallet.issue_card(member.id, CardWish())).card
    with pytest.raises(CardNotChargeable):
        await shop.rooms.automatic.set(one_time, member.id, WHEN_SHORT)


async def test_nobody_pays_for_a_card_that_they_have_given_away(shop: Shop) -> None:
    card, _, _ = await a_card_that_charges_itself(shop)
    _, token = await shop.house.cards.hand_over(card.id)
    claimed, _ = await shop.house.cards.claim(token)
    await spend(shop, shop.house.cards.reveal(claimed, Viewer.RECIPIENT), 15_000)

    assert await shop.rooms.automatic.charge_short() == 0

    assert (await shop.left(card), shop.world.card_company.asked) == (5_000, [])
    assert await shop.news("automatic_charge.%") == ["automatic_charge.set", "automatic_charge.removed"]
    with pytest.raises(AutomaticChargeNotFound):
        await shop.rooms.automatic.get(card.id)


async def test_one_that_was_taken_away_charges_nothing(shop: Shop) -> None:
    card, face, _ = await a_card_that_charges_itself(shop)
    await shop.rooms.automatic.remove(await shop.rooms.automatic.get(card.id))
    await spend(shop, face, 15_000)

    assert await shop.rooms.automatic.charge_short() == 0
    assert shop.world.card_company.asked == []
