"""Cards with money on them change hands: PP-3, PP-11, OT-8."""

import asyncio
from collections.abc import Awaitable

import pytest
from tests.factories.plastic import a_plastic_wish
from tests.factories.programmes import a_programme
from tests.factories.stored_value import a_prepaid_card, available
from tests.factories.wallet import House, a_member_with_credit_line

from obverse.cards import (
    Card,
    CardHandedOver,
    CardKind,
    CardNotFound,
    CardNotGiveable,
    CardState,
    ClaimLinkExists,
    ClaimLinkInvalid,
    HeldBy,
    HolderUnknown,
    NewPin,
    Viewer,
    repository,
)
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import CardBatchId, MemberId
from obverse.kit.paging import PageRequest
from obverse.kit.secret import Secret
from obverse.ledger import Ledger
from obverse.wallet import REFUNDABLE_LOTS, CardWish, SourceState
from obverse.wallet import repository as wallet

PIN = NewPin(Secret("4821"), Secret("4821"))


async def owner_of_balance(house: House, card: Card) -> MemberId | None:
    async with house.database.connection() as conn:
        return (await wallet.load_sources(conn, card.funding))[card.funding[0]].member_id


async def a_bought_gift(house: House, **given) -> Card:
    """What somebody without an account has bought for somebody else."""
    given = {"kind": CardKind.GIFT, "state": CardState.INACTIVE} | given
    card, _, _ = await a_prepaid_card(house, **given)
    return card


async def link_of(house: House, card: Card) -> Secret:
    _, token = await house.cards.hand_over(card.id)
    return token


async def test_a_gift_is_good_once_it_is_claimed_with_a_number_and_a_pin_of_its_own(house: House) -> None:
    gift = await a_bought_gift(house)
    old = house.cards.reveal(gift, Viewer.RECIPIENT).number
    claimed, holder_token = await house.cards.claim(await link_of(house, gift), pin=PIN)
    assert holder_token is not None
    assert await house.cards.of_holder(holder_token) == claimed
    assert (claimed.state, claimed.held_by, claimed.member_id) == (CardState.ACTIVE, HeldBy.RECIPIENT, None)
    new = house.cards.reveal(claimed, Viewer.RECIPIENT).number
    assert new != old
    assert claimed.pin_hash == house.vault.pin_hash(new, PIN.pin)
    assert await available(house, claimed) == 50_000


async def test_a_members_card_given_away_is_out_of_their_sight_and_not_refundable(house: House) -> None:
    giver, _ = await a_member_with_credit_line(house)
    written = {"name": "From Min-ji", "tell_of_use": True, "metadata": {"giver": "Min-ji"}}
    card, _, _ = await a_prepaid_card(house, member=giver, pin="4821", **written)
    claimed, _ = await house.cards.claim(await link_of(house, card))
    assert (claimed.member_id, claimed.pin_hash) == (None, None)
    assert (claimed.name, claimed.tell_of_use, claimed.metadata) == ("", False, {})
    assert await house.cards.get(card.id) == claimed
    assert (await house.cards.list(giver.id, PageRequest())).items == []
    assert await owner_of_balance(house, claimed) is None
    left = [lot for lot in await house.stand_ins.balance(claimed) if lot.available_minor]
    assert [lot.available_minor for lot in left] == [50_000]
    assert not REFUNDABLE_LOTS.intersection(lot.lot.kind for lot in left)
    assert await Ledger(house.database).check() == []


