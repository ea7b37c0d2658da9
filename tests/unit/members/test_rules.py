"""How often a password may be tried, and where members live: OT-5."""

from base64 import b32encode
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.factories.cards import NOON

from obverse.kit.errors import InvalidRequest
from obverse.kit.secret import Secret
from obverse.members import SignInLocked
from obverse.members.model import Attempts
from obverse.members.rules import FAILURES_MAX, LOCK_OUT, count_attempt, identity_number, totp_step

NONE = Attempts(0, None, NOON)


def after_failures(count: int, now: datetime = NOON) -> Attempts:
    attempts = NONE
    for _ in range(count):
        attempts = count_attempt(attempts, now)
    return attempts


@pytest.mark.parametrize("failures", range(1, FAILURES_MAX))
def test_below_the_limit_nothing_is_locked(failures: int) -> None:
    assert after_failures(failures) == Attempts(failures, None, NOON)


def test_the_attempt_that_reaches_the_limit_locks_at_once() -> None:
    assert after_failures(FAILURES_MAX) == Attempts(FAILURES_MAX, NOON + LOCK_OUT, NOON)


def test_a_lock_out_ends_on_time_and_counting_begins_again() -> None:
    locked = after_failures(FAILURES_MAX)
    with pytest.raises(SignInLocked):
        count_attempt(locked, NOON + LOCK_OUT - timedelta(microseconds=1))
    assert count_attempt(locked, NOON + LOCK_OUT) == Attempts(1, None, NOON + LOCK_OUT)


def test_failures_of_long_ago_do_not_count() -> None:
    later = NOON + LOCK_OUT
    assert count_attempt(after_failures(FAILURES_MAX - 1), later) == Attempts(1, None, later)


@given(st.lists(st.integers(0, 1200), min_size=1, max_size=60))
def test_no_rhythm_of_guessing_gets_more_than_the_limit_within_any_lock_out_time(gaps: list[int]) -> None:
    attempts, now, looked_at = NONE, NOON, []
    for gap in gaps:
        now += timedelta(seconds=gap)
        try:
            attempts = count_attempt(attempts, now)
        except SignInLocked:
            continue
        looked_at.append(now)
    for start in looked_at:
        burst = [moment for moment in looked_at if start <= moment < start + LOCK_OUT]
        assert len(burst) <= FAILURES_MAX


@pytest.mark.parametrize(
    "written", ["9001011234567", "900101-1234567", " 900101-1234567 "], ids=["plain", "hyphen", "spaces"]
)
def test_an_identity_number_is_read_in_one_form(written: str) -> None:
    assert identity_number(Secret(written)) == Secret("9001011234567")


@pytest.mark.parametrize(
    "written", ["", "900101123456", "90010112345678", "900101-12345x7", "9-00101-1234567", "９" * 13]
)
def test_what_is_not_an_identity_number_is_refused(written: str) -> None:
    with pytest.raises(InvalidRequest):
        identity_number(Secret(written))


RFC_6238 = Secret(b32encode(b"12345678901234567890").decode())


@pytest.mark.parametrize(
    ("code", "at", "newer_than", "step"),
    [
        pytest.param("287082", 59, 0, 1, id="vector of RFC 6238"),
        pytest.param("081804", 1_111_111_109, 0, 37_037_036, id="another"),
        pytest.param("287082", 89, 0, 1, id="one step late"),
        pytest.param("287082", 29, 0, 1, id="one step early"),
        pytest.param("287082", 90, 0, None, id="two steps late"),
        pytest.param("287082", 59, 1, None, id="used up"),
        pytest.param("287083", 59, 0, None, id="wrong"),
        pytest.param("", 59, 0, None, id="empty"),
        pytest.param("٢٨٧٠٨٢", 59, 0, None, id="digits of another script"),
    ],
)
def test_a_one_time_code_belongs_to_a_step_that_is_not_used_up(
    code: str, at: int, newer_than: int, step: int | None
) -> None:
    assert totp_step(RFC_6238, code, at, newer_than) == step
