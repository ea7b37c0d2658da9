"""Naming a message so that it can be found again: DE 7, 11 and 37 as one text, stored before sending."""

from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

_STANS: Final = 1_000_000
_LETTERS: Final = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_RUN_LETTERS: Final = 7
_SERIAL_LETTERS: Final = 5


class Reference(NamedTuple):
    """A message's own DE 7, 11 and 37."""

    transmitted_at: str
    stan: str
    rrn: str

    def __str__(self) -> str:
        return "|".join(self)

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Read a stored `network_ref`."""
        return cls(*text.split("|"))


class References:
    """Gives out references that no other process and no earlier run gives out.

    DE 37 has twelve characters: seven drawn at random for this run of this process (34**7, about 5e10), and
    five that count its requests. So two processes may well use the same DE 7 and DE 11, and a restart may use
    both again within the same second: DE 37 still differs.
    """

    def __init__(self, now: Callable[[], datetime], random_bytes: Callable[[int], bytes]) -> None:
        self._now = now
        self._run = _letters(int.from_bytes(random_bytes(8), "big"), _RUN_LETTERS)
        self._stan = int.from_bytes(random_bytes(4), "big") % _STANS
        self._serial = 0

    def new(self) -> Reference:
        """A reference for a payment or a check."""
        self._serial += 1
        return self.next_message(self._run + _letters(self._serial, _SERIAL_LETTERS))

    def next_message(self, rrn: str) -> Reference:
        """A further message of the same payment: own DE 7 and DE 11, the same DE 37."""
        self._stan = (self._stan + 1) % _STANS
        return Reference(self._now().strftime("%m%d%H%M%S"), f"{self._stan:06d}", rrn)


def _letters(value: int, count: int) -> str:
    text = ""
    for _ in range(count):
        value, digit = divmod(value, len(_LETTERS))
        text = _LETTERS[digit] + text
    return text
