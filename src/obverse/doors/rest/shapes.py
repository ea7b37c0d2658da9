"""What the shapes of all rooms have in common: field types, pages, ids in and out."""

from collections.abc import Callable, Sequence
from typing import Annotated, Final, Generic, TypeVar
from uuid import UUID

import msgspec
from litestar.params import QueryParameter
from msgspec import Meta

from obverse.kit.errors import InvalidRequest, NotFound
from obverse.kit.ids import from_text, to_text
from obverse.kit.money import AMOUNT_MINOR_MAX, CurrencyCode, Money, currency_exists
from obverse.kit.paging import LIMIT_MAX, Page, PageRequest

T = TypeVar("T")
S = TypeVar("S")

# Control characters are refused everywhere: PostgreSQL cannot store NUL, and nobody needs the others.
# `$` alone would let a line break at the end through.
PRINTABLE: Final = r"^[^\x00-\x1f\x7f]*$(?!\n)"

Text = Annotated[str, Meta(min_length=1, max_length=200, pattern=PRINTABLE)]
Id = Annotated[str, Meta(min_length=1, max_length=40)]
SecretText = Annotated[str, Meta(min_length=1, max_length=200, extra_json_schema={"format": "password"})]
Amount = Annotated[int, Meta(ge=0, le=AMOUNT_MINOR_MAX, description="In minor units of the currency.")]
PositiveAmount = Annotated[
    int, Meta(ge=1, le=AMOUNT_MINOR_MAX, description="In minor units of the currency.")
]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", max_length=3, description="ISO 4217, e.g. KRW.")]
CardNumber = Annotated[str, Meta(pattern="^[0-9]{12,19}$", max_length=19)]
Cvv = Annotated[str, Meta(pattern="^[0-9]{3,4}$", max_length=4)]
Pin = Annotated[str, Meta(pattern="^[0-9]{4,6}$", max_length=6)]
PinText = Annotated[str, Meta(min_length=1, max_length=12, extra_json_schema={"format": "password"})]
BirthDate = Annotated[str, Meta(pattern="^[0-9]{6}$", max_length=6, description="YYMMDD.")]
ExpMonth = Annotated[int, Meta(ge=1, le=12)]
ExpYear = Annotated[int, Meta(ge=2000, le=2099, description="Four digits.")]
Category = Annotated[str, Meta(pattern="^[0-9]{4}$", max_length=4, description="ISO 18245 category code.")]
Reason = Annotated[
    str, Meta(min_length=1, max_length=500, pattern=PRINTABLE, description="Goes into the audit log.")
]
Metadata = Annotated[
    dict[
        Annotated[str, Meta(min_length=1, max_length=40, pattern=PRINTABLE)],
        Annotated[str, Meta(max_length=500, pattern=PRINTABLE)],
    ],
    Meta(max_length=50),
]

Limit = Annotated[int, QueryParameter(ge=1, le=LIMIT_MAX, description="How many at most.")]
After = Annotated[str | None, QueryParameter(description="The `next_cursor` of the page before.")]


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request body. Its repr shows nothing, because bodies carry card numbers and passwords (P11)."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"


class View(msgspec.Struct, frozen=True):
    """An answer."""


class ListView(View, Generic[T], frozen=True):
    """One page, newest first; pass `next_cursor` as `after` to get the following one."""

    data: Sequence[T]
    has_more: bool
    next_cursor: str | None


def page_request(prefix: str, limit: int, after: str | None) -> PageRequest:
    """Read `limit` and `after`. Raises `InvalidRequest`, also for a cursor of something else."""
    try:
        older_than = from_text(prefix, after) if after is not None else None
    except NotFound:
        raise InvalidRequest("after is not a cursor of this list.", "after") from None
    return PageRequest(limit, older_than)


def list_view(prefix: str, page: Page[S], view: Callable[[S], T]) -> ListView[T]:
    """Show a page in the way every list is shown."""
    return ListView(
        data=[view(item) for item in page.items],
        has_more=page.next_after is not None,
        next_cursor=id_text(prefix, page.next_after),
    )


def id_text(prefix: str, id_: UUID | None) -> str | None:
    return None if id_ is None else to_text(prefix, id_)


def money(amount: int, currency: str) -> Money:
    """An amount as it came in. Raises `InvalidRequest` for a currency ISO 4217 does not list."""
    return Money(amount, currency_code(currency))


def currency_code(currency: str) -> CurrencyCode:
    if not currency_exists(currency):
        raise InvalidRequest("currency is not an ISO 4217 code.", "currency")
    return CurrencyCode(currency)
