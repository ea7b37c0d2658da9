"""One-time codes as a second factor, recovery codes, and the history of signing in."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from time import time

import pyotp
import pytest
from tests.factories.members import PASSWORD
from tests.factories.wallet import House, a_wallet_member

from obverse.kit.errors import ObverseError
from obverse.kit.ids import MemberId, to_text
from obverse.kit.paging import PageRequest
from obverse.kit.secret import Secret
from obverse.members import SignInLocked, WrongCredentials
from obverse.members.errors import SecondFactorRequired, TotpActive, WrongCode
from obverse.members.rules import FAILURES_MAX, TOTP_SECONDS


def code_of(secret: Secret, *, steps: int = 1) -> Secret:
    """What an authenticator app shows so many steps from now.

    Members enrol with the code of now and sign in with the next one: both are good, also when a step ends
    in between.
    """
    return Secret(pyotp.TOTP(secret.reveal()).at(int(time()) + steps * TOTP_SECONDS))


async def with_codes(house: House) -> tuple[MemberId, Secret, Sequence[Secret]]:
    """A member with a second factor, the secret in their app, and their recovery codes."""
    member = await a_wallet_member(house)
    secret, uri = await house.members.codes.enrol(member.id, "hong1234", "Obverse")
    assert uri.reveal().startswith("otpauth://totp/Obverse:hong1234?secret=")
    codes = await house.members.codes.confirm(member.id, code_of(secret, steps=0))
    return member.id, secret, codes


async def signs_in(house: House, member_id: MemberId, otp: Secret | None) -> str:
    try:
        session, _ = await house.members.sign_in(
            to_text("mem", member_id), PASSWORD, otp=otp, origin="192.0.2.77"
        )
    except ObverseError as refused:
        return type(refused).__name__
    return session.method.value


async def test_once_confirmed_a_password_alone_opens_nothing(house: House) -> None:
    member_id, secret, _ = await with_codes(house)
    assert await signs_in(house, member_id, None) == "SecondFactorRequired"
    assert await signs_in(house, member_id, Secret("000000")) == "WrongCode"
    assert await signs_in(house, member_id, code_of(secret)) == "password_otp"


async def test_before_it_is_confirmed_nobody_is_asked_for_a_code(house: House) -> None:
    member = await a_wallet_member(house)
    first, _ = await house.members.codes.enrol(member.id, "me", "Obverse")
    second, _ = await house.members.codes.enrol(member.id, "me", "Obverse")
    assert await signs_in(house, member.id, None) == "password"
    with pytest.raises(WrongCode):
        await house.members.codes.confirm(member.id, code_of(first, steps=0))
    await house.members.codes.confirm(member.id, code_of(second, steps=0))
    with pytest.raises(TotpActive):
        await house.members.codes.enrol(member.id, "me", "Obverse")


async def test_a_code_is_accepted_once_also_of_many_at_once(house: House) -> None:
    member_id, secret, _ = await with_codes(house)
    code = code_of(secret)
    answers = await asyncio.gather(*(signs_in(house, member_id, code) for _ in range(4)))
    assert sorted(answers) == ["WrongCode"] * 3 + ["password_otp"]
    assert await signs_in(house, member_id, code) == "WrongCode"


@pytest.mark.parametrize("steps", [-3, 3], ids=["old", "too early"])
async def test_codes_of_other_times_are_wrong(house: House, steps: int) -> None:
    member_id, secret, _ = await with_codes(house)
    assert await signs_in(house, member_id, code_of(secret, steps=steps)) == "WrongCode"


async def test_moving_the_platforms_clock_does_not_move_phones(house: House) -> None:
    member_id, secret, _ = await with_codes(house)
    house.clock.move_to(timedelta(seconds=TOTP_SECONDS * 100))
    assert await signs_in(house, member_id, code_of(secret)) == "password_otp"


async def test_a_recovery_code_stands_in_once_however_it_is_typed(house: House) -> None:
    member_id, _, codes = await with_codes(house)
    typed = codes[3].reveal().lower()
    assert await signs_in(house, member_id, Secret(f"{typed[:5]}-{typed[5:]}")) == "password_otp"
    assert await signs_in(house, member_id, codes[3]) == "WrongCode"
    assert len({code.reveal() for code in codes}) == 10


async def test_guesses_at_codes_count_like_guesses_at_the_password(house: House) -> None:
    member_id, secret, _ = await with_codes(house)
    guesses = [signs_in(house, member_id, Secret(f"{n:06d}")) for n in range(20)]
    answers = await asyncio.gather(*guesses)
    assert answers.count("SignInLocked") == 20 - FAILURES_MAX
    with pytest.raises(SignInLocked):
        await house.members.sign_in(to_text("mem", member_id), PASSWORD, otp=code_of(secret))


async def test_both_names_of_a_member_share_one_count_of_attempts(house: House) -> None:
    member = await a_wallet_member(house, chosen_id="hong12345")
    names = ["hong12345", to_text("mem", member.id), "HONG12345", "ｈong12345", to_text("mem", member.id)]
    for name in names:
        with pytest.raises(WrongCredentials):
            await house.members.sign_in(name, Secret("not this one"))
    with pytest.raises(SignInLocked):
        await house.members.sign_in("hong12345", PASSWORD)


async def test_removing_codes_takes_a_code(house: House) -> None:
    member_id, secret, codes = await with_codes(house)
    session, _ = await house.members.sign_in(to_text("mem", member_id), PASSWORD, otp=code_of(secret))
    with pytest.raises(SecondFactorRequired):
        await house.members.codes.remove(session, None)
    with pytest.raises(WrongCode):
        await house.members.codes.remove(session, code_of(secret))
    await house.members.codes.remove(session, codes[0])
    assert await signs_in(house, member_id, None) == "password"


async def test_the_history_tells_how_and_from_which_network_and_how_it_ended(house: House) -> None:
    member_id, secret, _ = await with_codes(house)
    wrong = Secret("not this one")
    with pytest.raises(WrongCredentials):
        await house.members.sign_in(to_text("mem", member_id), wrong, origin="2001:db8:1:2::3")
    for otp in (None, Secret("000000"), code_of(secret)):
        await signs_in(house, member_id, otp)

    first = await house.members.sessions.history(member_id, PageRequest(3))
    rest = await house.members.sessions.history(member_id, PageRequest(3, first.next_after))

    told = [(each.method.value, each.outcome.value, each.origin) for each in (*first.items, *rest.items)]
    assert told == [
        ("password_otp", "ok", "192.0.2.0/24"),
        ("password_otp", "wrong", "192.0.2.0/24"),
        ("password", "unfinished", "192.0.2.0/24"),
        ("password", "wrong", "2001:db8:1::/48"),
    ]
