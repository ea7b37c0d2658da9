"""Card numbers and CVVs of our own cards: made from a serial when needed, never stored."""

import hmac
from typing import Final

from stdnum import luhn

from obverse.kit.secret import Secret
from obverse.vault.errors import NumbersExhausted
from obverse.vault.ff1 import FF1

BIN_DIGITS: Final = 6
SERIAL_DIGITS: Final = 9
NUMBER_DIGITS: Final = BIN_DIGITS + SERIAL_DIGITS + 1
CODE_VALUE_DIGITS: Final = 12
CODE_DIGITS: Final = BIN_DIGITS + CODE_VALUE_DIGITS + 1
"""As long as a number may be (ISO 8583 DE 2), so that every terminal can send it."""


class Numbers:
    """BIN + FF1(serial) + Luhn digit, and the CVV that belongs to it.

    FF1 is a permutation, so distinct serials give distinct numbers without anybody looking, and a number
    tells nothing of its neighbours without the key. The BIN is the tweak: each BIN has a permutation of its
    own. Source: OT-6, docs/decisions/003-keys-and-numbers.md.
    """

    __slots__ = ("_ciphers", "_code_ciphers", "_cvv_key", "_number_key")

    def __init__(self, number_key: bytes, cvv_key: bytes) -> None:
        self._number_key = number_key
        self._cvv_key = cvv_key
        self._ciphers: dict[str, FF1] = {}
        self._code_ciphers: dict[str, FF1] = {}

    def card_number(self, bin_: str, serial: int) -> Secret:
        """The 16-digit number of the card with this serial.

        Raises `NumbersExhausted` for a serial beyond nine digits.
        """
        cipher = self._cipher(bin_)
        if not 0 <= serial < cipher.size:
            raise NumbersExhausted(bin_)
        body = f"{bin_}{cipher.encrypt(serial):0{SERIAL_DIGITS}d}"
        return Secret(body + luhn.calc_check_digit(body))

    def serial_of(self, number: Secret, bin_: str) -> int | None:
        """The serial behind a number; None where it cannot be one of this BIN.

        A serial says nothing of whether the card was ever issued.
        """
        digits = number.reveal()
        if len(digits) != NUMBER_DIGITS or not digits.startswith(bin_) or not is_card_number(digits):
            return None
        return self._cipher(bin_).decrypt(int(digits[BIN_DIGITS:-1]))

    def payment_code(self, bin_: str, value: int) -> Secret:
        """The 19 digits of a payment code: a number of the same BIN, told from a card's by its length.

        `value` has up to twelve digits; whoever makes codes draws it at random (PC-1, P10).
        """
        digits = self._code_cipher(bin_).encrypt(value)
        body = f"{bin_}{digits:0{CODE_VALUE_DIGITS}d}"
        return Secret(body + luhn.calc_check_digit(body))

    def code_value(self, code: Secret, bin_: str) -> int | None:
        """The value behind a payment code; None where it cannot be one of this BIN."""
        if not is_payment_code(code, bin_):
            return None
        return self._code_cipher(bin_).decrypt(int(code.reveal()[BIN_DIGITS:-1]))

    def cvv(self, number: Secret, expiry: str) -> Secret:
        """Three digits for this number and expiry (YYMM), from a key of their own."""
        message = f"{number.reveal()}|{expiry}".encode()
        value = int.from_bytes(hmac.digest(self._cvv_key, message, "sha256")[:8], "big")
        return Secret(f"{value % 1000:03d}")

    def cvv_matches(self, number: Secret, expiry: str, cvv: Secret) -> bool:
        """Whether this is the CVV, in a time that does not depend on how much of it is right."""
        return hmac.compare_digest(self.cvv(number, expiry).reveal().encode(), cvv.reveal().encode())

    def _cipher(self, bin_: str) -> FF1:
        cipher = self._ciphers.get(bin_)
        if cipher is None:
            cipher = self._ciphers[bin_] = FF1(self._number_key, 10, SERIAL_DIGITS, tweak=_tweak(bin_))
        return cipher

    def _code_cipher(self, bin_: str) -> FF1:
        cipher = self._code_ciphers.get(bin_)
        if cipher is None:
            tweak = b"code:" + _tweak(bin_)
            cipher = self._code_ciphers[bin_] = FF1(self._number_key, 10, CODE_VALUE_DIGITS, tweak=tweak)
        return cipher


def is_card_number(digits: str) -> bool:
    """Whether these are 12 to 19 digits with a right Luhn digit (ISO/IEC 7812-1).

    >>> is_card_number("4111111111111111")
    True
    """
    return 12 <= len(digits) <= 19 and _is_digits(digits) and luhn.checksum(digits) == 0


def is_payment_code(number: Secret, bin_: str) -> bool:
    """Whether a number has the form of our payment codes; whether one was ever made, it does not tell."""
    digits = number.reveal()
    return len(digits) == CODE_DIGITS and digits.startswith(bin_) and is_card_number(digits)


def _tweak(bin_: str) -> bytes:
    if len(bin_) != BIN_DIGITS or not _is_digits(bin_):
        raise ValueError("A BIN has six digits.")
    return bin_.encode()


def _is_digits(text: str) -> bool:
    # str.isdigit alone would let through the digits of other scripts.
    return text.isascii() and text.isdigit()
