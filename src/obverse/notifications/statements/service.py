"""Telling days: gather what is over, then tell it part by part."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.ids import LetterId, MemberId, NewId
from obverse.kit.money import CurrencyCode
from obverse.letters import Letter, Letters
from obverse.members import Contact
from obverse.notifications.ports import Contacts
from obverse.notifications.statements import repository, rules
from obverse.notifications.statements.model import Day, Told, ZoneDay

AT_ONCE: Final = 500
"""Members told in one commit."""
_DAY: Final = timedelta(days=1)


class Statements:
    """What every member is told of their day."""

    def __init__(
        self,
        database: Database,
        contacts: Contacts,
        letters: Letters,
        *,
        clock: Clock,
        new_id: NewId,
        currency: CurrencyCode,
    ) -> None:
        self._database = database
        self._contacts = contacts
        self._letters = letters
        self._clock = clock
        self._new_id = new_id
        self._currency = currency

    async def tell_due(self) -> int:
        """Tell every day that is over and not told, each time zone's in order; returns how many letters.

        Processes share the work: one gathers a day, and each takes some of its members.
        """
        posted = 0
        async with self._database.connection() as conn:
            zones = await repository.zones(conn)
        for time_zone, zone in zones:
            posted += await self._tell_zone(zone or await self._begin(time_zone))
        return posted

    async def of_member(self, member_id: MemberId, before: date | None, limit: int) -> Sequence[Told]:
        """Days that a member was told of, newest first, older than `before`."""
        async with self._database.connection() as conn:
            return await repository.of_member(conn, member_id, before, limit)

    async def _begin(self, time_zone: str) -> ZoneDay:
        """The first member lives there: the day before is the first that is told.

        Whoever joined and paid just before midnight did so before anybody has looked here.
        """
        yesterday = self._clock.now().astimezone(ZoneInfo(time_zone)).date() - _DAY
        zone = ZoneDay(time_zone, yesterday)
        async with self._database.transaction() as conn:
            await repository.open_zone(conn, zone, rules.begins(yesterday, ZoneInfo(time_zone)))
        return zone

    async def _tell_zone(self, zone: ZoneDay) -> int:
        posted = await self._tell_gathered(zone.time_zone)
        while rules.told_at(zone.next_day, ZoneInfo(zone.time_zone)) <= self._clock.now():
            if not await self._gather(zone):
                return posted  # another process is at it
            posted += await self._tell_gathered(zone.time_zone)
            zone = ZoneDay(zone.time_zone, zone.next_day + _DAY)
        return posted

    async def _gather(self, zone: ZoneDay) -> bool:
        own = ZoneInfo(zone.time_zone)
        since = rules.begins(zone.next_day, own) - rules.CAUGHT_UP
        until = rules.begins(zone.next_day + _DAY, own)
        async with self._database.transaction() as conn:
            if not await repository.lock_zone(conn, zone):
                return False
            await repository.gather(conn, zone, since, until)
        return True

    async def _tell_gathered(self, time_zone: str) -> int:
        posted = 0
        while True:
            async with self._database.transaction() as conn:
                days = await repository.take(conn, time_zone, AT_ONCE)
                if not days:
                    return posted
                posted += await self._tell(conn, days)

    async def _tell(self, conn: Connection, days: list[Day]) -> int:
        contacts = await self._contacts.contacts(conn, [day.member_id for day in days])
        letters: list[Letter] = []
        told: list[Told] = []
        for day in days:
            letter = self._letter(day, contacts.get(day.member_id))
            if letter is not None:
                letters.append(letter)
            letter_id = letter.id if letter is not None else None
            told.append(Told(day.member_id, day.day, day.until, day.entries, letter_id))
        await repository.note(conn, told)
        return await self._letters.post(conn, letters)

    def _letter(self, day: Day, contact: Contact | None) -> Letter | None:
        if contact is None:
            return None
        return rules.letter(LetterId(self._new_id()), day, contact, self._currency)
