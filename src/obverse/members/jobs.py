"""What the members room does in the background."""

from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.members import repository
from obverse.members.model import SealedAddress
from obverse.members.ports import IdentityVault
from obverse.members.rules import LOCK_OUT
from obverse.members.service import address_context


class AddressesRekey:
    """Addresses: seal anew under the active key. A `Rekey` of the vault's rotation."""

    name = "addresses"

    def __init__(self, vault: IdentityVault) -> None:
        self._vault = vault

    async def count(self, conn: Connection) -> int:
        """How many addresses are sealed under an older key."""
        return await repository.count_stale(conn, self._vault.active_encryption)

    async def step(self, conn: Connection, limit: int) -> int:
        """Seal up to `limit` addresses anew in the caller's transaction; returns how many."""
        await self._vault.pin_keys(conn)
        stale = await repository.lock_stale(conn, self._vault.active_encryption, limit)
        fresh = []
        for address in stale:
            context = address_context(address.member_id)
            opened = self._vault.open(address.sealed, context)
            fresh.append(SealedAddress(address.member_id, self._vault.seal(opened, context)))
        await repository.reseal(conn, fresh)
        return len(fresh)


async def sweep(database: Database, clock: Clock) -> int:
    """Delete sessions that are over, and attempts too old to count; returns how many rows went.

    Attempts are also kept for IDs that do not exist, so without this a guesser would fill the table.
    """
    now = clock.now()
    async with database.transaction() as conn:
        sessions = await repository.sweep_sessions(conn, now)
        return sessions + await repository.sweep_attempts(conn, now - LOCK_OUT, now)
