"""Handing a card to another person like cash: OT-8, first half."""

import asyncio
from datetime import timedelta

import pytest
from tests.factories.cards import a_one_time_card
from tests.factories.wallet import House, a_member_with_credit_line

from obverse.cards import (
    Card,
    CardHandedOver,
    CardNotFound,
    CardNotGiveable,
    ClaimLinkExists,
    ClaimLinkInvalid,
    Controls,
    HeldBy,
    Viewer,
    repository,
)
from obverse.cards.model import CardUse
from obverse.kit.secret import Secret


async def a_gift(house: House, uses: int = 1) -> Card:
    member, _ = await a_member_with_credit_line(house)
    card, _ = await a_one_time_card(house, member.id, Controls(amount_limit_minor=50_000, uses=uses))
    return card


async def use(house: House, card: Card) -> None:
    async with house.database.transaction() as conn:
        await repository.save_uses(
            conn, card.partition_id, [CardUse(card.id, card.uses_left - 1, 100, 0, card.state)]
        )


def let_pass(house: House, time: timedelta) -> None:
    house.clock.move_to(house.clock.offset + time)


async def test_whoever_claims_the_link_holds_the_card(house: House) -> None:
    gift = await a_gift(house)
    link, token = await house.cards.hand_over(gift.id)
    assert token.reveal().startswith("ob_claim_")
    assert link.expires_at <= gift.expires_at
    card, holder_token = await house.cards.claim(token)
    assert (card.id, card.held_by) == (gift.id, HeldBy.RECIPIENT)
    assert await house.cards.of_holder(holder_token) == card == await house.cards.get(gift.id)
    face = house.cards.reveal(card, Viewer.RECIPIENT)
    async with house.database.connection() as conn:
        hashes = [hash_.digest for hash_ in house.vault.number_hashes(face.number)]
        assert await repository.find(conn, card.partition_id, hashes, []) == [card]


async def test_the_number_that_the_giver_may_have_noted_is_nobodys_after_the_claim(house: House) -> None:
    gift = await a_gift(house)
    noted = house.cards.reveal(gift)
    _, token = await house.cards.hand_over(gift.id)
    card, _ = await house.cards.claim(token)
    assert house.cards.reveal(card, Viewer.RECIPIENT).number != noted.number
    async with house.database.connection() as conn:
        hashes = [hash_.digest for hash_ in house.vault.number_hashes(noted.number)]
        assert await repository.find(conn, card.partition_id, hashes, []) == []


async def test_the_giver_can_neither_reveal_nor_stop_nor_take_back_what_was_claimed(house: House) -> None:
    gift = await a_gift(house)
    _, token = await house.cards.hand_over(gift.id)
    await house.cards.claim(token)
    card = await house.cards.get(gift.id)
    with pytest.raises(CardHandedOver):
        house.cards.reveal(card)
    for attempt in (house.cards.suspend, house.cards.close, house.cards.withdraw, house.cards.hand_over):
        with pytest.raises(CardHandedOver):
            await attempt(card.id)


async def test_of_fifty_parallel_claims_one_gets_the_card(house: House) -> None:
    # Several rounds: in the first one claims trickle in while the pool is still making its connections.
    for _ in range(5):
        gift = await a_gift(house)
        _, token = await house.cards.hand_over(gift.id)
        answers = await asyncio.gather(*[house.cards.claim(token) for _ in range(50)], return_exceptions=True)
        claimed = [answer for answer in answers if isinstance(answer, tuple)]
        refused = [answer for answer in answers if isinstance(answer, ClaimLinkInvalid)]
        assert (len(claimed), len(refused)) == (1, 49)
        card, holder_token = claimed[0]
        assert await house.cards.of_holder(holder_token) == card


async def test_a_link_is_claimed_once(house: House) -> None:
    _, token = await house.cards.hand_over((await a_gift(house)).id)
    await house.cards.claim(token)
    with pytest.raises(ClaimLinkInvalid):
        await house.cards.claim(token)


