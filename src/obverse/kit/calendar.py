"""Business days of the programme, and days on which its banks are open.

A business day ends at the cut-off in the programme's time zone, not at midnight UTC; money moves between
banks on banking days only. Source: PF-10, docs/bank.md.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from obverse.kit.errors import CannotStart

if TYPE_CHECKING:
    from holidays import HolidayBase

_MIDNIGHT: Final = time()
_DAY: Final = timedelta(days=1)
_SATURDAY: Final = 5
_BANK_CATEGORIES: Final = ("public", "bank")


class Calendar:
    """One programme's calendar. Pure: tell it the time and it tells the day.

    With a cut-off of 23:30, what happens at 23:30 belongs to the next business day; a cut-off of 00:00 ends
    the day at midnight. `country` is an ISO 3166 code (`KR`); `extra_holidays` are days on which banks are
    closed beyond that country's rules, as governments declare them.
    """

    def __init__(self, zone: str, cut_off: time, country: str, extra_holidays: Iterable[date] = ()) -> None:
        """Raises `CannotStart` for a time zone or a country that nobody knows."""
        try:
            self.zone = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise CannotStart(f"There is no time zone {zone}. Set OBVERSE_TIME_ZONE.") from None
        self.cut_off = cut_off
        self._holidays = _bank_holidays(country)
        self._extra = frozenset(extra_holidays)

    def local_date(self, now: datetime) -> date:
        """The date on a wall calendar in the programme's time zone."""
        return now.astimezone(self.zone).date()

    def business_day(self, now: datetime) -> date:
        """The business day that a moment belongs to."""
        day = self.local_date(now)
        return day if now < self.cut_off_of(day) else day + _DAY

    def cut_off_of(self, day: date) -> datetime:
        """When a business day is over, in UTC: the first moment that no longer belongs to it."""
        ends_on = day + _DAY if self.cut_off == _MIDNIGHT else day
        return datetime.combine(ends_on, self.cut_off, self.zone).astimezone(UTC)

    def months_on(self, now: datetime, months: int) -> datetime:
        """The end of the month that lies `months` ahead, in UTC: the first moment that is beyond it.

        What is bought on any day of a month then ends together.
        """
        local = now.astimezone(self.zone)
        return self.month_end(local.year, local.month + months)

    def month_end(self, year: int, month: int) -> datetime:
        """The first moment beyond a month of the programme's, in UTC; month 13 is the next year's first."""
        year, month = divmod(year * 12 + month, 12)
        return datetime(year, month + 1, 1, tzinfo=self.zone).astimezone(UTC)

    def is_holiday(self, day: date) -> bool:
        """Whether banks are closed: weekends, public and bank holidays, and the extra ones."""
        return day.weekday() >= _SATURDAY or day in self._extra or day in self._holidays

    def next_banking_day(self, day: date) -> date:
        """The first day, from `day` itself on, on which banks are open."""
        while self.is_holiday(day):
            day += _DAY
        return day


def _bank_holidays(country: str) -> "HolidayBase":
    # Imported when the first calendar is made: the package knows 250 countries.
    from holidays import country_holidays

    try:
        known = country_holidays(country).supported_categories
    except NotImplementedError:
        raise CannotStart(f"There are no holidays of {country}. Set OBVERSE_HOLIDAYS.") from None
    return country_holidays(country, categories=tuple(c for c in _BANK_CATEGORIES if c in known))
