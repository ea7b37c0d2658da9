"""Recovering an ID or a password: WA-2."""

import asyncio
from datetime import timedelta

import pytest
from tests.factories.members import ANSWER, PASSWORD, QUESTION, letters_in
from tests.factories.wallet import House, a_wallet_member
from tests.integration.members.test_second_factor import with_codes

from obverse.kit.errors import ObverseError
from obverse.kit.ids import to_text
from obverse.kit.paging import PageRequest
from obverse.kit.secret import Secret
from obverse.members import WrongCredentials
from obverse.members.errors import RecoveryInvalid, SecondFactorRequired, TooManyAttempts, WrongAnswer
from obverse.members.rules import RECOVERIES, RECOVERY_LIFETIME, SESSION_LIFETIME

MAIL = Secret("gildong@mail.example")
NEW = Secret("a new password")


async def tokens(house: House, mail: Secret, origin: str = "192.0.2.1") -> list[Secret]:
    """The tokens that asking for this address sends, to whom it may concern."""
    async with house.database.connection() as conn:
        before = len(await letters_in(conn, house.vault))
    await house.members.recovery.request(mail, origin)
    await house.members.recovery.write_letters()
    async with house.database.connection() as conn:
        letters = (await letters_in(conn, house.vault))[before:]
    return [Secret(letter.data["link"].partition("#")[2]) for letter in letters]


async def redeemed(house: House, token: Secret, answer: Secret = ANSWER, otp: Secret | None = None) -> str:
    try:
        _, profile = await house.members.recovery.redeem(token, answer, otp, NEW, "192.0.2.1")
    except ObverseError as refused:
        return type(refused).__name__
    return profile.chosen_id


async def test_wa2_the_answer_gives_back_the_id_and_a_new_password_and_ends_every_session(
    house: House,
) -> None:
    member = await a_wallet_member(house, chosen_id="hong12345", mail=MAIL)
    _, session = await house.members.sign_in("hong12345", PASSWORD)
    (token,) = await tokens(house, Secret("GilDong@Mail.Example"))

    asked = await house.members.recovery.open(token)
    assert (asked.question, asked.second_factor) == (QUESTION, False)
    assert await redeemed(house, token, Secret(" the RED baron")) == "hong12345"

    assert await house.members.session(session) is None
    with pytest.raises(WrongCredentials):
        await house.members.sign_in("hong12345", PASSWORD)
    await house.members.sign_in("hong12345", NEW)
    history = await house.members.sessions.history(member.id, PageRequest())
    assert [(each.method.value, each.outcome.value) for each in history.items][-2:] == [
        ("recovery", "ok"),
        ("password", "ok"),
    ]
    async with house.database.connection() as conn:
        assert (await letters_in(conn, house.vault))[-1].template == "password_changed"


async def test_wa2_a_forgotten_id_is_told_and_the_password_left_as_it_is(house: House) -> None:
    await a_wallet_member(house, chosen_id="hong12345", mail=MAIL)
    (token,) = await tokens(house, MAIL)
    _, profile = await house.members.recovery.redeem(token, ANSWER, None, None, "")
    assert profile.chosen_id == "hong12345"
    await house.members.sign_in("hong12345", PASSWORD)
    with pytest.raises(RecoveryInvalid):
        await house.members.recovery.open(token)


async def test_wa2_whoever_asks_causes_the_same_work_and_only_members_with_a_question_get_a_letter(
    house: House,
) -> None:
    await a_wallet_member(house, mail=MAIL)
    await a_wallet_member(house, mail=MAIL)
    await a_wallet_member(house, mail=Secret("no.question@mail.example"), question=None)
    async with house.database.connection() as conn:

        async def written() -> list[int]:
            tables = ("recovery_requests", "member_recoveries", "letters", "events")
            return [await conn.fetchval(f"select count(*) from {table}") for table in tables]

        start = await written()
        for mail in (MAIL, Secret("nobody@mail.example"), Secret("no.question@mail.example")):
            await house.members.recovery.request(mail, "192.0.2.1")
        assert await written() == [start[0] + 3, *start[1:]]
        assert await house.members.recovery.write_letters() == 2
        assert await house.members.recovery.write_letters() == 0
        letters = await letters_in(conn, house.vault)
    assert {letter.to for letter in letters} == {MAIL.reveal()}


