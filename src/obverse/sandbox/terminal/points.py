"""DE 63 as a terminal knows it: accounts to show, picks to send, parts to print.

Written apart from the platform's own reading; the documented bytes (tests/vectors) hold both to each other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from obverse.sandbox.errors import BrokenFrame

QUOTE: Final = "01"
ACCOUNT: Final = "02"
PICK: Final = "03"
PART: Final = "04"
REASON: Final = "05"

ALL: Final = "all"
"""Instead of an amount: as much as there is and is needed."""


@dataclass(frozen=True, slots=True)
class Account:
    """One line on the screen; `trouble` says why nothing is known of it, or why it cannot pay here."""

    number: int
    issuer: str
    unit: str
    units: int | None
    worth_minor: int | None
    rate: str
    trouble: str


@dataclass(frozen=True, slots=True)
class Part:
    """One line on the receipt. `kind`: P points, B stored on the card, L the provider's credit, C a card."""

    kind: str
    issuer: str
    unit: str
    units: int | None
    amount_minor: int
    rate: str
    approval: str


@dataclass(frozen=True, slots=True)
class Pick:
    """An account by its number, and how much it is to pay in minor units; None: all that it can."""

    number: int
    amount_minor: int | None = None


@dataclass(frozen=True, slots=True)
class PointsField:
    """What stands in one DE 63."""

    quote: str | None = None
    accounts: Sequence[Account] = ()
    parts: Sequence[Part] = ()
    reason: str | None = None


def picks_field(picks: Sequence[Pick], quote: str | None = None) -> str:
    """Write what the holder has picked.

    >>> picks_field([Pick(1, 5_000), Pick(3)], "7Q2KMX4TZ9AB")
    '01127Q2KMX4TZ9AB03061|500003053|all'
    """
    quoted = [_record(QUOTE, quote)] if quote is not None else []
    wanted = [
        _record(PICK, f"{pick.number}|{ALL if pick.amount_minor is None else pick.amount_minor}")
        for pick in picks
    ]
    return "".join(quoted + wanted)


def read_points(text: str) -> PointsField:
    """Read DE 63 of an answer. What a later provider may add is passed over. Raises `BrokenFrame`."""
    quote: str | None = None
    reason: str | None = None
    accounts: list[Account] = []
    parts: list[Part] = []
    for tag, value in _records(text):
        if tag == QUOTE:
            quote = value
        elif tag == ACCOUNT:
            number, issuer, unit, units, worth, rate, trouble = _values(value)
            accounts.append(
                Account(_int(number), issuer, unit, _int_or_none(units), _int_or_none(worth), rate, trouble)
            )
        elif tag == PART:
            kind, issuer, unit, units, amount, rate, approval = _values(value)
            parts.append(Part(kind, issuer, unit, _int_or_none(units), _int(amount), rate, approval))
        elif tag == REASON:
            reason = value
    return PointsField(quote, accounts, parts, reason)


def _records(text: str) -> Iterator[tuple[str, str]]:
    while text:
        tag, length, rest = text[:2], text[2:4], text[4:]
        if len(length) != 2 or not length.isdecimal() or len(rest) < int(length):
            raise BrokenFrame("field 63")
        yield tag, rest[: int(length)]
        text = rest[int(length) :]


def _values(value: str) -> list[str]:
    values = value.split("|")
    if len(values) != 7:
        raise BrokenFrame("field 63")
    return values


def _int(text: str) -> int:
    if not text.isdecimal():
        raise BrokenFrame("field 63")
    return int(text)


def _int_or_none(text: str) -> int | None:
    return _int(text) if text else None


def _record(tag: str, value: str) -> str:
    return f"{tag}{len(value):02d}{value}"
