"""Passwords: argon2id, off the loop, bounded."""

import asyncio
import unicodedata

import pytest
from tests.factories.members import quick_passwords

from obverse.kit.errors import Unavailable
from obverse.kit.secret import Secret
from obverse.members import Passwords
from obverse.members.passwords import WAITING_MAX


async def test_only_the_same_password_matches_its_hash() -> None:
    passwords = quick_passwords()
    stored = await passwords.hash(Secret("correct horse battery"))
    assert stored.startswith("$argon2id$")
    assert await passwords.matches(Secret("correct horse battery"), stored)
    assert not await passwords.matches(Secret("correct horse batterY"), stored)


async def test_nobody_has_a_password_not_even_the_one_that_is_compared_with() -> None:
    passwords = quick_passwords()
    assert not await passwords.matches(Secret("no member has this one"), None)


async def test_an_unknown_member_costs_the_same_work_as_a_known_one() -> None:
    passwords = quick_passwords()
    done: list[str] = []
    verify = passwords._hasher.verify

    class Watched:
        def verify(self, hash_: str, password: bytes) -> bool:
            done.append(hash_.split("$")[3])
            return verify(hash_, password)

    stored = await passwords.hash(Secret("correct horse battery"))
    passwords._hasher = Watched()  # type: ignore[assignment]
    await passwords.matches(Secret("wrong"), stored)
    await passwords.matches(Secret("wrong"), None)
    assert len(done) == 2
    assert done[0] == done[1], "same memory, passes and lanes"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
async def test_korean_matches_whichever_way_a_keyboard_composes_it(form: str) -> None:
    passwords = quick_passwords()
    stored = await passwords.hash(Secret(unicodedata.normalize("NFC", "비밀번호는비밀입니다")))
    assert await passwords.matches(Secret(unicodedata.normalize(form, "비밀번호는비밀입니다")), stored)


async def test_a_full_queue_refuses_instead_of_growing() -> None:
    passwords = quick_passwords()
    slots = [passwords.slot() for _ in range(WAITING_MAX)]
    for slot in slots:
        slot.__enter__()
    with pytest.raises(Unavailable), passwords.slot():
        pass
    slots[0].__exit__(None, None, None)
    with passwords.slot():
        pass


async def test_the_loop_goes_on_while_a_password_is_hashed() -> None:
    passwords = Passwords(memory_kib=65_536, passes=3)
    hashing = asyncio.create_task(passwords.hash(Secret("correct horse battery")))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 3
