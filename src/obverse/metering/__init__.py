"""Metering: calls and other services that are charged while they run (PP-5, PP-7).

A session opens against a card, reserves, reports what was used, and is closed, or cut off when nothing is
heard of it. What it reserves are ordinary payments that the engine decides; what was used of one is captured
when it is used up or the session ends, and the rest is released. How much is owed follows from the session's
row alone, so that whoever comes after a crash can end what was begun.
"""

from obverse.metering.errors import (
    CallingServerTaken,
    MeteredPayment,
    SessionNotFound,
    SessionOver,
    TariffExists,
    TariffNotFound,
)
from obverse.metering.grants import Grants
from obverse.metering.model import (
    CallingServer,
    Credential,
    GrantState,
    Metered,
    Opening,
    Prices,
    Report,
    Session,
    SessionState,
    Tariff,
    Terms,
)
from obverse.metering.service import Metering
from obverse.metering.tariffs import Tariffs

__all__ = [
    "CallingServer",
    "CallingServerTaken",
    "Credential",
    "GrantState",
    "Grants",
    "Metered",
    "MeteredPayment",
    "Metering",
    "Opening",
    "Prices",
    "Report",
    "Session",
    "SessionNotFound",
    "SessionOver",
    "SessionState",
    "Tariff",
    "TariffExists",
    "TariffNotFound",
    "Tariffs",
    "Terms",
]