async def test_wa2_a_token_works_once_also_of_many_at_once(house: House) -> None:
    await a_wallet_member(house, chosen_id="hong12345", mail=MAIL)
    (token,) = await tokens(house, MAIL)
    answers = await asyncio.gather(*(redeemed(house, token) for _ in range(4)))
    assert sorted(answers) == ["RecoveryInvalid"] * 3 + ["hong12345"]


async def test_wa2_a_token_ends_and_one_that_is_redeemed_ends_the_others(house: House) -> None:
    await a_wallet_member(house, chosen_id="hong12345", mail=MAIL)
    (old,) = await tokens(house, MAIL)
    house.clock.move_to(RECOVERY_LIFETIME)
    assert await redeemed(house, old) == "RecoveryInvalid"
    (first,), (second,) = await tokens(house, MAIL), await tokens(house, MAIL)
    assert await redeemed(house, first) == "hong12345"
    assert await redeemed(house, second) == "RecoveryInvalid"
    assert await redeemed(house, Secret("ob_rec_" + "a" * 32)) == "RecoveryInvalid"


async def test_wa2_guesses_at_the_answer_are_limited_whatever_token_they_come_with(house: House) -> None:
    await a_wallet_member(house, mail=MAIL)
    (first,), (second,) = await tokens(house, MAIL), await tokens(house, MAIL)
    guesses = [redeemed(house, (first, second)[n % 2], Secret(f"guess {n}")) for n in range(12)]
    answers = await asyncio.gather(*guesses)
    assert sorted(answers) == ["TooManyAttempts"] * 7 + ["WrongAnswer"] * 5
    assert await redeemed(house, second) == "TooManyAttempts"


async def test_wa2_recovery_never_bypasses_the_second_factor(house: House) -> None:
    member_id, _, codes = await with_codes(house)
    profile = await house.members.profiles.get(member_id)
    (token,) = await tokens(house, profile.person.mail)
    assert (await house.members.recovery.open(token)).second_factor
    assert await redeemed(house, token) == "SecondFactorRequired"
    assert await redeemed(house, token, otp=Secret("000000")) == "WrongCode"
    with pytest.raises(WrongCredentials):
        await house.members.sign_in(to_text("mem", member_id), NEW)
    assert await redeemed(house, token, otp=codes[0]) == profile.chosen_id
    with pytest.raises(SecondFactorRequired):
        await house.members.sign_in(to_text("mem", member_id), NEW)


async def test_wa2_asking_is_limited_by_address_and_letters_by_mailbox(house: House) -> None:
    await a_wallet_member(house, mail=MAIL)
    sent = [len(await tokens(house, MAIL, f"192.0.2.{n}")) for n in range(5)]
    assert sent == [1, 1, 1, 0, 0]
    for _ in range(RECOVERIES.most):
        await house.members.recovery.request(MAIL, "198.51.100.1")
    with pytest.raises(TooManyAttempts):
        await house.members.recovery.request(MAIL, "198.51.100.1")


async def test_a_wrong_answer_leaves_everything_as_it_is(house: House) -> None:
    await a_wallet_member(house, chosen_id="hong12345", mail=MAIL)
    (token,) = await tokens(house, MAIL)
    with pytest.raises(WrongAnswer):
        await house.members.recovery.redeem(token, Secret("the blue baron"), None, NEW, "")
    await house.members.sign_in("hong12345", PASSWORD)
    assert await redeemed(house, token) == "hong12345"
    assert timedelta(minutes=5) < RECOVERY_LIFETIME < SESSION_LIFETIME
