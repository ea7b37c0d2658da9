"""Tokens and scopes, without a database."""

import os
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from obverse.access import ApiKey, ApiKeyOver, Scope
from obverse.access.rules import (
    OVERLAP_MAX,
    check_key,
    end_of_overlap,
    is_over,
    looks_like_token,
    token_prefix,
)
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import ApiKeyId
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


@pytest.mark.parametrize("scope", [Scope.PAYMENTS, Scope.WEBHOOKS, Scope.REPORTS])
def test_a_merchant_may_pay_listen_and_read(scope: Scope) -> None:
    check_key("mine", {scope}, for_merchant=True)


NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEY = ApiKey(ApiKeyId(UUID(int=1)), "till", "abcd", None, frozenset({Scope.CARDS}), False, NOON, None)


@pytest.mark.parametrize(
    ("ends_at", "over"),
    [(None, False), (NOON + timedelta(microseconds=1), False), (NOON, True), (NOON - timedelta(1), True)],
)
def test_a_rotated_key_is_over_at_the_moment_its_overlap_ends(ends_at: datetime | None, over: bool) -> None:
    assert is_over(replace(KEY, ends_at=ends_at), NOON) is over


@pytest.mark.parametrize("overlap", [timedelta(0), timedelta(hours=1), OVERLAP_MAX])
def test_a_rotation_gives_the_old_key_its_overlap(overlap: timedelta) -> None:
    assert end_of_overlap(KEY, overlap, NOON) == NOON + overlap


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), OVERLAP_MAX + timedelta(seconds=1)])
def test_an_overlap_has_limits(overlap: timedelta) -> None:
    with pytest.raises(InvalidRequest) as refused:
        end_of_overlap(KEY, overlap, NOON)
    assert refused.value.param == "old_valid_for_seconds"


@pytest.mark.parametrize("change", [{"ends_at": NOON + timedelta(1)}, {"revoked_at": NOON}], ids=str)
def test_a_key_that_ends_has_no_second_successor(change: dict[str, datetime]) -> None:
    with pytest.raises(ApiKeyOver):
        end_of_overlap(replace(KEY, **change), timedelta(0), NOON)
