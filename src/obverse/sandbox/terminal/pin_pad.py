"""The pad on which a PIN is typed: it enciphers it before anybody else sees it.

Written apart from the platform's own reading of PIN blocks; only psec, held to outside vectors, is common.
"""

from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import ECB
from psec.pinblock import encipher_pinblock_iso_4, encode_pinblock_iso_0

from obverse.kit.secret import Secret
from obverse.sandbox.wire import Message

SANDBOX_KEY: Final = Secret("0123456789ABCDEFFEDCBA9876543210")
SANDBOX_KEY_AES: Final = Secret("00112233445566778899AABBCCDDEEFF")
"""Known to everybody, for a sandbox in which nothing is secret."""

_FORMAT_0: Final = "2001010100000000"
_FORMAT_4: Final = "2002040100000000"
"""DE 53."""


@dataclass(frozen=True, slots=True)
class PinPad:
    """A pad with the zone's keys; `aes` says which of the two it uses."""

    key: Secret = field(default=SANDBOX_KEY, repr=False)
    key_aes: Secret = field(default=SANDBOX_KEY_AES, repr=False)
    aes: bool = False

    def fields(self, number: Secret, pin: Secret) -> Message:
        """DE 52 and 53 (format 0), or DE 53 and 110 (format 4)."""
        if self.aes:
            key = bytes.fromhex(self.key_aes.reveal())
            long = encipher_pinblock_iso_4(key, pin.reveal(), number.reveal())
            return {"53": _FORMAT_4, "110": long.hex().upper()}
        clear = encode_pinblock_iso_0(pin.reveal(), number.reveal())
        return {"52": _encipher(bytes.fromhex(self.key.reveal()), clear).hex().upper(), "53": _FORMAT_0}


def _encipher(key: bytes, block: bytes) -> bytes:
    """One block, as the standard has it; a key of double length is its own third part."""
    return Cipher(TripleDES((key + key)[:24]), ECB()).encryptor().update(block)  # noqa: S305
