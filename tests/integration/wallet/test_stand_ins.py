"""Prepaid cards that members apply for: WA-3."""

import asyncio
import re
from uuid import UUID

import pytest
from msgspec.structs import replace
from tests.factories.members import a_profile, letters_in
from tests.factories.programmes import a_programme
from tests.factories.stored_value import available, fund
from tests.factories.wallet import House, a_member_with_credit_line

from obverse.cards import CardKind, CardState, HeldBy, NewPin, SpentOn
from obverse.kit.errors import InvalidRequest, KeyReused, ObverseError
from obverse.kit.ids import ProgrammeId
from obverse.kit.secret import Secret
from obverse.programmes import Programme, ProgrammeClosed, ProgrammeNotFound, ProgrammeState
from obverse.wallet import LotKind, StandInWish, repository

PIN = NewPin(Secret("4821"), Secret("4821"), "our first flat")


def a_wish(programme: Programme, **changes) -> StandInWish:
    return StandInWish(**{"programme_id": programme.id, "pin": PIN, "name": "Lunch money"} | changes)


async def test_a_member_gets_a_number_at_once_and_an_empty_balance_of_its_own(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    programme = await a_programme(house, services=("goods",), categories=("5732",))
    card = (await house.stand_ins.apply(member.id, a_wish(programme, tell_of_use=True))).card
    assert await house.cards.get(card.id) == card
    assert (card.kind, card.state, card.held_by) == (CardKind.PREPAID, CardState.ACTIVE, HeldBy.MEMBER)
    assert (card.member_id, card.programme_id) == (member.id, programme.id)
    assert (card.name, card.tell_of_use) == ("Lunch money", True)
    assert (card.controls.spent_on, card.controls.categories) == (SpentOn.NEVER, ("5732",))
    assert list(await house.stand_ins.balance(card)) == []
    async with house.database.connection() as conn:
        source = (await repository.load_sources(conn, card.funding))[card.funding[0]]
        assert await letters_in(conn, house.vault) == []
    assert source.member_id == member.id
    assert card.pin_hash == house.vault.pin_hash(house.cards.reveal(card).number, PIN.pin)
    assert (await house.pins.status(card)).hint == "our first flat"


async def test_the_card_is_announced_by_mail_and_its_number_masked(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    profile = a_profile()
    await house.members.profiles.add(member.id, profile, None)
    card = (await house.stand_ins.apply(member.id, a_wish(await a_programme(house)))).card
    async with house.database.connection() as conn:
        (letter,) = [
            found for found in await letters_in(conn, house.vault) if found.template == "card_issued"
        ]
    assert letter.to == profile.person.mail.reveal()
    assert letter.data["card"] == f"941012******{card.last_four}"
    said = str(letter.data)
    assert house.cards.reveal(card).number.reveal() not in said
    assert "4821" not in re.split(r"\D+", said.replace(card.last_four, ""))


async def test_p06_of_sixteen_applications_with_one_key_one_makes_a_card(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    wish = a_wish(await a_programme(house))
    answers = await asyncio.gather(
        *(house.stand_ins.apply(member.id, wish, request_key="rest:m:1") for _ in range(16))
    )
    assert len({answer.card.id for answer in answers}) == 1
    assert sum(not answer.repeated for answer in answers) == 1
    for other in (replace(wish, name="Dinner"), replace(wish, pin=NewPin(Secret("9053"), Secret("9053")))):
        with pytest.raises(KeyReused):
            await house.stand_ins.apply(member.id, other, request_key="rest:m:1")
    async with house.database.connection() as conn:
        kinds = [source.kind for source in await repository.sources_of_member(conn, member.id)]
    assert kinds == ["credit_line", "stored_balance"]


@pytest.mark.parametrize(
    ("changes", "refusal", "param"),
    [
        ({"name": "x" * 16}, InvalidRequest, "name"),
        ({"name": "🍕"}, InvalidRequest, "name"),
        ({"pin": NewPin(Secret("1234"), Secret("1234"))}, InvalidRequest, "pin"),
        ({"pin": NewPin(Secret("4821"), Secret("4812"))}, InvalidRequest, "pin_again"),
        ({"pin": NewPin(Secret("4821"), Secret("4821"), "4821!")}, InvalidRequest, "pin_hint"),
        ({"metadata": {"a\x00": ""}}, InvalidRequest, "metadata"),
        ({"programme_id": ProgrammeId(UUID(int=9))}, ProgrammeNotFound, "programme"),
    ],
    ids=["name", "emoji", "weak_pin", "mistyped_pin", "hint", "metadata", "programme"],
)
async def test_what_cannot_be_issued_is_refused_and_leaves_nothing(
    house: House, changes: dict[str, object], refusal: type[ObverseError], param: str
) -> None:
    member, _ = await a_member_with_credit_line(house)
    programme = await a_programme(house)
    with pytest.raises(refusal) as refused:
        await house.stand_ins.apply(member.id, a_wish(programme, **changes), request_key="k")
    assert refused.value.param == param
    async with house.database.connection() as conn:
        assert len(await repository.sources_of_member(conn, member.id)) == 1
        assert await conn.fetchval("select count(*) from cards") == 0


async def test_a_closed_programme_issues_nothing(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    programme = await a_programme(house, state=ProgrammeState.CLOSED)
    with pytest.raises(ProgrammeClosed):
        await house.stand_ins.apply(member.id, a_wish(programme))


async def test_a_balance_is_told_lot_by_lot_in_the_order_it_is_spent(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    card = (await house.stand_ins.apply(member.id, a_wish(await a_programme(house)))).card
    later = card.expires_at
    sooner = later.replace(year=later.year - 1)
    await fund(house, card, 30_000, kind=LotKind.CHARGED, expires_at=later)
    await fund(house, card, 20_000, kind=LotKind.GIVEN, expires_at=sooner)
    lots = await house.stand_ins.balance(card)
    assert [(lot.lot.kind, lot.available_minor, lot.lot.expires_at) for lot in lots] == [
        (LotKind.GIVEN, 20_000, sooner),
        (LotKind.CHARGED, 30_000, later),
    ]
    house.clock.move_to(house.clock.offset + (sooner - house.clock.now()))
    assert [lot.available_minor for lot in await house.stand_ins.balance(card)] == [30_000]
    assert await available(house, card) == 50_000
