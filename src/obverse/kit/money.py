"""Amounts: integer minor units and an ISO 4217 currency. No float comes near."""

from decimal import Decimal
from functools import cache
from typing import Final, NewType

import msgspec
from iso4217 import Currency as Iso4217

CurrencyCode = NewType("CurrencyCode", str)
"""An ISO 4217 alphabetic code, e.g. `KRW`."""

AMOUNT_MINOR_MAX: Final = 999_999_999_999
"""Twelve digits: what ISO 8583 DE 4 can carry."""

KRW: Final = CurrencyCode("KRW")


class Money(msgspec.Struct, frozen=True):
    """`amount_minor` of `currency`; won has no decimals, so 34000 is 34,000 won."""

    amount_minor: int
    currency: CurrencyCode

    def __str__(self) -> str:
        return f"{self.amount_minor:,} {self.currency}"


@cache
def currency_exists(code: str) -> bool:
    """Whether ISO 4217 lists this alphabetic code."""
    return any(currency.code == code for currency in Iso4217)


@cache
def numeric_code(code: CurrencyCode) -> str:
    """ISO 4217 numeric code as ISO 8583 DE 49 wants it: three digits.

    >>> numeric_code(KRW)
    '410'
    """
    return f"{Iso4217(code).number:03d}"


@cache
def minor_digits(code: CurrencyCode) -> int:
    """How many decimals this currency has (ISO 4217); a code it does not list, or gold, has none.

    >>> minor_digits(KRW), minor_digits(CurrencyCode("USD"))
    (0, 2)
    """
    return (Iso4217(code).exponent or 0) if currency_exists(code) else 0


def as_decimal(money: Money) -> str:
    """An amount in major units, as files for banks have it.

    >>> as_decimal(Money(34_000, KRW)), as_decimal(Money(34_000, CurrencyCode("USD")))
    ('34000', '340.00')
    """
    return str(Decimal(money.amount_minor).scaleb(-minor_digits(money.currency)))


@cache
def currency_of_numeric(numeric: str) -> CurrencyCode | None:
    """The alphabetic code for DE 49, or None where ISO 4217 knows no such number."""
    for currency in Iso4217:
        if currency.number is not None and f"{currency.number:03d}" == numeric:
            return CurrencyCode(currency.code)
    return None
