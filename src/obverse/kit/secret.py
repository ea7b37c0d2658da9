"""Values that must not be seen: card numbers, CVVs, PINs, passwords, tokens."""

from collections.abc import Callable
from hmac import compare_digest
from typing import Final, NamedTuple, NoReturn, final

TOKEN_CHARACTERS: Final = 32
"""190 bits: not to be guessed, so tokens need no slow hash."""

_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FAIR_BELOW: Final = 256 // 62 * 62


@final
class Secret:
    """A text that prints as `***` and must be opened on purpose.

    Only the vault and the wire call `reveal`; everything else passes it on. It refuses to be
    pickled, formatted or joined into a string, so that a log line or a traceback cannot carry it.
    Source: PF-3, promise P11.

    >>> Secret("9410121234567893")
    Secret(***)
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the plain text. Call this in the vault or when writing to the wire, nowhere else."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("A Secret is not pickled or copied; pass the object itself.")


class Sealed(NamedTuple):
    """A `Secret` as the vault gives it back for storing: key version, and nonce, ciphertext, tag in one."""

    key_version: int
    ciphertext: bytes


def new_token(prefix: str, random_bytes: Callable[[int], bytes]) -> Secret:
    """A fresh token: the prefix says what it opens, then 32 letters and digits, each equally likely."""
    characters: list[str] = []
    while len(characters) < TOKEN_CHARACTERS:
        # Bytes past the last multiple of 62 would favour the first letters of the alphabet.
        characters += [_BASE62[byte % 62] for byte in random_bytes(TOKEN_CHARACTERS) if byte < _FAIR_BELOW]
    return Secret(prefix + "".join(characters[:TOKEN_CHARACTERS]))


def mask_number(number: str) -> str:
    """Show a card number the only way it may be shown: first six and last four (PF-3).

    >>> mask_number("9410121234567893")
    '941012******7893'
    """
    if len(number) < 12:
        return "*" * len(number)
    return number[:6] + "*" * (len(number) - 10) + number[-4:]
