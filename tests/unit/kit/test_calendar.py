"""Business days end at the cut-off in the programme's zone; money moves on banking days."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from obverse.kit.calendar import Calendar
from obverse.kit.errors import CannotStart

FRIDAY = date(2026, 11, 20)


def korea(cut_off: str = "00:00", *extra: date) -> Calendar:
    return Calendar("Asia/Seoul", time.fromisoformat(cut_off), "KR", extra)


@pytest.mark.parametrize(
    ("cut_off", "moment", "day"),
    [
        pytest.param("00:00", "2026-11-20T14:59:59Z", "2026-11-20", id="before midnight in Seoul"),
        pytest.param("00:00", "2026-11-20T15:00:00Z", "2026-11-21", id="midnight in Seoul"),
        pytest.param("23:30", "2026-11-20T14:29:59Z", "2026-11-20", id="just before the cut-off"),
        pytest.param("23:30", "2026-11-20T14:30:00Z", "2026-11-21", id="at the cut-off"),
        pytest.param("23:30", "2026-11-20T15:10:00Z", "2026-11-21", id="after midnight, same business day"),
        pytest.param("09:00", "2026-11-20T00:00:00Z", "2026-11-21", id="a cut-off in the morning"),
    ],
)
def test_a_moment_belongs_to_one_business_day(cut_off: str, moment: str, day: str) -> None:
    assert korea(cut_off).business_day(datetime.fromisoformat(moment)) == date.fromisoformat(day)


@pytest.mark.parametrize("cut_off", ["00:00", "02:30", "23:30"])
@pytest.mark.parametrize("zone", ["Asia/Seoul", "Europe/Berlin", "America/New_York"])
def test_business_days_neither_overlap_nor_leave_gaps(zone: str, cut_off: str) -> None:
    calendar = Calendar(zone, time.fromisoformat(cut_off), "KR")
    for n in range(366):
        day = date(2026, 1, 1) + timedelta(days=n)
        end = calendar.cut_off_of(day)
        assert end.tzinfo is UTC
        assert calendar.business_day(end - timedelta(microseconds=1)) == day
        assert calendar.business_day(end) == day + timedelta(days=1)


@pytest.mark.parametrize(
    ("day", "closed"),
    [
        pytest.param("2026-11-20", False, id="a Friday"),
        pytest.param("2026-11-21", True, id="a Saturday"),
        pytest.param("2026-11-22", True, id="a Sunday"),
        pytest.param("2026-09-25", True, id="Chuseok, which follows the moon"),
        pytest.param("2026-05-01", True, id="Labour Day, on which banks are closed"),
        pytest.param("2026-10-05", True, id="the day that stands in for a holiday on a weekend"),
        pytest.param("2026-11-27", True, id="a day declared for once"),
    ],
)
def test_banks_are_closed_on_weekends_and_holidays(day: str, closed: bool) -> None:
    assert korea("00:00", date(2026, 11, 27)).is_holiday(date.fromisoformat(day)) is closed


@pytest.mark.parametrize(
    ("day", "found"),
    [
        pytest.param("2026-11-20", "2026-11-20", id="the day itself"),
        pytest.param("2026-11-21", "2026-11-23", id="over a weekend"),
        pytest.param("2026-09-24", "2026-09-28", id="over Chuseok and a weekend"),
    ],
)
def test_the_next_banking_day_is_the_first_on_which_banks_are_open(day: str, found: str) -> None:
    assert korea().next_banking_day(date.fromisoformat(day)) == date.fromisoformat(found)


@pytest.mark.parametrize(
    ("zone", "country"), [("Asia/Nowhere", "KR"), ("", "KR"), ("../etc/passwd", "KR"), ("Asia/Seoul", "ZZ")]
)
def test_a_zone_or_country_that_nobody_knows_is_told_at_start(zone: str, country: str) -> None:
    with pytest.raises(CannotStart, match="OBVERSE_"):
        Calendar(zone, time(), country)
