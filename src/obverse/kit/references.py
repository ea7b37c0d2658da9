"""References that people write on bank transfers: `OBV-X-`, nine letters of chance, and a check letter."""

import re
from collections.abc import Callable
from typing import Final

from stdnum import luhn

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter that looks like a digit."""
_LOOKALIKES: Final = str.maketrans("OIL", "011")
_RANDOM_LETTERS: Final = 9


def new_reference(prefix: str, random_bytes: Callable[[int], bytes]) -> str:
    """A payment reference: nine letters drawn by chance and one that catches a slip of the pen.

    Nothing about payer or amount can be read from it. 45 bits may collide; the caller's key on it tells.
    """
    number = int.from_bytes(random_bytes(6), "big")
    letters = "".join(_ALPHABET[number >> 5 * at & 31] for at in range(_RANDOM_LETTERS))
    return prefix + letters + luhn.calc_check_digit(letters, _ALPHABET)


def reference_in(prefix: str, text: str) -> str | None:
    """The reference with this prefix in what somebody wrote on a transfer, as it was issued; or None.

    Lower case and letters that look like digits are read as meant; a reference whose check letter does not
    fit is none.

    >>> reference_in("OBV-B-", "obv-b-ol23456788 thank you")
    'OBV-B-0123456788'
    """
    found = re.search(rf"{prefix}([0-9A-Z]{{{_RANDOM_LETTERS + 1}}})(?![0-9A-Z])", text.upper())
    if found is None:
        return None
    letters = found[1].translate(_LOOKALIKES)
    return prefix + letters if luhn.is_valid(letters, _ALPHABET) else None
