"""Tokens and scopes, without a database."""

import os

import pytest

from obverse.access import Scope
from obverse.access.rules import check_key, looks_like_token, token_prefix
from obverse.kit.errors import InvalidRequest
from obverse.kit.secret import Secret, new_token


@pytest.mark.parametrize("live", [False, True], ids=["test", "live"])
def test_a_fresh_token_looks_like_one(live: bool) -> None:
    assert looks_like_token(new_token(token_prefix(live), os.urandom))


GOOD = "ob_test_sk_" + "a" * 32


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(GOOD[:-1], id="short"),
        pytest.param(GOOD + "a", id="long"),
        pytest.param(GOOD + "\n", id="newline"),
        pytest.param(GOOD.replace("test", "prod"), id="foreign prefix"),
        pytest.param(GOOD.upper(), id="upper case"),
        pytest.param(GOOD[:-1] + "-", id="dash"),
        pytest.param(GOOD[:-1] + "é", id="not ASCII"),
        pytest.param(GOOD[:-1] + "\x00", id="null"),
    ],
)
def test_what_is_no_token_is_not_asked_about(text: str) -> None:
    assert looks_like_token(Secret(GOOD))
    assert not looks_like_token(Secret(text))


@pytest.mark.parametrize(
    ("name", "scopes", "for_merchant", "param"),
    [
        pytest.param("", {Scope.PAYMENTS}, False, "name", id="no name"),
        pytest.param("   ", {Scope.PAYMENTS}, False, "name", id="blank name"),
        pytest.param("n" * 101, {Scope.PAYMENTS}, False, "name", id="long name"),
        pytest.param("till", set(), False, "scopes", id="no scope"),
        pytest.param("till", {Scope.OPERATE}, True, "scopes", id="merchant that operates"),
        pytest.param("till", {Scope.PAYMENTS, Scope.CARDS}, True, "scopes", id="merchant that issues"),
        pytest.param("till", {Scope.MEMBERS}, True, "scopes", id="merchant that registers"),
        pytest.param("till", {Scope.MERCHANTS}, True, "scopes", id="merchant that onboards"),
    ],
)
def test_a_key_that_must_not_exist_is_refused(
    name: str, scopes: set[Scope], for_merchant: bool, param: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_key(name, scopes, for_merchant)
    assert refused.value.param == param


@pytest.mark.parametrize("for_merchant", [False, True])
def test_payments_may_be_asked_for_by_anyone(for_merchant: bool) -> None:
    check_key("n" * 100, {Scope.PAYMENTS}, for_merchant)
