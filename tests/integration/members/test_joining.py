"""Joining the wallet: WA-1."""

import asyncio

import pytest
from tests.factories.members import ANSWER, PASSWORD, a_profile, an_application, letters_in
from tests.factories.wallet import House, a_member_with_credit_line, a_wallet_member, card_details

from obverse.kit.ids import to_text
from obverse.kit.secret import Secret
from obverse.members import ContactKind, HolderForm, ProfileChange, Statements, WrongCredentials
from obverse.members.errors import (
    MemberIdTaken,
    NicknameTaken,
    ProfileExists,
    ProfileNotFound,
    TooManyAttempts,
    WrongCode,
)
from obverse.members.rules import LOCK_OUT, LONGEST, LOOK_UPS


async def names_of(answers: list[object]) -> list[str]:
    return sorted(type(answer).__name__ for answer in answers)


async def test_wa1_who_joins_for_the_wallet_needs_no_bureau_and_signs_in_with_the_id_they_chose(
    house: House,
) -> None:
    member = await a_wallet_member(house, chosen_id="Hong12345")

    by_choice, _ = await house.members.sign_in("HONG12345", PASSWORD)
    by_id, _ = await house.members.sign_in(to_text("mem", member.id), PASSWORD)

    assert house.bureau.asked == []
    assert await house.wallet.list(member.id) == []
    assert by_choice.member_id == by_id.member_id == member.id
    with pytest.raises(WrongCredentials):
        await house.members.sign_in("hong12346", PASSWORD)


async def test_wa1_a_profile_goes_with_a_linked_card_too_and_then_the_bureau_is_asked(house: House) -> None:
    application = an_application(profile=a_profile(), answer=ANSWER)
    member, sources = await house.wallet.register(application, card_details(), credit=False)

    assert (len(sources), len(house.bureau.asked)) == (1, 1)
    assert (await house.members.profiles.get(member.id)).chosen_id == application.profile.chosen_id


@pytest.mark.parametrize(
    ("same", "refusal"),
    [({"chosen_id": "Hong12345"}, "MemberIdTaken"), ({"nickname": "GilDong"}, "NicknameTaken")],
    ids=["member ID", "nickname"],
)
async def test_wa1_of_many_at_once_one_gets_the_id_or_nickname_that_all_want(
    house: House, same: dict[str, str], refusal: str
) -> None:
    (field, wanted), *_ = same.items()
    joins = [a_wallet_member(house, **{field: wanted.swapcase() if n % 2 else wanted}) for n in range(8)]
    answers = await asyncio.gather(*joins, return_exceptions=True)

    assert await names_of(answers) == sorted(["Member"] + [refusal] * 7)
    async with house.database.connection() as conn:
        assert await conn.fetchval("select count(*) from members") == 1


async def test_wa1_availability_is_told_and_asking_is_limited_by_address(house: House) -> None:
    await a_wallet_member(house, chosen_id="Hong12345", nickname="길동이네")
    ask = house.members.profiles.availability

    assert await ask("hong12345", "길동이네", "192.0.2.1") == (False, False)
    assert await ask("hong12346", None, "192.0.2.1") == (True, None)
    for n in range(LOOK_UPS.most - 2):
        await ask(None, f"nick{n}", "192.0.2.1")
    with pytest.raises(TooManyAttempts):
        await ask("hong12347", None, "192.0.2.1")
    assert await ask("hong12347", None, "192.0.2.2") == (True, None)
    house.clock.move_to(house.clock.offset + LONGEST)
    assert await ask("hong12347", None, "192.0.2.1") == (True, None)


async def test_an_address_of_a_whole_network_does_not_get_more_look_ups(house: House) -> None:
    ask = house.members.profiles.availability
    asked = [ask(None, "nick1", f"2001:db8::{n:x}") for n in range(LOOK_UPS.most + 5)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(answer, TooManyAttempts) for answer in answers) == 5


