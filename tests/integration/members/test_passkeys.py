"""Passkeys: PF-12. Attestations and assertions are real, made by an authenticator in code."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.factories.authenticator import Authenticator, encoded
from tests.factories.members import PASSWORD, letters_in
from tests.factories.wallet import House, a_wallet_member

from obverse.kit.errors import NotPermitted
from obverse.kit.ids import MemberId, to_text
from obverse.kit.secret import Secret
from obverse.members import Method, Passkey, WrongCredentials
from obverse.members.errors import LastMeansOfSignIn, PasskeyNotFound, PasskeyRefused, TooManyPasskeys
from obverse.members.rules import CHALLENGE_LIFETIME, PASSKEYS_MAX


async def added(house: House, member_id: MemberId, device: Authenticator, name: str = "phone") -> Passkey:
    options = dict(await house.members.passkeys.registration_options(member_id, "hong1234"))
    return await house.members.passkeys.add(member_id, name, device.create(options))


def asserted(house: House, device: Authenticator) -> dict[str, Any]:
    return device.get(dict(house.members.passkeys.sign_in_options()))


async def test_pf12_a_passkey_signs_in_without_an_id_and_without_a_password(house: House) -> None:
    member, device = await a_wallet_member(house), Authenticator()
    options = await house.members.passkeys.registration_options(member.id, "hong1234")
    assert options["authenticatorSelection"]["residentKey"] == "required"
    await added(house, member.id, device)

    session, token = await house.members.passkeys.sign_in(asserted(house, device), "192.0.2.1")

    assert (session.member_id, session.method) == (member.id, Method.PASSKEY)
    assert await house.members.session(token) == session
    (used,) = await house.members.passkeys.list(member.id)
    assert (used.sign_count, used.name) == (1, "phone")
    assert used.last_used_at is not None


async def test_options_to_sign_in_tell_nothing_of_anybody(house: House) -> None:
    before = set(house.members.passkeys.sign_in_options())
    await added(house, (await a_wallet_member(house)).id, Authenticator())
    options = house.members.passkeys.sign_in_options()
    assert set(options) == before
    assert options["allowCredentials"] == []


async def test_a_replayed_assertion_is_refused_also_of_many_at_once_and_without_a_counter(
    house: House,
) -> None:
    member, device = await a_wallet_member(house), Authenticator(counts=False)
    await added(house, member.id, device)
    assertion = asserted(house, device)
    tries = [house.members.passkeys.sign_in(assertion, "") for _ in range(4)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(answer, PasskeyRefused) for answer in answers) == 3
    with pytest.raises(PasskeyRefused):
        await house.members.passkeys.sign_in(assertion, "")


async def test_a_counter_that_does_not_grow_is_a_copy(house: House) -> None:
    member, device = await a_wallet_member(house), Authenticator()
    await added(house, member.id, device)
    await house.members.passkeys.sign_in(asserted(house, device), "")
    device.sign_count -= 1
    with pytest.raises(PasskeyRefused):
        await house.members.passkeys.sign_in(asserted(house, device), "")


def _other_site(device: Authenticator) -> None:
    device.origin = "https://evil.example"


def _other_domain(device: Authenticator) -> None:
    device.rp_id = "evil.example"


def _nobody_verified(device: Authenticator) -> None:
    device.verifies = False


def _other_key(device: Authenticator) -> None:
    device.key = Authenticator().key


def _unknown(device: Authenticator) -> None:
    device.credential_id = b"x" * 32


def _other_holder(device: Authenticator) -> None:
    device.user_handle = b"somebody else"


@pytest.mark.parametrize(
    "spoil",
    [_other_site, _other_domain, _nobody_verified, _other_key, _unknown, _other_holder],
    ids=lambda spoil: spoil.__name__.strip("_").replace("_", " "),
)
async def test_what_does_not_prove_it_signs_nobody_in(
    house: House, spoil: Callable[[Authenticator], None]
) -> None:
    member, device = await a_wallet_member(house), Authenticator()
    await added(house, member.id, device)
    spoil(device)
    with pytest.raises(PasskeyRefused):
        await house.members.passkeys.sign_in(asserted(house, device), "")


@pytest.mark.parametrize(
    "credential",
    [
        {},
        {"response": None},
        {"response": {"clientDataJSON": "?"}},
        {"response": {"clientDataJSON": encoded(b'{"type":"webauthn.get","challenge":"","origin":""}')}},
        {"response": {"clientDataJSON": encoded(b"[" * 5000)}},
        {"response": {"clientDataJSON": 7}, "id": [], "rawId": {}},
    ],
    ids=["nothing", "null", "no base64", "no challenge", "deep", "other types"],
)
async def test_p15_hostile_credentials_are_refused(house: House, credential: dict[str, Any]) -> None:
    member = await a_wallet_member(house)
    with pytest.raises(PasskeyRefused):
        await house.members.passkeys.sign_in(credential, "")
    with pytest.raises(PasskeyRefused):
        await house.members.passkeys.add(member.id, "x", credential)


async def test_challenges_end_and_are_for_one_purpose_and_one_member(house: House) -> None:
    member, other, device = await a_wallet_member(house), await a_wallet_member(house), Authenticator()
    options = dict(await house.members.passkeys.registration_options(member.id, "me"))
    to_sign_in = house.members.passkeys.sign_in_options()["challenge"]
    for whose, challenge in ((other.id, options["challenge"]), (member.id, to_sign_in)):
        credential = device.create(options | {"challenge": challenge})
        with pytest.raises(PasskeyRefused):
            await house.members.passkeys.add(whose, "x", credential)
    await house.members.passkeys.add(member.id, "phone", device.create(options))
    with pytest.raises(PasskeyRefused):
        await house.members.passkeys.add(member.id, "twice", Authenticator().create(options))
    assertion = asserted(house, device)
    house.clock.move_to(CHALLENGE_LIFETIME + timedelta(seconds=1))
    with pytest.raises(PasskeyRefused):
        await house.members.passkeys.sign_in(assertion, "")


async def test_a_credential_is_one_members_only(house: House) -> None:
    member, other, device = await a_wallet_member(house), await a_wallet_member(house), Authenticator()
    passkey = await added(house, member.id, device)
    with pytest.raises(PasskeyRefused):
        await added(house, other.id, device)
    with pytest.raises(PasskeyNotFound):
        await house.members.passkeys.remove(other.id, passkey.id)


async def test_a_member_has_ten_passkeys_at_most(house: House) -> None:
    member = await a_wallet_member(house)
    for _ in range(PASSKEYS_MAX):
        await added(house, member.id, Authenticator())
    with pytest.raises(TooManyPasskeys):
        await added(house, member.id, Authenticator())


async def test_pf12_a_member_may_do_without_a_password_but_not_without_any_means(house: House) -> None:
    member, devices = await a_wallet_member(house), [Authenticator(), Authenticator()]
    passkeys = [await added(house, member.id, device) for device in devices]
    by_password, token = await house.members.sign_in(to_text("mem", member.id), PASSWORD)
    with pytest.raises(NotPermitted):
        await house.members.remove_password(by_password)
    session, _ = await house.members.passkeys.sign_in(asserted(house, devices[0]), "")

    await house.members.remove_password(session)

    assert await house.members.session(token) is None
    with pytest.raises(WrongCredentials):
        await house.members.sign_in(to_text("mem", member.id), PASSWORD)
    tries = [house.members.passkeys.remove(member.id, passkey.id) for passkey in passkeys]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["LastMeansOfSignIn", "NoneType"]
    await house.members.change_password(session, None, Secret("another horse"))
    await house.members.sign_in(to_text("mem", member.id), Secret("another horse"))
    (left,) = await house.members.passkeys.list(member.id)
    await house.members.passkeys.remove(member.id, left.id)
    with pytest.raises(LastMeansOfSignIn):
        await house.members.remove_password(session)
    async with house.database.connection() as conn:
        told = [letter.template for letter in await letters_in(conn, house.vault)]
    assert told == ["password_changed"] * 2
