"""Lists in pages: newest first, by id, because ids sort by time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar
from uuid import UUID

from obverse.kit.errors import InvalidRequest

T = TypeVar("T")

LIMIT_MAX: Final = 100

NEWEST: Final = "'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid"
"""In SQL, what every id is below: `id < coalesce($1, NEWEST)` is looked up in an index, whatever the plan;
`$1 is null or id < $1` makes a page cost all the rows before it."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """`limit` objects older than `after`; with no `after`, the newest."""

    limit: int = 20
    after: UUID | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= LIMIT_MAX:
            raise InvalidRequest(f"limit must be between 1 and {LIMIT_MAX}.", "limit")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page; `next_after` is the `after` of the following page, None on the last."""

    items: Sequence[T]
    next_after: UUID | None


def cut(rows: Sequence[T], page: PageRequest, id_of: Callable[[T], UUID]) -> Page[T]:
    """Make a page from `limit + 1` fetched rows: the extra row only tells that there is more."""
    items = rows[: page.limit]
    return Page(items, id_of(items[-1]) if len(rows) > page.limit else None)
