"""A letter as its room posts it, as it is kept, and what came of sending it."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from obverse.kit.ids import LetterId, MemberId
from obverse.kit.secret import Sealed, Secret


class Channel(StrEnum):
    """How a letter gets to a person; as each member chose (WA-13)."""

    MAIL = "mail"
    SMS = "sms"


class Language(StrEnum):
    KOREAN = "ko"
    ENGLISH = "en"


class LetterState(StrEnum):
    READY = "ready"
    """Waits for its first attempt or the next one."""
    SENDING = "sending"
    """A courier has it in hand; should it die, another takes the letter over."""
    SENT = "sent"
    """Taken by the mail server or the SMS provider."""
    BOUNCED = "bounced"
    """Refused for good: there is no such mailbox or number."""
    FAILED = "failed"
    """Tried for three days in vain, or not to be written: its template and its data do not fit."""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be sent. `data` is what the template is filled with; it is sealed with the address.

    In `data` may stand texts, numbers, lists, mappings, `Money`, `date`, `datetime` and `Secret`. A link is a
    path (`/gifts/...`); the template puts before it where the platform is found. Never a whole card number or
    a PIN. `subject_id` is what the letter is about, `once` a key under which no second letter is ever posted.
    Times are told in `time_zone` (IANA), by default the programme's.
    """

    id: LetterId
    channel: Channel
    to: Secret
    template: str
    language: Language
    data: Mapping[str, object]
    subject_id: UUID
    member_id: MemberId | None = None
    once: str | None = None
    time_zone: str | None = None


class Problem(StrEnum):
    """Why an attempt did not end with the letter being taken. Stable: operators read it."""

    REFUSED = "refused"
    """The mail server or the SMS provider refuses this address for good."""
    POSTPONED = "postponed"
    """It was asked to come again later."""
    UNREACHABLE = "unreachable"
    """No connection, a broken one, or no answer; the letter may have arrived."""
    NOT_WRITTEN = "not_written"
    """The template and the data do not fit: a defect."""


class Attempt(msgspec.Struct, frozen=True):
    """What came of sending a letter once; no `problem` means that it was taken.

    `reply` is the SMTP or HTTP code that was answered, where there was an answer.
    """

    problem: Problem | None
    reply: int | None = None


class LetterStatus(msgspec.Struct, frozen=True):
    """What may be told of a letter: neither to whom it goes nor what it says.

    `attempts` are those since it was posted, or sent again by hand.
    """

    id: LetterId
    channel: Channel
    template: str
    language: Language
    member_id: MemberId | None
    subject_id: UUID
    state: LetterState
    attempts: int
    next_at: datetime | None
    last: Attempt | None
    """The last attempt, where it came to nothing."""
    created_at: datetime
    over_at: datetime | None


class Due(msgspec.Struct, frozen=True):
    """A letter that a courier has in hand; `attempts` counts the one that is coming."""

    id: LetterId
    channel: Channel
    template: str
    language: Language
    subject_id: UUID
    attempts: int
    sealed: Sealed
    created_at: datetime


class Contents(msgspec.Struct, frozen=True):
    """What is sealed of a letter."""

    to: str
    data: dict[str, Any]
    time_zone: str | None = None


class Written(msgspec.Struct, frozen=True):
    """A letter as its reader gets it; an SMS has neither subject nor HTML."""

    id: LetterId
    to: Secret
    subject: str
    text: str
    html: str | None
    created_at: datetime


class Progress(msgspec.Struct, frozen=True):
    """A letter after an attempt."""

    id: LetterId
    state: LetterState
    attempts: int
    next_at: datetime | None
    last: Attempt
