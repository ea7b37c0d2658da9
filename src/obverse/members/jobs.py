"""What the members room does in the background."""

from collections.abc import Sequence

from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.members.ports import IdentityVault
from obverse.members.repository import factors, profiles, recoveries, seals, sign_ins
from obverse.members.repository.seals import PLACES, Place
from obverse.members.rules import HISTORY_KEPT, LONGEST


class SealsRekey:
    """What is sealed in one place: seal anew under the active key. A `Rekey` of the vault's rotation."""

    def __init__(self, vault: IdentityVault, place: Place) -> None:
        self._vault = vault
        self._place = place
        self.name = place.name

    async def count(self, conn: Connection) -> int:
        """How many rows are sealed under an older key."""
        return await seals.count_stale(conn, self._place, self._vault.active_encryption)

    async def step(self, conn: Connection, limit: int) -> int:
        """Seal up to `limit` rows anew in the caller's transaction; returns how many."""
        vault, place = self._vault, self._place
        await vault.pin_keys(conn)
        stale = await seals.lock_stale(conn, place, vault.active_encryption, limit)
        fresh = []
        for id_, sealed in stale:
            context = place.context_of(id_)
            fresh.append((id_, vault.seal(vault.open(sealed, context), context)))
        await seals.reseal(conn, place, fresh)
        return len(fresh)


def rekeys(vault: IdentityVault) -> Sequence[SealsRekey]:
    """Every kind of row of this room that follows when keys change."""
    return [SealsRekey(vault, place) for place in PLACES]


async def sweep(database: Database, clock: Clock) -> int:
    """Delete what is over: sessions, attempts too old to count, codes, tokens and challenges that have ended,
    and old history; returns how many sessions and attempts went.

    Attempts are also kept for IDs that do not exist, so without this a guesser would fill the table.
    """
    now = clock.now()
    async with database.transaction() as conn:
        await profiles.sweep_changes(conn, now)
        await recoveries.sweep(conn, now)
        await factors.sweep_challenges(conn, now)
        await sign_ins.sweep_sign_ins(conn, now - HISTORY_KEPT)
        sessions = await sign_ins.sweep_sessions(conn, now)
        return sessions + await sign_ins.sweep_attempts(conn, now - LONGEST, now)
