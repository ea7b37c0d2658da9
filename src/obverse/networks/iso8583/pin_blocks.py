"""PIN blocks (ISO 9564-1): how a PIN travels from the pad on which it was typed.

The pad enciphers it together with the card number, under a key that it shares with whoever it sends it to.
Format 0 is for triple DES and fills DE 52; format 4 is for AES, is twice as long, and stands in DE 110.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Self

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import ECB
from psec.pinblock import decipher_pinblock_iso_4, decode_pinblock_iso_0

from obverse.kit.errors import CannotStart
from obverse.kit.secret import Secret
from obverse.networks.iso8583.codec import Fields
from obverse.networks.iso8583.errors import FormatError, PinBlockRefused
from obverse.networks.iso8583.fields import DE52_PIN_BLOCK, DE53_SECURITY, DE110_LONG_PIN_BLOCK


class PinFormat(IntEnum):
    """By the number that ISO 9564-1 gives it."""

    TDES = 0
    AES = 4


_FORMATS: Final = {"200101": PinFormat.TDES, "200204": PinFormat.AES}
"""DE 53, first six digits: a key of the zone (20); triple DES (01) or AES (02); format 0 (01) or 4 (04)."""
_FIELDS: Final = {PinFormat.TDES: DE52_PIN_BLOCK, PinFormat.AES: DE110_LONG_PIN_BLOCK}
_BLOCK_DIGITS: Final = {PinFormat.TDES: 16, PinFormat.AES: 32}
_KEY_DIGITS: Final = {PinFormat.TDES: (32, 48), PinFormat.AES: (32, 48, 64)}


@dataclass(frozen=True, slots=True)
class PinBlock:
    """A PIN as it came: enciphered, and in hexadecimal digits."""

    format: PinFormat
    text: Secret


def read_pin_block(fields: Fields) -> PinBlock | None:
    """The PIN block of a request, or None where it has none.

    Raises `FormatError` for one that DE 53 does not announce, or not as it is.
    """
    given = [number for number in _FIELDS.values() if number in fields]
    if not given:
        return None
    format_ = _FORMATS.get(fields.get(DE53_SECURITY, "")[:6])
    if format_ is None or given != [_FIELDS[format_]]:
        raise FormatError(DE53_SECURITY)
    text = fields[given[0]]
    if len(text) != _BLOCK_DIGITS[format_] or not _is_hex(text):
        raise FormatError(given[0])
    return PinBlock(format_, Secret(text))


@dataclass(frozen=True, slots=True)
class PinKeys:
    """The zone's keys in hexadecimal digits, one per format; without it, no block of its format opens.

    `own_bin` is what the numbers of our cards begin with; a PIN beside another is its own issuer's (PR-12).
    """

    tdes: Secret | None = field(default=None, repr=False)
    aes: Secret | None = field(default=None, repr=False)
    own_bin: str = ""

    @classmethod
    def checked(cls, tdes: Secret | None, aes: Secret | None, own_bin: str = "") -> Self:
        """Raises `CannotStart`, naming the setting, for what is no key."""
        _check("OBVERSE_PIN_KEY", tdes, _KEY_DIGITS[PinFormat.TDES])
        _check("OBVERSE_PIN_KEY_AES", aes, _KEY_DIGITS[PinFormat.AES])
        return cls(tdes, aes, own_bin)

    def open(self, block: PinBlock, number: Secret) -> Secret | None:
        """The PIN that was typed for this card number; None where that is no card of ours.

        Raises `PinBlockRefused` where the block is under another key, or for another number, or damaged.
        """
        if not number.reveal().startswith(self.own_bin):
            return None
        key, opens = {PinFormat.TDES: (self.tdes, _open_0), PinFormat.AES: (self.aes, _open_4)}[block.format]
        pin = _pin_or_none(opens, key, block.text, number) if key is not None else None
        if pin is None:
            # Raised here, so that it does not drag along a complaint that quotes what was deciphered.
            raise PinBlockRefused
        return pin


_Opens = Callable[[bytes, bytes, str], str]


def _pin_or_none(opens: _Opens, key: Secret, text: Secret, number: Secret) -> Secret | None:
    try:
        return Secret(opens(bytes.fromhex(key.reveal()), bytes.fromhex(text.reveal()), number.reveal()))
    except ValueError:
        return None


def _open_0(key: bytes, block: bytes, number: str) -> str:
    triple = key + key[:8] if len(key) == 16 else key
    plain = Cipher(TripleDES(triple), ECB()).decryptor().update(block)  # noqa: S305 - one block, as the standard has it
    return decode_pinblock_iso_0(plain, number)


def _open_4(key: bytes, block: bytes, number: str) -> str:
    return decipher_pinblock_iso_4(key, block, number)


def _check(setting: str, key: Secret | None, digits: tuple[int, ...]) -> None:
    if key is not None and (len(key.reveal()) not in digits or not _is_hex(key.reveal())):
        lengths = " or ".join(map(str, digits))
        raise CannotStart(f"{setting} is wrong: such a key has {lengths} hexadecimal digits.")


def _is_hex(text: str) -> bool:
    return _HEX.issuperset(text)


_HEX: Final = frozenset("0123456789ABCDEFabcdef")
