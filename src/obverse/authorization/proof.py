"""Whether whoever asks has the card in hand: expiry, CVV, PIN and the holder's data. Pure."""

from datetime import datetime
from enum import Enum, auto
from hmac import compare_digest
from typing import Final

from obverse.authorization.model import LOADS, AuthorizationRequest, Entry
from obverse.authorization.usage import CardUsage
from obverse.cards.model import STORED_VALUE, Card, CardKind
from obverse.cards.rules import PIN_TRIES_MAX
from obverse.codes.model import Code
from obverse.codes.rules import is_current, is_spent

ENTRIES_WITHOUT_CARD_PRESENT: Final = frozenset({Entry.ONLINE, Entry.TYPED, Entry.METERED})
"""Whoever only knows a number could have guessed it, so these must bring the CVV or the PIN as well."""


class PinCheck(Enum):
    """What came of comparing the PIN of a request with the card's."""

    NOT_GIVEN = auto()
    RIGHT = auto()
    WRONG = auto()
    LOCKED = auto()
    """Too many were wrong: even the right one does not count until its holder sets another."""


class CodeCheck(Enum):
    """What came of looking at the payment code of a request."""

    NOT_GIVEN = auto()
    """A card's own number was shown."""
    RIGHT = auto()
    UNKNOWN = auto()
    USED = auto()
    OVER = auto()
    """Not good any more, or not yet."""
    GUESSING = auto()
    """Codes that were never made were tried here too often: a right one alone does not count for a while."""


CODE_FAILS: Final = frozenset({CodeCheck.UNKNOWN, CodeCheck.USED, CodeCheck.OVER, CodeCheck.GUESSING})


def code_check(code: Code | None, now: datetime) -> CodeCheck:
    """Whether this code pays now: it was made, is within its time, and has paid nothing yet (PC-7, P10)."""
    if code is None:
        return CodeCheck.UNKNOWN
    if is_spent(code):
        return CodeCheck.USED
    return CodeCheck.RIGHT if is_current(code, now) else CodeCheck.OVER


def pin_check(card: Card, usage: CardUsage, given: bytes | None, *, by_code: bool = False) -> PinCheck:
    """Compare the hash of a PIN with the card's (WA-3).

    Cards with stored value have one, and registered cards for their payment codes; what a terminal sends
    with a registered card itself is the PIN of its card company, and no business of ours.
    """
    has_pin = card.kind in STORED_VALUE or (by_code and card.kind is CardKind.REGISTERED)
    if given is None or not has_pin:
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
    request: AuthorizationRequest, card: Card, face_expiry: str, cvv_ok: bool | None, pin: PinCheck
) -> bool:
    """Whether what came beside the number is the card's own, and enough of it.

    A PIN stands in for CVV and expiry, and so do the agent's till, where money is only paid in, and whoever
    has decided for us; but what comes has to be right. A registered card's CVV is known to its card company
    alone, and typed counts like swiped (PR-12).
    """
    if card.kind is CardKind.REGISTERED:
        return request.expiry == face_expiry
    if request.holder_matches is False or cvv_ok is False:
        return False
    if pin is not PinCheck.NOT_GIVEN or request.purpose in LOADS or request.reported:
        return request.expiry in (None, face_expiry)
    proved = cvv_ok is True or not needs_cvv(request.entry)
    return proved and request.expiry == face_expiry


def needs_cvv(entry: Entry) -> bool:
    """Whether a request by this way of entry must carry the CVV."""
    return entry in ENTRIES_WITHOUT_CARD_PRESENT
