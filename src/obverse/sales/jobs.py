"""What keys that turn over need of this room."""

from obverse.kit.database import Connection
from obverse.sales import repository
from obverse.sales.returning import payer_context
from obverse.vault import Vault


class SalesRekey:
    """Payers' bank accounts: seal anew under the active key. A `Rekey` of the vault's rotation."""

    name = "payers of sales"

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
        for sale in await repository.lock_stale(conn, vault.active_encryption, limit):
            assert sale.payer is not None, "it was found by the key of its payer"
            context = payer_context(sale.id)
            fresh.append((sale.id, vault.seal(vault.open(sale.payer, context), context)))
        await repository.reseal(conn, fresh)
        return len(fresh)
