"""PP-3 over a real database: gifts are given, sent again, corrected, withdrawn, and claimed by one person."""

import asyncio
from datetime import timedelta

import pytest
from tests.factories.orders import BY_TRANSFER, HOME, Shop, a_gift, a_pin
from tests.factories.wallet import a_member_with_credit_line

from obverse.cards import CardKind, CardState, ClaimLinkInvalid
from obverse.kit.errors import ObverseError
from obverse.kit.secret import Secret
from obverse.letters import Language
from obverse.orders import OrderState, PieceNotOpen, PieceState, Placed, SentJustNow
from obverse.sales import RefundState, SaleState


def later(shop: Shop, **by: int) -> None:
    shop.house.clock.move_to(shop.house.clock.offset + timedelta(**by))


async def given(shop: Shop) -> tuple[Placed, Secret]:
    """An order of one gift of 10,000 won, and the token in its mail."""
    placed = await shop.bought(shop.line(10_000, gift=a_gift()))
    (token,) = await shop.claim_tokens()
    return placed, token


async def test_pp3_a_gift_goes_out_after_payment_and_its_recipient_sets_the_pin(shop: Shop) -> None:
    placed, token = await given(shop)
    (template, to, data) = (await shop.letters())[0]
    assert (template, to) == ("gift", "friend@example.com")
    assert (data["from_name"], data["design"]) == ("Buyer", "For you")
    assert await shop.orders.reveal(placed.order) == []

    card, holder = await shop.house.cards.claim(token, pin=a_pin("730184"))

    assert (card.kind, card.state) == (CardKind.GIFT, CardState.ACTIVE)
    assert (await shop.house.cards.of_holder(holder)).id == card.id
    sight = await shop.orders.piece(placed.order, 1)
    assert (sight.is_claimed, sight.card) == (True, None)


async def test_pp11_a_recipient_who_registers_has_the_card_among_their_own(shop: Shop) -> None:
    placed, token = await given(shop)
    _, holder = await shop.house.cards.claim(token)
    member, _ = await a_member_with_credit_line(shop.house)

    card = await shop.house.cards.adopt(holder, member.id)

    assert card.member_id == member.id
    sight = await shop.orders.piece(placed.order, 1)
    assert (sight.is_claimed, sight.card) == (True, None)
    with pytest.raises(PieceNotOpen):
        await shop.orders.withdraw(placed.order, 1)


async def test_a_claim_link_is_good_for_one_person_however_many_come_at_once(shop: Shop) -> None:
    placed, token = await given(shop)

    claims = [shop.house.cards.claim(token) for _ in range(4)]
    withdrawal = shop.orders.withdraw(placed.order, 1)
    answers = await asyncio.gather(*claims, withdrawal, return_exceptions=True)

    won = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert len(won) == 1
    assert {type(a) for a in answers if isinstance(a, BaseException)} <= {ClaimLinkInvalid, PieceNotOpen}
    with pytest.raises(ClaimLinkInvalid):
        await shop.house.cards.claim(token)


async def test_pp3_a_gift_that_is_sent_again_has_one_link_that_counts(shop: Shop) -> None:
    placed, first = await given(shop)
    with pytest.raises(SentJustNow):
        await shop.orders.send_again(placed.order, 1)
    later(shop, minutes=2)

    for _ in range(2):
        await shop.orders.send_again(placed.order, 1, key="k")

    _, second = await shop.claim_tokens()
    with pytest.raises(ClaimLinkInvalid):
        await shop.house.cards.claim(first)
    await shop.house.cards.claim(second)
    later(shop, minutes=2)
    with pytest.raises(PieceNotOpen):
        await shop.orders.send_again(placed.order, 1, key="another")


async def test_a_mailbox_that_bounces_loses_nothing_and_the_address_is_corrected(shop: Shop) -> None:
    placed, first = await given(shop)
    await shop.bounce()

    assert await shop.orders.note_bounces() == 1
    assert await shop.orders.note_bounces() == 0

    assert (await shop.orders.piece(placed.order, 1)).piece.state is PieceState.UNDELIVERED
    told = [(to, data["pieces"]) for name, to, data in await shop.letters() if name == "gift_undelivered"]
    assert told == [("buyer@example.com", [1])]
    for _ in range(2):
        sight = await shop.orders.give(placed.order, 1, a_gift("right@example.com"))
        assert sight.piece.state is PieceState.GIVEN
    assert [to for name, to, _ in await shop.letters() if name == "gift"] == [
        "friend@example.com", "right@example.com",
    ]  # fmt: skip
    assert await shop.orders.note_bounces() == 0, "the first mail is not the gift's any more"
    with pytest.raises(ClaimLinkInvalid):
        await shop.house.cards.claim(first)
    _, second = await shop.claim_tokens()
    await shop.house.cards.claim(second)


