"""What is forgotten of codes once nobody can ask for it any more."""

from datetime import datetime, timedelta
from typing import Final

from obverse.codes import repository
from obverse.kit.clock import Clock
from obverse.kit.database import Database

USED_KEPT: Final = timedelta(days=30)
"""A till may ask for its payment, or take it back, by the code that it was made with (PC-10)."""
UNUSED_KEPT: Final = timedelta(days=1)
"""An old photograph is told from a guess for so long."""
GUESSES_KEPT: Final = timedelta(days=7)
BATCHES_KEPT: Final = timedelta(days=2)
"""The longest that they are counted back is a day."""

_LOOKED_BACK: Final = timedelta(days=2)
"""How far behind `UNUSED_KEPT` unused codes are looked for among used ones. What a platform that stood still
for longer has missed goes with the used ones."""
_AT_ONCE: Final = 5_000


async def sweep(database: Database, clock: Clock) -> int:
    """Delete codes that are over, guesses and counts; returns how many codes. Safe in several processes."""
    now = clock.now()
    over, ended = now - USED_KEPT, now - UNUSED_KEPT
    deleted = await _sweep_codes(database, over, datetime.min.replace(tzinfo=now.tzinfo), unused_only=False)
    deleted += await _sweep_codes(database, ended, ended - _LOOKED_BACK, unused_only=True)
    async with database.transaction() as conn:
        await repository.forget_guesses(conn, now - GUESSES_KEPT)
        await repository.forget_batches(conn, now - BATCHES_KEPT)
    return deleted


async def _sweep_codes(database: Database, before: datetime, since: datetime, *, unused_only: bool) -> int:
    deleted = 0
    while True:
        async with database.transaction() as conn:
            count = await repository.delete_over(conn, before, since, _AT_ONCE, unused_only=unused_only)
        deleted += count
        if count < _AT_ONCE:
            return deleted
