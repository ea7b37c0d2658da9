"""What keys that turn over need of this room."""

from obverse.draws import repository
from obverse.draws.service import account_context
from obverse.kit.database import Connection
from obverse.vault import Vault


class DrawsRekey:
    """Accounts of draws under way: seal anew under the active key. A `Rekey` of the vault's rotation."""

    name = "accounts of draws"

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def count(self, conn: Connection) -> int:
        """How many accounts are sealed under an older key."""
        return await repository.count_stale(conn, self._vault.active_encryption)

    async def step(self, conn: Connection, limit: int) -> int:
        """Seal up to `limit` accounts anew in the caller's transaction; returns how many."""
        vault = self._vault
        await vault.pin_keys(conn)
        fresh = []
        for draw in await repository.lock_stale(conn, vault.active_encryption, limit):
            assert draw.account is not None, "it was found by the key of its account"
            context = account_context(draw.id)
            fresh.append((draw.id, vault.seal(vault.open(draw.account, context), context)))
        await repository.reseal(conn, fresh)
        return len(fresh)
