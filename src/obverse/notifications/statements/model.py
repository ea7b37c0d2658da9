"""What a day means to one member."""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from obverse.history.model import EntryKind
from obverse.kit.ids import LetterId, MemberId


class Line(msgspec.Struct, frozen=True):
    """One event of the day, over all that paid or received: below zero where it took something.

    There is no merchant where the member may not see where a card is spent (OT-8), and where none had a part.
    """

    at: datetime
    kind: EntryKind
    minor: int
    currency: str
    merchant: str | None = None
    name: str = ""
    last_four: str | None = None


class Day(msgspec.Struct, frozen=True):
    """A member's day, gathered and not told yet. `entries` is how much happened, `lines` the first of it.

    `spent_minor` and `received_minor` are over all of it, in the programme's currency.
    """

    member_id: MemberId
    day: date
    until: datetime
    entries: int
    spent_minor: int
    received_minor: int
    lines: Sequence[Line]


class Told(msgspec.Struct, frozen=True):
    """A member's day that was dealt with; without a letter where none was wanted or could be sent."""

    member_id: MemberId
    day: date
    told_until: datetime
    entries: int
    letter_id: LetterId | None


class ZoneDay(msgspec.Struct, frozen=True):
    """Where a time zone stands: the day that is told next."""

    time_zone: str
    next_day: date
