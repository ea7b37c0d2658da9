"""What people are told of what happened, joined: histories and figures, statements and notices."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from obverse.bootstrap.money import Foundation
from obverse.history import Aggregates, Consents, History
from obverse.kit.jobs import Chore
from obverse.kit.money import CurrencyCode
from obverse.members import Members
from obverse.notifications.notices import ExpiryNotices, Receipts
from obverse.notifications.statements import Statements

_TELL_OF_USES_EVERY: Final = timedelta(milliseconds=250)
_TELL_DAYS_EVERY: Final = timedelta(seconds=1)
_ANNOUNCE_EXPIRY_EVERY: Final = timedelta(seconds=5)
_COUNT_PURCHASES_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class TellingRooms:
    """Histories and figures for those who ask; statements and notices for those who do not."""

    history: History
    consents: Consents
    aggregates: Aggregates
    statements: Statements
    receipts: Receipts
    expiry: ExpiryNotices


def join_telling_rooms(base: Foundation, members: Members) -> TellingRooms:
    """Make each and hand it what it needs of the others."""
    settings, database, clock, new_id = base.settings, base.database, base.clock, base.new_id
    return TellingRooms(
        history=History(database),
        consents=Consents(database, clock=clock, new_id=new_id),
        aggregates=Aggregates(
            database,
            base.calendar,
            clock,
            members_min=settings.aggregate_members_min,
            hold=timedelta(days=settings.hold_days),
        ),
        statements=Statements(
            database,
            members.profiles,
            base.letters,
            clock=clock,
            new_id=new_id,
            currency=CurrencyCode(settings.currency),
        ),
        receipts=Receipts(database, members.profiles, base.letters, new_id=new_id),
        expiry=ExpiryNotices(database, members.profiles, base.letters, clock=clock, new_id=new_id),
    )


def telling_chores(rooms: TellingRooms) -> Sequence[Chore]:
    """What is told and counted by itself, again and again."""
    return [
        Chore("tell of uses", _TELL_OF_USES_EVERY, rooms.receipts.run),
        Chore("tell days", _TELL_DAYS_EVERY, rooms.statements.tell_due),
        Chore("announce expiry", _ANNOUNCE_EXPIRY_EVERY, rooms.expiry.announce_due),
        Chore("count purchases", _COUNT_PURCHASES_EVERY, rooms.aggregates.count_due),
    ]
