"""Fields with a structure of their own: additional data (DE 48), amounts (DE 54), abilities (DE 60)."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from obverse.kit.money import Money, numeric_code
from obverse.networks.iso8583.codec import Fields
from obverse.networks.iso8583.errors import FormatError
from obverse.networks.iso8583.fields import DE48_ADDITIONAL_DATA, DE60_ABILITIES

AVAILABLE: Final = "02"
"""DE 54, type of amount: what may be spent."""
REQUESTED: Final = "57"
"""DE 54, type of amount: what was asked for, where less was approved."""

OWN_ACCOUNT: Final = "90"
"""DE 54, type of account: what is stored on the card itself, where its points are told beside it."""
POINTS_ACCOUNTS: Final = ("91", "92", "93", "94", "95", "96", "97", "98", "99")
"""DE 54, type of account: the points account with this number, from 1."""
AMOUNTS_MAX: Final = 6
"""What fits into the 120 characters that DE 54 has in the standard."""

_AUTHORIZATION_INDICATOR: Final = slice(11, 12)
"""DE 60.10, its twelfth digit, as Visa has it."""
_TAKES_PARTIAL: Final = frozenset("13")


def subelements(text: str) -> dict[str, str]:
    """Read DE 48: tag (2 digits), length (2 digits), value, as often as it goes. Raises `FormatError`."""
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        tag, length = text[at : at + 2], text[at + 2 : at + 4]
        end = at + 4 + int(length) if (tag + length).isdecimal() and len(length) == 2 else len(text) + 1
        if end > len(text) or tag in found:
            raise FormatError(DE48_ADDITIONAL_DATA)
        found[tag] = text[at + 4 : end]
        at = end
    return found


def write_subelements(values: Mapping[str, str]) -> str:
    """Write DE 48.

    >>> write_subelements({"92": "123"})
    '9203123'
    """
    return "".join(f"{tag}{len(value):02d}{value}" for tag, value in values.items())


class Told(NamedTuple):
    """One amount of DE 54."""

    account_type: str
    amount_type: str
    amount: Money


def additional_amounts(amounts: Iterable[Told]) -> str:
    """Write DE 54: per amount the account's type, its own type, currency, sign (`C`: in credit), 12 digits.

    >>> additional_amounts([Told("00", AVAILABLE, Money(34_000, "KRW"))])
    '0002410C000000034000'
    """
    return "".join(
        f"{each.account_type}{each.amount_type}{numeric_code(each.amount.currency)}"
        f"C{each.amount.amount_minor:012d}"
        for each in amounts
    )


def takes_partial(fields: Fields) -> bool:
    """Whether the terminal can take less than it asks for: DE 60.10 is 1, or 3 with an estimate."""
    return fields.get(DE60_ABILITIES, "")[_AUTHORIZATION_INDICATOR] in _TAKES_PARTIAL
