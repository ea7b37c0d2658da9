"""PR-9 and P12: an issuer is told about its own accounts behind a card, and about nobody else's."""

import asyncio
from datetime import timedelta

import pytest
from tests.factories.merchants import BY_HAND
from tests.factories.points import LOOKUPS_PER_MINUTE, PointsHouse, a_number, points_house
from tests.factories.vault import a_real_number
from tests.factories.wallet import House

from obverse.kit import audit
from obverse.kit.ids import PointsIssuerId, to_text
from obverse.kit.paging import PageRequest
from obverse.kit.secret import Secret
from obverse.points import IssuerState, PointsIssuerNotFound, PointsIssuerSuspended, TooManyLookups

ACTOR = "key_01h455vb4pex5vsknk084sn02q"


@pytest.fixture
def points(house: House) -> PointsHouse:
    return points_house(house)


async def _handles(points: PointsHouse, issuer_id: PointsIssuerId, number: Secret) -> list[str] | None:
    """What the issuer is told; None for a card that nobody has registered."""
    answer = await points.lookups.look_up(issuer_id, number, actor=ACTOR)
    return [found.handle.reveal()[-4:] for found in answer.accounts] if answer.registered else None


async def test_p12_an_issuer_sees_its_own_accounts_only(points: PointsHouse) -> None:
    member, _, card = await points.registered_card()
    number = await points.number_of(card)
    mine, other = await points.issuer(), await points.issuer()
    assert await _handles(points, mine.id, number) == []
    own = [await points.account(member.id, mine, card.id) for _ in range(2)]
    await points.account(member.id, other, card.id)
    # Behind no card, or not proved yet.
    await points.account(member.id, mine)
    await points.links.begin(member.id, mine.id, a_number(), card_id=card.id)

    assert await _handles(points, mine.id, number) == [account.last_four for account in own]
    await points.links.unlink(member.id, own[0].id)
    assert await _handles(points, mine.id, number) == [own[1].last_four]

    async with points.house.database.connection() as conn:
        kept = (await audit.read_page(conn, PageRequest(10), to_text("pis", mine.id))).items
    looked_up = [entry for entry in kept if entry.action == "points_account.looked_up"]
    assert [entry.data["accounts"] for entry in looked_up] == ["1", "2", "0"]
    assert {entry.actor for entry in looked_up} == {ACTOR}
    assert {entry.data["last_four"] for entry in looked_up} == {card.last_four}
    assert all(number.reveal() not in str(entry) for entry in kept)


async def test_pr2_a_card_that_is_not_registered_is_told_apart(points: PointsHouse) -> None:
    member, _, card = await points.registered_card()
    issuer, number = await points.issuer(), await points.number_of(card)
    await points.account(member.id, issuer, card.id)

    assert await _handles(points, issuer.id, a_real_number(987_654)) is None
    await points.house.wallet.suspend(member.id)
    assert await _handles(points, issuer.id, number) == []
    await points.house.wallet.reinstate(member.id)
    await points.house.cards.suspend(card.id)
    assert await _handles(points, issuer.id, number) is None


async def test_an_issuer_asks_so_often_a_minute(points: PointsHouse) -> None:
    _, _, card = await points.registered_card()
    issuer, other, number = await points.issuer(), await points.issuer(), await points.number_of(card)
    clock = points.house.clock
    # So that no minute ends meanwhile.
    clock.move_to(clock.offset + timedelta(seconds=61 - clock.now().second))

    answers = await asyncio.gather(
        *(points.lookups.look_up(issuer.id, number, actor=ACTOR) for _ in range(LOOKUPS_PER_MINUTE + 3)),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers].count(TooManyLookups) == 3
    assert await _handles(points, other.id, number) == []

    clock.move_to(clock.offset + timedelta(minutes=1))
    assert await _handles(points, issuer.id, number) == []


async def test_who_takes_no_part_is_told_nothing(points: PointsHouse) -> None:
    member, _, card = await points.registered_card()
    issuer, number = await points.issuer(), await points.number_of(card)
    await points.issuers.set_state(issuer.id, IssuerState.SUSPENDED, BY_HAND)

    with pytest.raises(PointsIssuerSuspended):
        await _handles(points, issuer.id, number)
    with pytest.raises(PointsIssuerNotFound):
        await _handles(points, PointsIssuerId(member.id), number)
