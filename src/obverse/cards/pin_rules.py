"""What may be a PIN, and who may set one. No I/O, no clock."""

import unicodedata
from itertools import pairwise
from typing import Final

from obverse.cards.errors import PinLocked
from obverse.cards.model import WITH_PIN, Card, CardState
from obverse.cards.rules import PIN_TRIES_MAX
from obverse.kit.errors import InvalidRequest
from obverse.kit.secret import Secret

PIN_LENGTH_MIN: Final = 4
PIN_LENGTH_MAX: Final = 6
HINT_LENGTH_MAX: Final = 60


def check_new_pin(pin: Secret, again: Secret) -> None:
    """Refuse what is no PIN, was mistyped, or is what anybody would try first. Raises `InvalidRequest`."""
    digits = pin.reveal()
    if not (PIN_LENGTH_MIN <= len(digits) <= PIN_LENGTH_MAX and digits.isascii() and digits.isdigit()):
        raise InvalidRequest(f"A PIN has {PIN_LENGTH_MIN} to {PIN_LENGTH_MAX} digits.", "pin")
    if pin != again:
        raise InvalidRequest("The two PINs differ.", "pin_again")
    if is_weak(digits):
        raise InvalidRequest("That PIN is easily guessed. Choose another one.", "pin")


def is_weak(digits: str) -> bool:
    """Whether a PIN is a run or a repetition: 0000, 1234, 9876, 1212, 123123.

    >>> [is_weak(pin) for pin in ("0000", "7890", "4321", "1212", "123123", "4821")]
    [True, True, True, True, True, False]
    """
    steps = {(int(b) - int(a)) % 10 for a, b in pairwise(digits)}
    repeats = any(digits == digits[:size] * (len(digits) // size) for size in range(1, len(digits) // 2 + 1))
    return repeats or steps in ({1}, {9})


def check_hint(hint: str | None, pin: Secret) -> str | None:
    """A hint that says something and does not give the PIN away; None where there is none.

    Raises `InvalidRequest`.
    """
    if hint is None or not hint.strip():
        return None
    hint = unicodedata.normalize("NFC", hint.strip())
    if len(hint) > HINT_LENGTH_MAX or not hint.isprintable():
        raise InvalidRequest(f"A hint has up to {HINT_LENGTH_MAX} printable characters.", "pin_hint")
    # Also with something between the digits, and in those of other scripts.
    digits = "".join(str(unicodedata.digit(letter)) for letter in hint if letter.isdigit())
    if pin.reveal() in digits:
        raise InvalidRequest("The hint may not hold the PIN.", "pin_hint")
    return hint


def check_has_pin(card: Card) -> None:
    """Refuse PINs for one-time numbers. Raises `InvalidRequest`."""
    if card.kind not in WITH_PIN:
        raise InvalidRequest("A card of this kind has no PIN.", "pin")


def check_tries(card: Card) -> None:
    """Refuse to compare any more PINs after too many wrong ones. Raises `PinLocked`."""
    if card.pin_failures >= PIN_TRIES_MAX:
        raise PinLocked(card.id)


def state_after_set_up(card: Card) -> CardState:
    """A PIN makes a card that was bought good to spend; an agent's has to be sold first (PP-3, PP-4)."""
    bought = card.state is CardState.INACTIVE and card.batch_id is None
    return CardState.ACTIVE if bought else card.state
