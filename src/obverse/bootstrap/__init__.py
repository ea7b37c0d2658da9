"""The one place where parts are joined: settings in, a running platform out.

`database` opens the database and the keys, `rooms` joins what decides payments, `money` what moves the money
afterwards, `platform` runs it all with both doors open.
"""

from obverse.bootstrap.database import open_database, open_vault, rekeys
from obverse.bootstrap.platform import Platform
from obverse.bootstrap.rooms import MeasuredEngine, Rooms, join_rooms

__all__ = ["MeasuredEngine", "Platform", "Rooms", "join_rooms", "open_database", "open_vault", "rekeys"]
