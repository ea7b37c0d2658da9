"""What people are told, for tests: histories, figures, statements and notices over a house."""

from datetime import timedelta

from tests.factories.stored_value import a_calendar
from tests.factories.wallet import House

from obverse.bootstrap.telling import TellingRooms
from obverse.history import Aggregates, Consents, History
from obverse.kit.money import KRW
from obverse.notifications.notices import ExpiryNotices, Receipts
from obverse.notifications.statements import Statements

MEMBERS_MIN = 5
HOLD = timedelta(days=7)


def telling_rooms(house: House) -> TellingRooms:
    """The rooms as the bootstrap joins them; nothing runs by itself."""
    contacts = house.members.profiles
    given = {"clock": house.clock, "new_id": house.new_id}
    return TellingRooms(
        history=History(house.database),
        consents=Consents(house.database, **given),
        aggregates=Aggregates(house.database, a_calendar(), house.clock, members_min=MEMBERS_MIN, hold=HOLD),
        statements=Statements(house.database, contacts, house.letters, currency=KRW, **given),
        receipts=Receipts(house.database, contacts, house.letters, new_id=house.new_id),
        expiry=ExpiryNotices(house.database, contacts, house.letters, **given),
    )
