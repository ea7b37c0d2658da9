"""Figures about what consenting members buy, which never tell of few (WA-15)."""

from collections.abc import Sequence
from datetime import timedelta

import structlog

from obverse.history import rules
from obverse.history.model import Dimension, Figure, Month
from obverse.history.repository import cells, consents
from obverse.kit.calendar import Calendar
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import MerchantId

_log = structlog.get_logger(__name__)


class Aggregates:
    """Months are counted once, when everything in them is claimed or released, and stay as they are.

    A cell is one month, merchant, category and denomination. Cells behind which are fewer than `members_min`
    members are forgotten as a month is counted; every figure is a sum of the others.
    """

    def __init__(
        self, database: Database, calendar: Calendar, clock: Clock, *, members_min: int, hold: timedelta
    ) -> None:
        """`hold` is how long a payment may wait for its claim."""
        self._database = database
        self._calendar = calendar
        self._clock = clock
        self._members_min = members_min
        self._hold = hold

    async def count_due(self) -> int:
        """Count the months that are over; returns how many. Each is a commit of its own."""
        counted = 0
        while await self._count_next():
            counted += 1
        return counted

    async def _count_next(self) -> bool:
        now = self._clock.now()
        zone = self._calendar.zone
        async with self._database.transaction() as conn:
            if not await cells.take_turn(conn):
                return False
            first = await consents.first_given_at(conn)
            due = rules.months_to_count(
                Month.of(self._calendar.local_date(first)) if first is not None else None,
                await cells.last_counted(conn),
                Month.of(self._calendar.local_date(now - self._hold)),
            )
            if not due:
                return False
            begins, ends = due[0].begins(zone), due[0].next().begins(zone)
            await cells.count(conn, due[0], begins, ends, self._members_min, now)
        _log.info("purchases_counted", month=str(due[0]))
        return True

    async def figures(
        self, by: Dimension, since: Month, until: Month, merchant_id: MerchantId | None = None
    ) -> Sequence[Figure]:
        """Sums over the months from `since` to `until`, both included. Raises `InvalidRequest`."""
        if until < since:
            raise InvalidRequest("The period ends before it begins.", "until")
        async with self._database.connection() as conn:
            return rules.figures(await cells.read(conn, since, until, merchant_id), by)
