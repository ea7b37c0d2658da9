"""FF1: encryption that keeps the format, so that a number of nine digits becomes another of nine digits.

Written here, on the AES of `cryptography`, because the code that makes every card number should be short and
ours to read. It is checked against NIST's sample vectors (tests/vectors/ff1.json).

Source: NIST SP 800-38G, algorithms 7 and 8.
"""

from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

ROUNDS: Final = 10
DOMAIN_MIN: Final = 1_000_000
"""SP 800-38G Rev. 1: smaller domains are open to known attacks."""
HALF_BYTES_MAX: Final = 12
"""Up to here one AES block per round is enough: halves of 96 bits, where a card number needs 17."""
BLOCK_BYTES: Final = 16


class FF1:
    """A secret permutation of the numbers `0 .. radix**length - 1`.

    The published algorithm works on strings of numerals; a string of fixed length in a radix is a number,
    so this works on ints (`int(text, radix)` on the way in). Key, radix, length and tweak are fixed at
    construction: then all of the CBC-MAC but its last block is a constant, and a round costs one AES block.

    Not for use by several threads at once: they would share one cipher context.
    """

    __slots__ = ("_aes", "_high", "_rounds", "_shift", "size")

    def __init__(self, key: bytes, radix: int, length: int, tweak: bytes = b"") -> None:
        """Raises `ValueError` for a radix outside 2..36 and for domains too small or too wide."""
        short, long = length // 2, length - length // 2
        half_bytes = ((radix**long - 1).bit_length() + 7) // 8
        if not 2 <= radix <= 36 or radix**length < DOMAIN_MIN or half_bytes > HALF_BYTES_MAX:
            raise ValueError("FF1 needs a radix from 2 to 36 and a domain from 10**6 up to 192 bits.")
        # A single block at a time with no chaining is what FF1 is built from: this is not ECB as a mode.
        self._aes = Cipher(algorithms.AES(key), modes.ECB()).encryptor().update  # noqa: S305
        self.size: int = radix**length
        self._high: int = radix**long
        # S is cut to d bytes, d = 4 * ceil(b / 4) + 4.
        self._shift = 128 - 8 * (4 * (-(-half_bytes // 4)) + 4)
        constant = self._constant_part(radix, length, tweak, half_bytes)
        self._rounds: tuple[tuple[int, int], ...] = tuple(
            (constant ^ i << 8 * half_bytes, radix ** (short if i % 2 == 0 else long)) for i in range(ROUNDS)
        )

    def _constant_part(self, radix: int, length: int, tweak: bytes, half_bytes: int) -> int:
        """CBC-MAC state over P and the tweak, already combined with the fixed head of the last block."""
        p = bytes([1, 2, 1]) + radix.to_bytes(3, "big") + bytes([ROUNDS, length // 2 % 256])
        p += length.to_bytes(4, "big") + len(tweak).to_bytes(4, "big")
        fixed = p + tweak + bytes((-len(tweak) - half_bytes - 1) % BLOCK_BYTES) + bytes(half_bytes + 1)
        *whole, last = (fixed[at : at + BLOCK_BYTES] for at in range(0, len(fixed), BLOCK_BYTES))
        state = 0
        for block in whole:
            state = self._block(state ^ int.from_bytes(block, "big"))
        return state ^ int.from_bytes(last, "big")

    def _block(self, value: int) -> int:
        return int.from_bytes(self._aes(value.to_bytes(BLOCK_BYTES, "big")), "big")

    def encrypt(self, value: int) -> int:
        """The permutation. Raises `ValueError` for a value outside the domain."""
        self._check(value)
        block, shift = self._block, self._shift
        a, b = divmod(value, self._high)
        for constant, modulus in self._rounds:
            a, b = b, (a + (block(constant ^ b) >> shift)) % modulus
        return a * self._high + b

    def decrypt(self, value: int) -> int:
        """The inverse of `encrypt`. Raises `ValueError` for a value outside the domain."""
        self._check(value)
        block, shift = self._block, self._shift
        a, b = divmod(value, self._high)
        for constant, modulus in reversed(self._rounds):
            a, b = (b - (block(constant ^ a) >> shift)) % modulus, a
        return a * self._high + b

    def _check(self, value: int) -> None:
        if not 0 <= value < self.size:
            # The value may be (part of) a card number: it stays out of the message.
            raise ValueError("Outside the domain of this cipher.")
