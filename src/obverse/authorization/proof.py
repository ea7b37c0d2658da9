"""Whether whoever asks has the card in hand: expiry, CVV, PIN and the holder's data. Pure."""

from enum import Enum, auto
from hmac import compare_digest
from typing import Final

from obverse.authorization.model import LOADS, AuthorizationRequest, Entry
from obverse.authorization.usage import CardUsage
from obverse.cards.model import STORED_VALUE, Card
from obverse.cards.rules import PIN_TRIES_MAX

ENTRIES_WITHOUT_CARD_PRESENT: Final = frozenset({Entry.ONLINE, Entry.TYPED, Entry.METERED})
"""Whoever only knows a number could have guessed it, so these must bring the CVV or the PIN as well."""


class PinCheck(Enum):
    """What came of comparing the PIN of a request with the card's."""

    NOT_GIVEN = auto()
    RIGHT = auto()
    WRONG = auto()
    LOCKED = auto()
    """Too many were wrong: even the right one does not count until its holder sets another."""


def pin_check(card: Card, usage: CardUsage, given: bytes | None) -> PinCheck:
    """Compare the hash of a PIN with the card's; a card without stored value has none (WA-3)."""
    if given is None or card.kind not in STORED_VALUE:
        return PinCheck.NOT_GIVEN
    if usage.pin_failures >= PIN_TRIES_MAX:
        return PinCheck.LOCKED
    right = card.pin_hash is not None and compare_digest(card.pin_hash, given)
    return PinCheck.RIGHT if right else PinCheck.WRONG


def count_pin(usage: CardUsage, check: PinCheck) -> None:
    """Count a wrong PIN against the card, and forget earlier ones after a right one."""
    if check is PinCheck.WRONG:
        usage.pin_failures += 1
    elif check is PinCheck.RIGHT:
        usage.pin_failures = 0


def details_match(
    request: AuthorizationRequest, face_expiry: str, cvv_ok: bool | None, pin: PinCheck
) -> bool:
    """Whether what came beside the number is the card's own, and enough of it.

    A PIN stands in for CVV and expiry, and so do the agent's till, where money is only paid in, and whoever
    has decided for us; but what comes has to be right.
    """
    if request.holder_matches is False or cvv_ok is False:
        return False
    if pin is not PinCheck.NOT_GIVEN or request.purpose in LOADS or request.reported:
        return request.expiry in (None, face_expiry)
    proved = cvv_ok is True or not needs_cvv(request.entry)
    return proved and request.expiry == face_expiry


def needs_cvv(entry: Entry) -> bool:
    """Whether a request by this way of entry must carry the CVV."""
    return entry in ENTRIES_WITHOUT_CARD_PRESENT
