"""Moving a test's clock to a moment."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from obverse.kit.clock import Clock


def go_to(clock: Clock, moment: datetime) -> datetime:
    """Move the clock forward to this moment; returns it in UTC."""
    ahead = moment - clock.now()
    assert ahead.total_seconds() >= 0, "time does not go back"
    clock.move_to(clock.offset + ahead)
    return moment.astimezone(UTC)


def local(zone: str, text: str) -> datetime:
    """A moment on the clock of a place: `2027-03-14 08:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
