"""What is an address, when to try again, and what becomes of a letter after an attempt."""

import re
from datetime import datetime, timedelta
from typing import Final

from obverse.kit.errors import InvalidRequest
from obverse.kit.secret import Secret
from obverse.letters.model import Attempt, Due, LetterState, Problem, Progress

ADDRESS_LENGTH_MAX: Final = 254
"""RFC 5321, as the erratum on section 4.5.3.1.3 counts it."""

SMS_LENGTH_MAX: Final = 1_000
"""Characters of a text message: what a long message (LMS) of 2,000 bytes holds of Korean."""

RETRY_AFTER: Final = tuple(
    timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 360, 720, 1_440, 1_539)
)
"""How long to wait after each attempt that came to nothing: three days in all."""

ATTEMPTS_MAX: Final = len(RETRY_AFTER) + 1

_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_MAIL_ADDRESS: Final = re.compile(rf"(?P<local>{_ATOM}(?:\.{_ATOM})*)@(?P<domain>{_LABEL}(?:\.{_LABEL})*)")
_PHONE_NUMBER: Final = re.compile(r"\+?[0-9]{8,15}")
_PHONE_SPACING: Final = re.compile(r"[ .()-]")


def check_mail_address(address: Secret, param: str = "mail") -> Secret:
    """A mail address that letters can be sent to: ASCII, unquoted, at most 254 characters.

    Nothing that passes can hold a line break, a space or a second address. Raises `InvalidRequest`.
    """
    text = address.reveal().strip()
    found = _MAIL_ADDRESS.fullmatch(text)
    if found is None or len(text) > ADDRESS_LENGTH_MAX or len(found["local"]) > 64:
        raise InvalidRequest("That is not a mail address.", param)
    return Secret(text)


def check_phone_number(number: Secret, param: str = "phone") -> Secret:
    """A telephone number without its spacing: 8 to 15 digits (E.164), a plus before international ones.

    Raises `InvalidRequest`.
    """
    text = _PHONE_SPACING.sub("", number.reveal().strip())
    if _PHONE_NUMBER.fullmatch(text) is None:
        raise InvalidRequest("That is not a telephone number.", param)
    return Secret(text)


def after(due: Due, attempt: Attempt, now: datetime) -> Progress:
    """What becomes of a letter after this attempt."""

    def progress(state: LetterState, next_at: datetime | None = None) -> Progress:
        return Progress(due.id, state, due.attempts, next_at, attempt)

    match attempt.problem:
        case None:
            return progress(LetterState.SENT)
        case Problem.REFUSED:
            return progress(LetterState.BOUNCED)
        case Problem.NOT_WRITTEN:
            return progress(LetterState.FAILED)
    if due.attempts >= ATTEMPTS_MAX:
        return progress(LetterState.FAILED)
    return progress(LetterState.READY, now + RETRY_AFTER[due.attempts - 1])