async def test_a_member_who_claims_has_the_card_among_their_own(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    claimed, token = await house.cards.claim(
        await link_of(house, await a_bought_gift(house)), member_id=member.id
    )
    assert token is None
    assert (claimed.member_id, claimed.held_by, claimed.is_held) == (member.id, HeldBy.MEMBER, False)
    assert await owner_of_balance(house, claimed) == member.id
    assert (await house.cards.list(member.id, PageRequest())).items == [claimed]
    assert house.cards.reveal(claimed)


async def test_of_twenty_who_claim_at_once_one_has_the_card_and_all_of_its_money(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    for _ in range(3):
        gift = await a_bought_gift(house)
        token = await link_of(house, gift)
        answers = await asyncio.gather(
            *(house.cards.claim(token, member_id=member.id if at % 2 else None) for at in range(20)),
            return_exceptions=True,
        )
        won = [answer for answer in answers if isinstance(answer, tuple)]
        lost = [answer for answer in answers if isinstance(answer, ClaimLinkInvalid)]
        assert (len(won), len(lost)) == (1, 19)
        assert await owner_of_balance(house, gift) == won[0][0].member_id
        assert await available(house, gift) == 50_000


async def test_a_claimed_card_is_neither_given_nor_taken_back_by_who_gave_it(house: House) -> None:
    gift = await a_bought_gift(house)
    token = await link_of(house, gift)
    await house.cards.claim(token)
    for attempt in (house.cards.hand_over, house.cards.withdraw):
        with pytest.raises(CardHandedOver):
            await attempt(gift.id)
    with pytest.raises(ClaimLinkInvalid):
        await house.cards.claim(token)


async def test_ot13_a_balance_follows_the_standing_of_whoever_has_it(house: House) -> None:
    giver, _ = await a_member_with_credit_line(house)
    card, _, _ = await a_prepaid_card(house, member=giver)
    token = await link_of(house, card)
    await house.wallet.suspend(giver.id)
    claimed, holder_token = await house.cards.claim(token)
    async with house.database.connection() as conn:
        (balance,) = (await wallet.load_sources(conn, claimed.funding)).values()
    assert balance.state is SourceState.ACTIVE

    assert holder_token is not None
    await house.cards.adopt(holder_token, giver.id)
    async with house.database.connection() as conn:
        (balance,) = (await wallet.load_sources(conn, claimed.funding)).values()
    assert balance.state is SourceState.SUSPENDED


async def test_a_giver_who_waits_for_the_card_while_a_member_claims_it_has_lost_it(house: House) -> None:
    giver, _ = await a_member_with_credit_line(house)
    taker, _ = await a_member_with_credit_line(house)
    card, _, _ = await a_prepaid_card(house, member=giver)
    await house.cards.claim(await link_of(house, card), member_id=taker.id)
    attempts: list[Awaitable[object]] = [
        house.cards.hand_over(card.id, owner=giver.id),
        house.cards.withdraw(card.id, owner=giver.id),
        house.cards.close(card.id, owner=giver.id),
        house.cards.change(card.id, name="Mine", owner=giver.id),
        house.pins.set(card.id, PIN, signed_in_at=house.clock.now(), owner=giver.id),
    ]
    for attempt in attempts:
        with pytest.raises(CardNotFound):
            await attempt


async def test_a_weak_pin_leaves_the_link_as_it_was(house: House) -> None:
    gift = await a_bought_gift(house)
    token = await link_of(house, gift)
    with pytest.raises(InvalidRequest):
        await house.cards.claim(token, pin=NewPin(Secret("1111"), Secret("1111")))
    with pytest.raises(InvalidRequest):
        await house.cards.claim(token, pin=NewPin(PIN.pin, PIN.again, "4821"))
    claimed, _ = await house.cards.claim(token)
    assert claimed.pin_hash is None


@pytest.mark.parametrize("why", ["programme", "spent", "unsold", "suspended", "closed", "in_the_making"])
async def test_what_is_not_as_good_as_cash_is_not_given(house: House, why: str) -> None:
    member, _ = await a_member_with_credit_line(house)
    programme = await a_programme(house, giftable=why != "programme")
    changes = {}
    if why == "unsold":
        changes = {"state": CardState.INACTIVE, "batch_id": CardBatchId(house.new_id())}
    if why in ("suspended", "closed"):
        changes = {"state": CardState(why)}
    card, _, _ = await a_prepaid_card(house, member=member, programme=programme, **changes)
    if why == "spent":
        async with house.database.transaction() as conn:
            await conn.execute("update cards set spent_minor = 1")
    if why == "in_the_making":
        await house.fulfilments.ask(card.id, a_plastic_wish())
    with pytest.raises(CardNotGiveable):
        await house.cards.hand_over(card.id)


async def test_many_are_given_in_one_commit_with_links_that_live_as_long_as_wanted(house: House) -> None:
    gifts = [await a_bought_gift(house) for _ in range(3)]
    async with house.database.transaction() as conn:
        locked = [await house.cards.lock(conn, gift.id) for gift in gifts]
        links = await house.cards.hand_over_in(
            conn, locked, lifetime=gifts[0].expires_at - gifts[0].created_at
        )
    assert [link.card_id for link, _ in links] == [gift.id for gift in gifts]
    assert all(link.expires_at <= gifts[0].expires_at for link, _ in links)
    with pytest.raises(ClaimLinkExists):
        await house.cards.hand_over(gifts[1].id)
    async with house.database.transaction() as conn:
        await house.cards.withdraw_in(conn, [await house.cards.lock(conn, gift.id) for gift in gifts[:2]])
    for _, token in links[:2]:
        with pytest.raises(ClaimLinkInvalid):
            await house.cards.claim(token)
    assert (await house.cards.claim(links[2][1]))[0].id == gifts[2].id


async def test_pp11_a_holder_who_becomes_a_member_keeps_card_number_and_pin(house: House) -> None:
    gift, token = await house.cards.claim(await link_of(house, await a_bought_gift(house)), pin=PIN)
    assert token is not None
    member, _ = await a_member_with_credit_line(house)
    kept = await house.cards.adopt(token, member.id)
    assert (kept.member_id, kept.held_by, kept.is_held) == (member.id, HeldBy.MEMBER, False)
    assert (kept.number_hash, kept.pin_hash) == (gift.number_hash, gift.pin_hash)
    assert await owner_of_balance(house, kept) == member.id
    for attempt in (house.cards.adopt(token, member.id), house.cards.adopt(Secret("ob_holder_x"), member.id)):
        with pytest.raises(HolderUnknown):
            await attempt


async def test_of_two_members_who_adopt_at_once_one_does(house: House) -> None:
    members = [(await a_member_with_credit_line(house))[0] for _ in range(2)]
    gift, token = await house.cards.claim(await link_of(house, await a_bought_gift(house)))
    assert token is not None
    answers = await asyncio.gather(
        *(house.cards.adopt(token, member.id) for member in members), return_exceptions=True
    )
    (kept,) = [answer for answer in answers if isinstance(answer, Card)]
    assert await owner_of_balance(house, gift) == kept.member_id


async def test_a_one_time_number_is_nobodys_to_adopt(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    card = (await house.wallet.issue_card(member.id, CardWish())).card
    _, token = await house.cards.hand_over(card.id)
    with pytest.raises(InvalidRequest):
        await house.cards.claim(token, pin=PIN)
    claimed, holder_token = await house.cards.claim(token, member_id=member.id)
    assert holder_token is not None
    assert claimed.held_by is HeldBy.RECIPIENT
    with pytest.raises(HolderUnknown):
        await house.cards.adopt(holder_token, member.id)


async def test_a_buyer_who_keeps_a_card_holds_it_by_a_token(house: House) -> None:
    card = await a_bought_gift(house, kind=CardKind.PREPAID)
    async with house.database.transaction() as conn:
        locked = await house.pins.set_first(conn, await house.cards.lock(conn, card.id), PIN)
        held, token = await house.cards.hold(conn, locked)
    assert await house.cards.of_holder(token) == held
    assert (held.state, held.is_held) == (CardState.ACTIVE, True)
    with pytest.raises(CardHandedOver):
        await house.cards.hand_over(card.id)
    async with house.database.connection() as conn:
        assert await repository.links_of_cards(conn, [card.id]) == []
