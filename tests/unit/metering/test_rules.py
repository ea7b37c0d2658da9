"""What time costs, and what a session's grants pay of it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace
from tests.factories.metering import TERMS, a_tariff

from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import MerchantId, MeterSessionId, PartitionId
from obverse.metering import GrantState, Session, SessionState
from obverse.metering.model import Grant
from obverse.metering.rules import (
    GRANTS_MAX,
    ask_more,
    charged_minor,
    check_tariff,
    cost_minor,
    end,
    ended,
    granted_seconds,
    heard,
    seconds_for,
    settled,
)

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def a_session(*amounts: int, **changes) -> Session:
    """An open session with grants of these amounts, all held."""
    grants = [
        Grant(number, amount, amount, None, GrantState.HELD, 0, NOW)
        for number, amount in enumerate(amounts, 1)
    ]
    given = {
        "id": MeterSessionId(UUID(int=3)),
        "partition_id": PartitionId(0),
        "merchant_id": MerchantId(UUID(int=2)),
        "card_id": None,
        "tariff": a_tariff(),
        "reference": None,
        "state": SessionState.OPEN,
        "used_seconds": 0,
        "is_last": False,
        "decline": None,
        "valid_until": NOW,
        "due_at": NOW,
        "request_key": "key",
        "fingerprint": b"",
        "created_at": NOW,
        "grants": grants,
    } | changes
    return Session(**given)


@pytest.mark.parametrize(
    ("seconds", "cost"),
    [(0, 0), (1, 100), (30, 100), (31, 118), (40, 118), (41, 136), (3_600, 100 + 357 * 18)],
)
def test_an_interval_that_has_begun_is_paid(seconds: int, cost: int) -> None:
    assert cost_minor(a_tariff(), seconds) == cost


@pytest.mark.parametrize(
    ("minor", "seconds"), [(0, 0), (99, 0), (100, 30), (117, 30), (118, 40), (136, 50), (10**9, 86_400)]
)
def test_money_buys_whole_intervals(minor: int, seconds: int) -> None:
    assert seconds_for(a_tariff(), minor) == seconds


def test_a_connection_is_paid_once_and_only_if_there_was_one() -> None:
    tariff = a_tariff(connection_minor=50)
    assert [cost_minor(tariff, seconds) for seconds in (0, 1, 31)] == [0, 150, 168]


def test_grants_pay_in_their_order_and_the_first_that_is_used_up_is_captured() -> None:
    session = heard(a_session(154, 108), 61, NOW, TERMS)
    assert [(g.state, g.captured_minor) for g in session.grants] == [
        (GrantState.SETTLING, 154), (GrantState.HELD, 0),
    ]  # fmt: skip
    over = end(session, SessionState.CLOSING, NOW)
    assert [(g.state, g.captured_minor) for g in over.grants] == [
        (GrantState.SETTLING, 154), (GrantState.SETTLING, 18),
    ]  # fmt: skip
    half = ended(settled(over, {1: 154}), NOW)
    assert half.state is SessionState.CLOSING, "the second is not done yet"
    done = ended(settled(half, {2: 18}), NOW)
    assert (done.state, done.due_at, charged_minor(done)) == (SessionState.CLOSED, None, 172)


def test_more_than_was_granted_is_never_charged() -> None:
    session = heard(a_session(154), 500, NOW, TERMS)
    assert (session.used_seconds, charged_minor(session)) == (500, 154)


def test_a_grant_covers_what_is_missing_and_one_is_asked_for_at_a_time() -> None:
    session = ask_more(a_session(154), 120, NOW)
    assert [g.asked_minor for g in session.grants] == [154, 108]
    assert ask_more(session, 500, NOW) is session
    assert ask_more(a_session(154), 60, NOW) == a_session(154)


def test_a_session_does_not_ask_for_ever() -> None:
    session = a_session(*[1] * GRANTS_MAX)
    after = ask_more(session, 80_000, NOW)
    assert (len(after.grants), after.is_last) == (GRANTS_MAX, True)
    silent = heard(session, 1, NOW + timedelta(days=3), TERMS)
    assert silent.valid_until < NOW + timedelta(days=3), "reports alone do not keep it alive"


def test_what_has_ended_hears_nothing_more() -> None:
    over = a_session(154, state=SessionState.CUT, due_at=None)
    assert heard(over, 60, NOW, TERMS) is over
    assert end(over, SessionState.CLOSING, NOW) is over
    assert granted_seconds(over) == 60


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        pytest.param({"name": ""}, "name", id="no name"),
        pytest.param({"name": "국제"}, "name", id="not ASCII"),
        pytest.param({"next_minor": 0}, "next.price", id="free for ever"),
        pytest.param({"first_minor": 0}, "first.price", id="free at first"),
        pytest.param({"first_seconds": 0}, "first.seconds", id="no first interval"),
        pytest.param({"grant_seconds": 86_401}, "grant_seconds", id="more than a day at once"),
        pytest.param({"connection_minor": -1}, "connection", id="a negative price"),
        pytest.param({"next_seconds": 1, "next_minor": 10**12}, "next.price", id="beyond all payments"),
    ],
)
def test_a_tariff_has_to_mean_something(changes: dict[str, object], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_tariff(replace(a_tariff(), **changes))
    assert refused.value.param == param
