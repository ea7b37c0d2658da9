"""Secrets keep to themselves, and tokens cannot be guessed."""

import copy
import os
import pickle
from collections import Counter
from collections.abc import Callable

import pytest

from obverse.kit.secret import Secret, new_token

NUMBER = "9410121234567893"


@pytest.mark.parametrize("shown", [repr, str, format, "{:>30}".format], ids=["repr", "str", "format", "spec"])
def test_p11_a_secret_prints_as_asterisks(shown: Callable[[Secret], str]) -> None:
    assert shown(Secret(NUMBER)) == "Secret(***)"


@pytest.mark.parametrize("way", [pickle.dumps, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"])
def test_p11_a_secret_leaves_the_process_by_no_back_door(way: Callable[[Secret], object]) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        way(Secret(NUMBER))


def test_secrets_are_equal_when_their_texts_are() -> None:
    assert Secret(NUMBER) == Secret(NUMBER)
    assert Secret(NUMBER) != Secret(NUMBER[:-1])
    assert Secret(NUMBER) != NUMBER


def test_a_token_says_what_it_opens_and_has_32_random_characters() -> None:
    token = new_token("ob_test_sk_", os.urandom).reveal()
    assert token.startswith("ob_test_sk_")
    assert len(token) == len("ob_test_sk_") + 32
    assert token != new_token("ob_test_sk_", os.urandom).reveal()


def test_every_character_of_a_token_is_equally_likely() -> None:
    seen = Counter("".join(new_token("", os.urandom).reveal() for _ in range(2000)))
    assert len(seen) == 62
    expected = 64_000 / 62
    # With bytes above 247 let in, the first eight letters would come 25% more often.
    assert max(seen.values()) < expected * 1.18


def test_a_source_that_gives_unfair_bytes_first_is_asked_again() -> None:
    answers = iter([b"\xff" * 32, b"\x00" * 31 + b"\xf8", b"\x3d" * 32])
    assert new_token("", lambda _: next(answers)).reveal() == "0" * 31 + "z"
