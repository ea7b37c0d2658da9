"""The order in which sources pay behind a card, and what is left of it when the card changes hands."""

from dataclasses import dataclass

import pytest
from tests.factories.cards import a_one_time_card
from tests.factories.programmes import a_programme
from tests.factories.registered_cards import points_of
from tests.factories.stored_value import a_prepaid_card, available
from tests.factories.wallet import House, a_member_with_credit_line, card_details

from obverse.cards import Card, CardHandedOver, CardIsClosed, CardNotFound, Viewer
from obverse.kit.ids import MemberId, SourceId
from obverse.wallet import CardWish, Source, SourceNotFound, repository


@dataclass
class Wallet:
    """A member with a prepaid card, points, a linked card and credit."""

    house: House
    member_id: MemberId
    card: Card
    points: Source
    linked: Source
    line: Source

    @property
    def own(self) -> SourceId:
        assert self.card.own_source is not None
        return self.card.own_source

    @property
    def every(self) -> list[SourceId]:
        return [self.points.id, self.own, self.linked.id, self.line.id]

    async def set_order(self, *wanted: SourceId, card: Card | None = None) -> Card:
        return await self.house.card_funding.set_order((card or self.card).id, self.member_id, wanted)

    async def owners(self) -> list[MemberId | None]:
        async with self.house.database.connection() as conn:
            sources = await repository.load_sources(conn, self.every)
        return [sources[id_].member_id for id_ in self.every]


@pytest.fixture
async def wallet(house: House) -> Wallet:
    member, line = await a_member_with_credit_line(house)
    programme = await a_programme(house, giftable=True)
    card, _, _ = await a_prepaid_card(house, member=member, programme=programme)
    linked = await house.wallet.link_card(member.id, card_details())
    return Wallet(house, member.id, card, await points_of(house, member), linked, line)


async def test_a_member_puts_any_mix_behind_a_prepaid_card_and_takes_it_away_again(wallet: Wallet) -> None:
    ordered = await wallet.set_order(*wallet.every)
    assert ordered.funding == tuple(wallet.every)
    assert await wallet.house.cards.get(wallet.card.id) == ordered
    assert await wallet.set_order(*wallet.every) == ordered
    assert [lot.lot.source_id for lot in await wallet.house.stand_ins.balance(ordered)] == [wallet.own]
    assert await wallet.set_order(wallet.own) == wallet.card
    async with wallet.house.database.connection() as conn:
        told = await conn.fetchval("select count(*) from events where type = 'card.funding_changed'")
    assert told == 2, "the same order again is no news"


async def test_p12_only_its_members_own_sources_pay_behind_a_card(wallet: Wallet) -> None:
    stranger, strangers_line = await a_member_with_credit_line(wallet.house)
    for foreign in (strangers_line.id, SourceId(wallet.house.new_id())):
        with pytest.raises(SourceNotFound):
            await wallet.set_order(wallet.own, foreign)
    with pytest.raises(CardNotFound):
        await wallet.house.card_funding.set_order(wallet.card.id, stranger.id, [strangers_line.id])
    await wallet.house.cards.close(wallet.card.id)
    with pytest.raises(CardIsClosed):
        await wallet.set_order(*wallet.every)


@pytest.mark.parametrize("to_member", [True, False], ids=["a member", "nobody we know"])
async def test_points_and_linked_cards_stay_with_their_owner_when_the_card_is_given_away(
    wallet: Wallet, to_member: bool
) -> None:
    house, giver = wallet.house, wallet.member_id
    await wallet.set_order(*wallet.every)
    _, token = await house.cards.hand_over(wallet.card.id, owner=giver)
    taker = (await a_member_with_credit_line(house))[0].id if to_member else None

    claimed, holder_token = await house.cards.claim(token, member_id=taker)

    assert claimed.funding == (wallet.own,)
    assert await house.cards.get(wallet.card.id) == claimed
    assert await wallet.owners() == [giver, taker, giver, giver]
    assert await available(house, claimed) == 50_000
    if holder_token is not None:
        adopter, _ = await a_member_with_credit_line(house)
        adopted = await house.cards.adopt(holder_token, adopter.id)
        assert (adopted.funding, await wallet.owners()) == ((wallet.own,), [giver, adopter.id, giver, giver])
    with pytest.raises(CardNotFound):
        await wallet.set_order(*wallet.every)


async def test_ot8_a_one_time_number_is_paid_by_its_giver_whoever_has_it(wallet: Wallet) -> None:
    house = wallet.house
    card, _ = await a_one_time_card(house, wallet.member_id, funding=(wallet.points.id, wallet.linked.id))
    assert card.funding == (wallet.points.id, wallet.linked.id)
    _, token = await house.cards.hand_over(card.id)
    changed = await wallet.set_order(wallet.points.id, wallet.line.id, card=card)
    claimed, _ = await house.cards.claim(token)
    assert claimed.funding == changed.funding == (wallet.points.id, wallet.line.id)
    with pytest.raises(CardHandedOver):
        await wallet.set_order(wallet.points.id, card=card)
    assert house.cards.reveal(claimed, Viewer.RECIPIENT)


async def test_points_of_issuers_pay_behind_new_cards_only_where_they_are_named(wallet: Wallet) -> None:
    issued = await wallet.house.wallet.issue_card(wallet.member_id, CardWish())
    assert issued.card.funding == (wallet.line.id, wallet.linked.id)
