"""Decisions of this room. No I/O, no clock."""

from collections.abc import Iterable

from obverse.history.model import Cell, Dimension, Figure, Filter, Month
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import to_text
from obverse.kit.money import CurrencyCode, Money


def check_period(wanted: Filter) -> Filter:
    """Refuse a period that ends before it begins. Raises `InvalidRequest`."""
    if wanted.since is not None and wanted.until is not None and wanted.until <= wanted.since:
        raise InvalidRequest("The period ends before it begins.", "until")
    return wanted


def months_to_count(first: Month | None, last_counted: Month | None, complete_before: Month) -> list[Month]:
    """The months that can be counted by now and were not: from the `first` that has a consent in it."""
    month = last_counted.next() if last_counted is not None else first
    found: list[Month] = []
    while month is not None and month < complete_before:
        found.append(month)
        month = month.next()
    return found


def figures(cells: Iterable[Cell], by: Dimension) -> list[Figure]:
    """Sums of cells, one for each month, category, merchant or denomination there is, in that order.

    Whatever is asked for, it is a sum over cells that are shown themselves. So no difference between two
    answers, nor between a total and its parts, is about anybody but the members of such cells, who are
    enough each time: what is behind a cell that is not shown is in no answer at all.
    """
    purchases: dict[tuple[object, CurrencyCode], int] = {}
    minor: dict[tuple[object, CurrencyCode], int] = {}
    names: dict[tuple[object, CurrencyCode], str] = {}
    for cell in cells:
        value, name = _key(cell, by)
        key = value, cell.amount.currency
        names[key] = name
        purchases[key] = purchases.get(key, 0) + cell.purchases
        minor[key] = minor.get(key, 0) + cell.amount.amount_minor
    return [
        Figure(names[key], Money(minor[key], key[1]), purchases[key])
        for key in sorted(names, key=lambda key: (key[0], key[1]))
    ]


def _key(cell: Cell, by: Dimension) -> tuple[object, str]:
    """What a cell is sorted by and called."""
    match by:
        case Dimension.MONTH:
            return cell.month, str(cell.month)
        case Dimension.CATEGORY:
            return cell.category, cell.category
        case Dimension.MERCHANT:
            return cell.merchant_id, to_text("mer", cell.merchant_id)
        case Dimension.DENOMINATION:
            denomination = cell.denomination_minor
            return denomination or 0, "" if denomination is None else str(denomination)
