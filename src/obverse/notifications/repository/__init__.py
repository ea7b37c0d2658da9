"""Notifications in the database: `endpoints` with their secrets, `deliveries`, and the `fan_out` of events
in the order of the outbox.

Locks: the fan-out's turn, then deliveries by event and endpoint, then endpoints by id.
"""

from obverse.notifications.repository import deliveries, endpoints, fan_out

__all__ = ["deliveries", "endpoints", "fan_out"]
