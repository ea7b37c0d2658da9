"""Single fields, checked as they are read. Each raises `FormatError` naming its field."""

from typing import Final

from obverse.kit.money import CurrencyCode, Money, currency_of_numeric
from obverse.kit.secret import Secret
from obverse.networks.iso8583.codec import Fields
from obverse.networks.iso8583.errors import FormatError
from obverse.networks.iso8583.fields import DE2_CARD_NUMBER, DE4_AMOUNT, DE42_MERCHANT, DE49_CURRENCY

NUMBER_DIGITS_MIN: Final = 12


def read_number(fields: Fields) -> Secret:
    """DE 2."""
    number = read_digits(fields, DE2_CARD_NUMBER)
    if len(number) < NUMBER_DIGITS_MIN:
        raise FormatError(DE2_CARD_NUMBER)
    return Secret(number)


def read_amount(fields: Fields) -> Money:
    """DE 4 in the currency of DE 49."""
    amount_minor = int(read_digits(fields, DE4_AMOUNT))
    return Money(amount_minor, read_currency(fields, DE49_CURRENCY))


def read_currency(fields: Fields, number: str) -> CurrencyCode:
    """A currency by its ISO 4217 number."""
    currency = currency_of_numeric(read_digits(fields, number))
    if currency is None:
        raise FormatError(number)
    return currency


def read_merchant_no(fields: Fields) -> str:
    """DE 42, without the blanks on the right."""
    return read_text(fields, DE42_MERCHANT)


def read_digits(fields: Fields, number: str) -> str:
    """A field that is there and all digits."""
    value = fields.get(number, "")
    if not value.isdecimal():
        raise FormatError(number)
    return value


def read_text(fields: Fields, number: str) -> str:
    """A field padded with blanks on the right. Raises `FormatError` when nothing is in it."""
    value = fields.get(number, "").rstrip()
    if not value or not value.isprintable():
        raise FormatError(number)
    return value
