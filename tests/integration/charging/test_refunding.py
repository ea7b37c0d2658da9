"""PP-13: what is left of what was paid in goes to a bank account; what was given stays to be spent."""

import asyncio

import pytest
from tests.factories.programmes import a_programme
from tests.factories.sales import TRANSFER, Shop
from tests.factories.stored_value import a_prepaid_card, fund
from tests.factories.wallet import a_member_with_credit_line, a_member_with_linked_card, card_details

from obverse.cards import Card, CardHandedOver, CardKind, CardNotFound, CardState, Viewer
from obverse.charging import (
    BalanceNotRefundable,
    BalanceRefund,
    GiftNotRefundable,
    NothingToRefund,
    RefundWish,
)
from obverse.kit.errors import InvalidRequest, KeyReused
from obverse.kit.paging import PageRequest
from obverse.kit.secret import Secret
from obverse.sales import How, Means
from obverse.treasury import BankAccount, TransferState
from obverse.wallet import LotKind

HOME = BankAccount("004", Secret("777888999000"), "A holder")


async def refund(
    shop: Shop, card: Card, key: str = "r", *, close: bool = False, to: BankAccount = HOME
) -> BalanceRefund:
    """Refund what is left on a card of nobody's we know."""
    return await shop.rooms.refunding.refund(card, RefundWish(to, close), key=key, viewer=Viewer.RECIPIENT)


async def test_pp13_what_is_left_of_what_was_paid_in_is_refunded_once(shop: Shop) -> None:
    card, _, _ = await a_prepaid_card(shop.house)
    await fund(shop.house, card, 20_000)
    await fund(shop.house, card, 5_000, kind=LotKind.GIVEN)

    answers = await asyncio.gather(*[refund(shop, card, close=True) for _ in range(6)])
    await shop.treasury.send()
    again = await refund(shop, card, close=True)

    assert {answer.id for answer in answers} == {again.id}
    assert (again.amount.amount_minor, again.closed_card, again.repeated) == (70_000, False, True)
    assert again.transfer is not None
    assert again.transfer.state is TransferState.DONE
    assert shop.at_bank("777888999000") == 70_000
    assert await shop.lots(card) == {"bought": 0, "charged": 0, "given": 5_000}
    with pytest.raises(KeyReused):
        await refund(shop, card)


async def test_a_card_that_is_empty_after_it_is_closed_if_asked(shop: Shop) -> None:
    card, _, _ = await a_prepaid_card(shop.house)

    refunded = await refund(shop, card, close=True)

    assert refunded.closed_card
    assert (await shop.house.cards.get(card.id)).state is CardState.CLOSED
    assert (await shop.rooms.refunding.list(card.id, PageRequest())).items[0].id == refunded.id


async def test_what_is_held_for_a_payment_stays(shop: Shop) -> None:
    card, face, _ = await a_prepaid_card(shop.house)
    held = await shop.world.engine.authorize(shop.world.request(face, 30_000))
    assert held.decline is None

    refunded = await refund(shop, card, close=True)
    captured = await shop.world.engine.capture(held.id)

    assert (refunded.amount.amount_minor, refunded.closed_card) == (20_000, False)
    assert captured.captured_minor == 30_000
    with pytest.raises(NothingToRefund):
        await refund(shop, card, key="s")


async def test_pp13_what_came_from_a_gift_is_not_refunded(shop: Shop) -> None:
    card, _, _ = await a_prepaid_card(shop.house, kind=CardKind.GIFT, lot_kind=LotKind.GIVEN)

    with pytest.raises(GiftNotRefundable):
        await refund(shop, card)

    assert await shop.left(card) == 50_000


async def test_a_programme_may_refund_nothing(shop: Shop) -> None:
    programme = await a_programme(shop.house, refundable=False)
    card, _, _ = await a_prepaid_card(shop.house, programme=programme)

    with pytest.raises(BalanceNotRefundable):
        await refund(shop, card)


async def test_an_account_that_cannot_be_one_is_refused(shop: Shop) -> None:
    card, _, _ = await a_prepaid_card(shop.house)

    with pytest.raises(InvalidRequest):
        await refund(shop, card, to=BankAccount("4", Secret("1"), ""))


async def test_p12_a_holder_learns_neither_whence_nor_whereto_its_giver_has_paid(shop: Shop) -> None:
    giver, linked = await a_member_with_linked_card(shop.house)
    card, _, _ = await a_prepaid_card(shop.house, member=giver)
    await shop.rooms.refunding.refund(card, RefundWish(HOME), key="giver")
    await shop.charge(card, How(Means.CARD, linked.id), 20_000, member=giver)
    _, token = await shop.house.cards.hand_over(card.id)
    claimed, _ = await shop.house.cards.claim(token)
    await shop.charge(claimed, How(Means.CARD, card=card_details()))

    page, charging, refunding = PageRequest(), shop.rooms.charging, shop.rooms.refunding
    seen = (await charging.list(page, card.id, viewer=Viewer.RECIPIENT)).items
    assert [charged.charge.amount.amount_minor for charged in seen] == [10_000]
    assert (await refunding.list(card.id, page, viewer=Viewer.RECIPIENT)).items == []
    assert len((await charging.list(page, card.id)).items) == 2
    assert len((await refunding.list(card.id, page)).items) == 1


async def test_pp13_what_its_giver_has_paid_and_comes_after_the_claim_is_given_too(shop: Shop) -> None:
    giver, _ = await a_member_with_credit_line(shop.house)
    card, _, _ = await a_prepaid_card(shop.house, member=giver, balance_minor=0)
    charged = await shop.charge(card, TRANSFER, 20_000, member=giver)
    _, token = await shop.house.cards.hand_over(card.id)
    claimed, _ = await shop.house.cards.claim(token)
    assert charged.sale is not None

    await shop.come_in(20_000, charged.sale.reference or "")

    assert await shop.lots(card) == {"given": 20_000}
    with pytest.raises(GiftNotRefundable):
        await refund(shop, claimed)


async def test_p12_a_refund_that_waits_for_the_card_of_another_by_then_refunds_nothing(shop: Shop) -> None:
    member, _ = await a_member_with_credit_line(shop.house)
    card, _, _ = await a_prepaid_card(shop.house)
    async with shop.house.database.transaction() as conn:
        _, token = await shop.house.cards.hold(conn, await shop.house.cards.lock(conn, card.id))
    held = await shop.house.cards.get(card.id)
    await shop.house.cards.adopt(token, member.id)

    with pytest.raises(CardNotFound):
        await refund(shop, held)
    assert await shop.left(card) == 50_000


async def test_p12_whoever_gave_a_card_away_does_not_refund_it(shop: Shop) -> None:
    card, _, _ = await a_prepaid_card(shop.house)

    with pytest.raises(CardHandedOver):
        await shop.rooms.refunding.refund(card, RefundWish(HOME), key="r")

    assert await shop.left(card) == 50_000
