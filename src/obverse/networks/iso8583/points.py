"""DE 63: what a card's points are worth, which of them its holder picks, and who has paid which part.

Records, one after the other: tag (2 digits), length (2 digits), value. What belongs together in a value
stands between bars. Described with examples in docs/messages/points.md (PR-4, PR-5, PR-8).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from obverse.authorization.model import Decline, Tender
from obverse.networks.iso8583.codec import Fields
from obverse.networks.iso8583.errors import FormatError
from obverse.networks.iso8583.fields import DE63_POINTS
from obverse.points.model import Rate

_QUOTE: Final = "01"
_ACCOUNT: Final = "02"
_PICK: Final = "03"
_PART: Final = "04"
_REASON: Final = "05"

_BAR: Final = "|"
_REFERENCE: Final = re.compile("[A-Z2-9]{12}")
_PICKED: Final = re.compile(r"([1-9][0-9]?)\|(all|[1-9][0-9]{0,11})")

_TEXT_MAX: Final = 12
_RATE_MAX: Final = 16
_UNITS_MAX: Final = 10**15 - 1
AMOUNT_MAX: Final = 10**12 - 1
"""What DE 4 and DE 54 can say. With these a record has at most 90 characters, and ten fit into the field."""

_TELLING: Final = frozenset(
    {
        Decline.NOT_REGISTERED,
        Decline.PROOF_NEEDED,
        Decline.TENDER_INVALID,
        Decline.TENDER_TOO_LARGE,
        Decline.QUOTE_EXPIRED,
        Decline.POINTS_NOT_ACCEPTED,
        Decline.POINTS_BELOW_MINIMUM,
        Decline.POINTS_ABOVE_MAXIMUM,
        Decline.INSUFFICIENT_POINTS,
        Decline.POINTS_ISSUER_DECLINED,
        Decline.POINTS_ISSUER_UNAVAILABLE,
        Decline.POINTS_ISSUER_LATE,
    }
)
"""Reasons that help at the till and teach nobody who guesses (P17)."""


class PartKind(StrEnum):
    """Who has paid a part."""

    POINTS = "P"
    BALANCE = "B"
    """What is stored on the card."""
    CREDIT = "L"
    """The provider's own line of credit."""
    CARD = "C"
    """A real card, at its card company."""


@dataclass(frozen=True, slots=True)
class AccountShown:
    """A points account as a till shows it: what is in it and what that is worth, or the trouble there was."""

    number: int
    """What it is picked by."""
    issuer: str
    unit: str
    units: int | None
    worth_minor: int | None
    rate: Rate | None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class PartShown:
    """One part of a payment; `approval` is the code of somebody outside who has approved it."""

    kind: PartKind
    amount_minor: int
    approval: str | None = None
    issuer: str = ""
    unit: str = ""
    units: int | None = None
    rate: Rate | None = None


@dataclass(frozen=True, slots=True)
class Picked:
    """What the holder has picked at the till, and the quote that was shown before."""

    tender: tuple[Tender, ...] = ()
    quote: str | None = None


def read_picked(fields: Fields) -> Picked:
    """DE 63 of a purchase. Raises `FormatError` for everything that is no quote and no pick: whoever asks for
    something else must not be paid in another way."""
    tender: list[Tender] = []
    quote = None
    for tag, value in _records(fields.get(DE63_POINTS, "")):
        picked = _PICKED.fullmatch(value)
        if tag == _QUOTE and quote is None and _REFERENCE.fullmatch(value):
            quote = value
        elif tag == _PICK and picked is not None:
            number, amount = picked.groups()
            tender.append(Tender(None if amount == "all" else int(amount), number=int(number)))
        else:
            raise FormatError(DE63_POINTS)
    return Picked(tuple(tender), quote)


def write_accounts(quote: str | None, accounts: Iterable[AccountShown]) -> str:
    """What a till shows.

    >>> write_accounts(None, [AccountShown(1, "SKY", "miles", 20_000, 10_000, Rate(2, 1))])
    '02261|SKY|miles|20000|10000|2|'
    """
    quoted = [_record(_QUOTE, quote)] if quote is not None else []
    rows = [
        _record(
            _ACCOUNT,
            str(each.number),
            _text(each.issuer),
            _text(each.unit),
            _number(each.units, _UNITS_MAX),
            _number(each.worth_minor, AMOUNT_MAX),
            _rate(each.rate),
            each.trouble,
        )
        for each in accounts
    ]
    return "".join(quoted + rows)


def write_parts(parts: Iterable[PartShown]) -> str:
    """Who has paid which part.

    >>> write_parts([PartShown(PartKind.CARD, 24_000, "C77001")])
    '0418C||||24000||C77001'
    """
    return "".join(
        _record(
            _PART,
            part.kind,
            _text(part.issuer),
            _text(part.unit),
            _number(part.units, _UNITS_MAX),
            str(part.amount_minor),
            _rate(part.rate),
            _text(part.approval or ""),
        )
        for part in parts
    )


def write_reason(decline: Decline | None) -> str:
    """Why points or a code did not pay; empty where that is nobody's business at the till.

    >>> write_reason(Decline.QUOTE_EXPIRED), write_reason(Decline.CODE_USED)
    ('0513quote_expired', '')
    """
    return _record(_REASON, decline) if decline in _TELLING else ""


def _records(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        length = text[at + 2 : at + 4]
        end = at + 4 + int(length) if len(length) == 2 and length.isdecimal() else len(text) + 1
        if end > len(text):
            raise FormatError(DE63_POINTS)
        yield text[at : at + 2], text[at + 4 : end]
        at = end


def _record(tag: str, *values: str) -> str:
    value = _BAR.join(values)
    return f"{tag}{len(value):02d}{value}"


def _text(text: str) -> str:
    """As tills know it: ASCII, short, and without the bar."""
    shown = (letter if " " <= letter <= "~" and letter != _BAR else "?" for letter in text[:_TEXT_MAX])
    return "".join(shown)


def _number(value: int | None, most: int) -> str:
    return "" if value is None else str(min(value, most))


def _rate(rate: Rate | None) -> str:
    """A rate that is too long to be read by anybody is left out: half of it would be a wrong one."""
    text = "" if rate is None else str(rate)
    return text if len(text) <= _RATE_MAX else ""
