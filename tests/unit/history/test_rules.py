"""Figures as sums of cells, months that are due, periods."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from obverse.history import Cell, Dimension, Filter, Month
from obverse.history.rules import check_period, figures, months_to_count
from obverse.kit.errors import InvalidRequest
from obverse.kit.money import KRW, CurrencyCode, Money

NOV, DEC, JAN = Month(2026, 11), Month(2026, 12), Month(2027, 1)


@pytest.mark.parametrize(
    ("first", "last_counted", "complete_before", "due"),
    [
        (None, None, JAN, []),
        (NOV, None, NOV, []),
        (NOV, None, JAN, [NOV, DEC]),
        (NOV, NOV, JAN, [DEC]),
        (NOV, DEC, JAN, []),
    ],
    ids=["no consent", "not over", "two at once", "the next", "all"],
)
def test_months_are_counted_from_the_first_with_a_consent(
    first: Month | None, last_counted: Month | None, complete_before: Month, due: list[Month]
) -> None:
    assert months_to_count(first, last_counted, complete_before) == due


def test_figures_are_sums_by_key_and_currency_in_the_order_of_their_keys() -> None:
    cells = [
        Cell(DEC, UUID(int=2), "5942", 10_000, Money(999, KRW), 2),
        Cell(NOV, UUID(int=1), "5732", None, Money(100, KRW), 3),
        Cell(NOV, UUID(int=1), "5732", 5_000, Money(50, KRW), 1),
        Cell(NOV, UUID(int=1), "5732", 5_000, Money(7, CurrencyCode("USD")), 1),
    ]
    found = figures(cells, Dimension.MONTH)
    assert [(f.key, str(f.amount), f.purchases, f.average_minor) for f in found] == [
        ("2026-11", "150 KRW", 4, 37),
        ("2026-11", "7 USD", 1, 7),
        ("2026-12", "999 KRW", 2, 499),
    ]
    assert [f.key for f in figures(cells[:3], Dimension.DENOMINATION)] == ["", "5000", "10000"]
    assert [f.key for f in figures(cells[:3], Dimension.CATEGORY)] == ["5732", "5942"]


def test_a_period_does_not_end_before_it_begins() -> None:
    moment = datetime(2026, 11, 20, tzinfo=UTC)
    assert check_period(Filter(since=moment)).since == moment
    with pytest.raises(InvalidRequest, match="ends before"):
        check_period(Filter(since=moment, until=moment))
