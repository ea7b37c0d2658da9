"""Signing in: OT-5."""

import asyncio
from datetime import timedelta

import pytest
from tests.factories.members import PASSWORD
from tests.factories.wallet import House, a_member_with_credit_line

from obverse.kit.ids import to_text
from obverse.kit.secret import Secret
from obverse.members import SignInLocked, WrongCredentials, sweep
from obverse.members.rules import FAILURES_MAX, LOCK_OUT, LONGEST, SESSION_LIFETIME

WRONG = Secret("not this one, surely")
NOBODY = "mem_00000000000000000000000000"


async def a_member_id(house: House) -> str:
    member, _ = await a_member_with_credit_line(house)
    return to_text("mem", member.id)


async def refusals(house: House, member_id: str, times: int, password: Secret = WRONG) -> list[type]:
    """What so many attempts at once are answered."""
    attempts = [house.members.sign_in(member_id, password) for _ in range(times)]
    return [type(answer) for answer in await asyncio.gather(*attempts, return_exceptions=True)]


def let_pass(house: House, time: timedelta) -> None:
    house.clock.move_to(house.clock.offset + time)


async def test_the_right_password_opens_a_session_that_lasts_until_sign_out(house: House) -> None:
    member_id = await a_member_id(house)
    session, token = await house.members.sign_in(member_id, PASSWORD)
    assert token.reveal().startswith("ob_ms_")
    assert await house.members.session(token) == session
    await house.members.sign_out(token)
    assert await house.members.session(token) is None


async def test_a_session_ends_by_the_platform_clock(house: House) -> None:
    _, token = await house.members.sign_in(await a_member_id(house), PASSWORD)
    let_pass(house, SESSION_LIFETIME)
    assert await house.members.session(token) is None
    assert await sweep(house.database, house.clock) == 1


async def test_a_wrong_id_and_a_wrong_password_are_answered_alike(house: House) -> None:
    answers = [await refusals(house, member_id, 1) for member_id in (await a_member_id(house), NOBODY, "?")]
    assert answers == [[WrongCredentials]] * 3


@pytest.mark.parametrize("member_id", [None, NOBODY, "not an id"], ids=["known", "unknown", "malformed"])
async def test_parallel_wrong_passwords_never_get_more_tries_than_the_limit(
    house: House, member_id: str | None
) -> None:
    answers = await refusals(house, member_id or await a_member_id(house), 40)
    assert answers.count(WrongCredentials) == FAILURES_MAX
    assert answers.count(SignInLocked) == 40 - FAILURES_MAX


async def test_even_the_right_password_has_to_wait_for_the_end_of_a_lock_out(house: House) -> None:
    member_id = await a_member_id(house)
    await refusals(house, member_id, FAILURES_MAX)
    let_pass(house, LOCK_OUT - timedelta(seconds=30))
    assert await refusals(house, member_id, 1, PASSWORD) == [SignInLocked]
    let_pass(house, timedelta(seconds=30))
    await house.members.sign_in(member_id, PASSWORD)


async def test_a_lock_out_is_for_one_id_only(house: House) -> None:
    await refusals(house, await a_member_id(house), FAILURES_MAX)
    await house.members.sign_in(await a_member_id(house), PASSWORD)


async def test_a_right_password_forgets_the_wrong_ones_before_it(house: House) -> None:
    member_id = await a_member_id(house)
    for _ in range(3):
        assert await refusals(house, member_id, FAILURES_MAX - 1) == [WrongCredentials] * (FAILURES_MAX - 1)
        await house.members.sign_in(member_id, PASSWORD)


async def test_old_attempts_are_swept_but_a_lock_out_is_not(house: House) -> None:
    member_id = await a_member_id(house)
    await refusals(house, NOBODY, 1)
    await refusals(house, member_id, FAILURES_MAX)
    assert await sweep(house.database, house.clock) == 0
    assert await refusals(house, member_id, 1, PASSWORD) == [SignInLocked]
    let_pass(house, LONGEST)
    assert await sweep(house.database, house.clock) == 2


async def test_p11_neither_password_nor_token_nor_identity_nor_address_is_stored_in_plain(
    house: House,
) -> None:
    _, token = await house.members.sign_in(await a_member_id(house), PASSWORD)
    async with house.database.connection() as conn:
        stored = str(await conn.fetch("select members::text from members")) + str(
            await conn.fetch("select s::text, events::text from member_sessions s, events")
        )
    secrets = [PASSWORD, token, house.bureau.asked[0], Secret("Toegye-ro")]
    for secret in secrets:
        plain = secret.reveal()
        assert plain not in stored
        assert plain.encode().hex() not in stored


async def test_a_sign_in_under_way_does_not_outlive_the_password_it_began_with(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    member_id = await a_member_id(house)
    session, _ = await house.members.sign_in(member_id, PASSWORD)
    passwords = house.members._means.passwords
    matches = passwords.matches

    async def matches_and_then_it_is_changed(password: Secret, password_hash: str | None) -> bool:
        monkeypatch.undo()
        right = await matches(password, password_hash)
        await house.members.change_password(session, PASSWORD, Secret("another one"))
        return right

    monkeypatch.setattr(passwords, "matches", matches_and_then_it_is_changed)
    assert await refusals(house, member_id, 1, PASSWORD) == [WrongCredentials]
    await house.members.sign_in(member_id, Secret("another one"))