async def test_a_withdrawn_link_is_worth_nothing_and_another_can_be_made(house: House) -> None:
    gift = await a_gift(house)
    _, first = await house.cards.hand_over(gift.id)
    await house.cards.withdraw(gift.id)
    await house.cards.withdraw(gift.id)
    with pytest.raises(ClaimLinkInvalid):
        await house.cards.claim(first)
    assert house.cards.reveal(await house.cards.get(gift.id))
    _, second = await house.cards.hand_over(gift.id)
    await house.cards.claim(second)


async def test_a_card_has_one_live_link_also_when_asked_for_in_parallel(house: House) -> None:
    for _ in range(5):
        gift = await a_gift(house)
        answers = await asyncio.gather(
            *[house.cards.hand_over(gift.id) for _ in range(10)], return_exceptions=True
        )
        assert sum(isinstance(answer, ClaimLinkExists) for answer in answers) == 9, answers


async def test_a_link_ends_with_its_card_at_the_latest(house: House) -> None:
    gift = await a_gift(house)
    _, token = await house.cards.hand_over(gift.id)
    let_pass(house, timedelta(hours=24))
    with pytest.raises(ClaimLinkInvalid):
        await house.cards.claim(token)
    with pytest.raises(CardNotGiveable):
        await house.cards.hand_over(gift.id)


@pytest.mark.parametrize("what", ["used", "suspended", "closed"])
@pytest.mark.parametrize("when", ["before the link", "before the claim"])
async def test_a_card_that_is_no_longer_good_does_not_change_hands(
    house: House, what: str, when: str
) -> None:
    gift = await a_gift(house, uses=2)
    spoil = {
        "used": lambda: use(house, gift),
        "suspended": lambda: house.cards.suspend(gift.id),
        "closed": lambda: house.cards.close(gift.id),
    }[what]
    if when == "before the link":
        await spoil()
        with pytest.raises(CardNotGiveable):
            await house.cards.hand_over(gift.id)
    else:
        _, token = await house.cards.hand_over(gift.id)
        await spoil()
        with pytest.raises(ClaimLinkInvalid):
            await house.cards.claim(token)
        assert (await house.cards.get(gift.id)).held_by is HeldBy.MEMBER


async def test_spending_and_claiming_at_the_same_time_never_gives_away_a_used_card(house: House) -> None:
    for _ in range(10):
        gift = await a_gift(house)
        _, token = await house.cards.hand_over(gift.id)

        async def spend(card: Card = gift) -> bool:
            async with house.database.transaction() as conn:
                locked = await repository.lock(conn, card.partition_id, [card.number_hash], [])
                if locked:
                    await repository.save_uses(
                        conn, card.partition_id, [CardUse(card.id, 0, 100, 0, card.state)]
                    )
                return bool(locked)

        spent, claimed = await asyncio.gather(spend(), house.cards.claim(token), return_exceptions=True)
        assert spent is True or isinstance(claimed, tuple)
        assert (spent is True) != isinstance(claimed, tuple)


@pytest.mark.parametrize("token", ["ob_claim_made-up", "", "한"], ids=["made_up", "empty", "korean"])
async def test_made_up_tokens_open_nothing(house: House, token: str) -> None:
    with pytest.raises(ClaimLinkInvalid):
        await house.cards.claim(Secret(token))
    with pytest.raises(CardNotFound):
        await house.cards.of_holder(Secret(token))


async def test_p12_nothing_stored_about_the_hand_over_names_the_recipient(house: House) -> None:
    gift = await a_gift(house)
    _, token = await house.cards.hand_over(gift.id)
    _, holder_token = await house.cards.claim(token)
    async with house.database.connection() as conn:
        stored = str(
            await conn.fetch("select c::text, l::text, e::text from cards c, claim_links l, events e")
        )
    for secret in (token, holder_token):
        assert secret.reveal() not in stored
        assert secret.reveal().encode().hex() not in stored
