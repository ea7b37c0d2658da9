"""Values that must not be seen: card numbers, CVVs, PINs, passwords, tokens."""

from hmac import compare_digest
from typing import NamedTuple, NoReturn, final


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


def mask_number(number: str) -> str:
    """Show a card number the only way it may be shown: first six and last four (PF-3).

    >>> mask_number("9410121234567893")
    '941012******7893'
    """
    if len(number) < 12:
        return "*" * len(number)
    return number[:6] + "*" * (len(number) - 10) + number[-4:]