async def test_pp3_a_gift_that_is_withdrawn_gives_its_part_of_the_money_back(shop: Shop) -> None:
    placed = await shop.bought(shop.line(10_000, gift=a_gift()), shop.line(5_000))
    (token,) = await shop.claim_tokens()

    for _ in range(2):
        answer = await shop.orders.withdraw(placed.order, 1)

    assert (answer.order.back_minor, answer.order.state) == (10_000, OrderState.ALLOCATED)
    with pytest.raises(ClaimLinkInvalid):
        await shop.house.cards.claim(token)
    (refund,) = await shop.sales.refunds_of([placed.sale.id])
    assert refund.amount.amount_minor == 10_000
    await shop.sales.refund()
    assert await shop.balance("stored_balance") == 5_000
    assert await shop.balance("merchant_payable") == 0


async def test_a_card_that_was_bought_for_oneself_can_be_given_until_it_is_set_up(shop: Shop) -> None:
    placed = await shop.bought(shop.line(5_000, 2))
    await shop.orders.set_up(placed.order, 1, a_pin())

    with pytest.raises(PieceNotOpen):
        await shop.orders.give(placed.order, 1, a_gift())
    await shop.orders.give(placed.order, 2, a_gift())

    assert [one.at for one in await shop.orders.reveal(placed.order)] == [1]
    (token,) = await shop.claim_tokens()
    card, _ = await shop.house.cards.claim(token)
    async with shop.house.database.connection() as conn:
        lots = await conn.fetch("select kind from lots where source_id = $1 order by kind", card.funding[0])
    assert "given" in [row["kind"] for row in lots], "what somebody else has paid for is never refunded"


async def test_pp13_what_was_not_used_goes_back_whole_or_in_part(shop: Shop) -> None:
    placed = await shop.bought(shop.line(5_000, 3), how=BY_TRANSFER)
    await shop.transfer(placed)
    await shop.allocation.allocate()
    placed = await shop.again(placed)
    await shop.orders.set_up(placed.order, 1, a_pin())
    (used, *_) = await shop.orders.reveal(placed.order)
    await shop.spend(type(used)(1, used.face, a_pin().pin))

    with pytest.raises(PieceNotOpen) as refused:
        await shop.orders.cancel(placed.order)
    assert refused.value.param == "pieces[1]"
    part = await shop.orders.cancel(placed.order, [2])
    rest = await asyncio.gather(*[shop.orders.cancel(placed.order, [2, 3]) for _ in range(3)])

    assert part.order.back_minor == 5_000
    assert {one.order.back_minor for one in rest} == {10_000}
    assert [refund.state for refund in await shop.sales.refunds_of([placed.sale.id])] == [
        RefundState.DONE
    ] * 2
    assert await shop.balance("in_transit") == 10_000
    states = {card.state for card in await shop.cards()}
    assert states == {CardState.ACTIVE, CardState.CLOSED}


async def test_pp13_a_whole_order_goes_back_to_its_card(shop: Shop) -> None:
    placed = await shop.bought(shop.line(5_000, 2), shop.line(20_000, gift=a_gift()))

    answer = await shop.orders.cancel(placed.order)
    await shop.sales.refund()

    assert (answer.order.state, answer.order.back_minor) == (OrderState.CANCELLED, 30_000)
    assert (await shop.sales.get(placed.sale.id)).state is SaleState.GIVEN_BACK
    assert await shop.balance("stored_balance") == 0
    assert await shop.balance("card_company_receivable") == 0
    for action in (
        shop.orders.reveal(answer.order),
        shop.orders.set_up(answer.order, 1, a_pin()),
        shop.orders.give(answer.order, 1, a_gift()),
    ):
        with pytest.raises(ObverseError):
            await action


@pytest.mark.parametrize("language", list(Language))
async def test_every_letter_of_an_order_can_be_written(shop: Shop, language: Language) -> None:
    line = shop.line(10_000, gift=a_gift(name=Secret("Friend"), message=Secret("<b>For you</b>")))
    placed = await shop.orders.place(
        shop.wish(line, shop.line(5_000), how=BY_TRANSFER, language=language), origin=HOME
    )
    await shop.transfer(placed)
    await shop.allocation.allocate()
    await shop.bounce()
    await shop.orders.note_bounces()

    written = dict(await shop.written_letters())

    assert written.keys() == {"order_received", "gift", "order_cards", "gift_undelivered"}
    assert placed.sale.reference in written["order_received"].text
    assert placed.token.reveal() in written["gift_undelivered"].text
    gift = written["gift"]
    assert "Friend" in gift.text
    assert gift.html is not None
    assert "<b>For you" not in gift.html
    assert "Buyer" in gift.subject