async def test_who_joined_without_a_profile_adds_one_once(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    with pytest.raises(ProfileNotFound):
        await house.members.profiles.get(member.id)
    added = await house.members.profiles.add(member.id, a_profile(), ANSWER)
    assert await house.members.profiles.get(member.id) == added
    with pytest.raises(ProfileExists):
        await house.members.profiles.add(member.id, a_profile(), ANSWER)


async def test_a_nickname_that_is_taken_cannot_be_changed_to(house: House) -> None:
    await a_wallet_member(house, nickname="GilDong")
    other = await a_wallet_member(house, chosen_id="other1234")
    with pytest.raises(NicknameTaken):
        await house.members.profiles.change(other.id, ProfileChange(nickname="gildong"))
    changed = await house.members.profiles.change(
        other.id, ProfileChange(nickname="gildong2", statements=Statements.SMS)
    )
    assert await house.members.profiles.get(other.id) == changed
    with pytest.raises(MemberIdTaken):
        await a_wallet_member(house, chosen_id="OTHER1234")


async def test_the_directory_of_nicknames_is_not_walked_by_changing_ones_own(house: House) -> None:
    member = await a_wallet_member(house)
    changes = [ProfileChange(nickname=f"nick{n}") for n in range(LOOK_UPS.most + 5)]
    tries = [house.members.profiles.change(member.id, change) for change in changes]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert await names_of(answers) == ["Profile"] * LOOK_UPS.most + ["TooManyAttempts"] * 5


@pytest.mark.parametrize(
    ("kind", "value"), [("mail", "new@mail.example"), ("mobile", "+821099998888")], ids=["mail", "mobile"]
)
async def test_a_new_address_counts_once_its_code_has_come_back(house: House, kind: str, value: str) -> None:
    member = await a_wallet_member(house)
    profiles, kind = house.members.profiles, ContactKind(kind)
    before = (await profiles.get(member.id)).person
    await profiles.propose(member.id, kind, Secret(value))
    async with house.database.connection() as conn:
        sent = (await letters_in(conn, house.vault))[-1]
    assert (sent.to, sent.template) == (value, f"confirm_{kind}")
    assert (await profiles.get(member.id)).person == before

    tries = [profiles.confirm(member.id, kind, Secret(sent.data["code"])) for _ in range(3)]
    answers = await asyncio.gather(*tries, return_exceptions=True)

    assert await names_of(answers) == ["Profile", "WrongCode", "WrongCode"]
    assert getattr((await profiles.get(member.id)).person, kind) == Secret(value)
    async with house.database.connection() as conn:
        told = (await letters_in(conn, house.vault))[-1]
    assert (told.to, told.template) == (before.mail.reveal(), "contact_changed")


async def test_a_code_is_not_found_by_guessing_and_ends(house: House) -> None:
    member = await a_wallet_member(house)
    profiles = house.members.profiles
    await profiles.propose(member.id, ContactKind.MAIL, Secret("new@mail.example"))
    async with house.database.connection() as conn:
        code = Secret((await letters_in(conn, house.vault))[-1].data["code"])
    guesses = [profiles.confirm(member.id, ContactKind.MAIL, Secret(f"{n:07d}")) for n in range(20)]
    answers = await asyncio.gather(*guesses, return_exceptions=True)
    assert await names_of(answers) == ["TooManyAttempts"] * 15 + ["WrongCode"] * 5
    with pytest.raises(TooManyAttempts):
        await profiles.confirm(member.id, ContactKind.MAIL, code)
    house.clock.move_to(house.clock.offset + LOCK_OUT)
    with pytest.raises(WrongCode):
        await profiles.confirm(member.id, ContactKind.MAIL, code)


async def test_codes_are_not_sent_to_one_address_after_the_other(house: House) -> None:
    member = await a_wallet_member(house)
    sent = [
        house.members.profiles.propose(member.id, ContactKind.MOBILE, Secret(f"+8210000000{n:02d}"))
        for n in range(8)
    ]
    answers = await asyncio.gather(*sent, return_exceptions=True)
    assert await names_of(answers) == ["ContactChange"] * 5 + ["TooManyAttempts"] * 3


async def test_contacts_are_told_of_those_who_have_them_and_forms_are_compared(house: House) -> None:
    silent, _ = await a_member_with_credit_line(house)
    members = [await a_wallet_member(house, statements=Statements.SMS) for _ in range(3)]
    async with house.database.connection() as conn:
        found = await house.members.profiles.contacts(conn, [silent.id, *(each.id for each in members)])
        own = (await house.members.profiles.get(members[0].id)).person
        form = HolderForm(Secret("hong gildong"), own.mobile, own.mail)
        matches = [
            await house.members.profiles.matches_holder(conn, each, form)
            for each in (members[0].id, members[1].id, silent.id)
        ]
    assert set(found) == {each.id for each in members}
    assert found[members[0].id].mail == own.mail
    assert {contact.statements for contact in found.values()} == {Statements.SMS}
    assert matches == [True, False, False]
