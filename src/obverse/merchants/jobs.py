"""What the merchants room does in the background."""

from obverse.kit.database import Connection
from obverse.merchants import repository
from obverse.merchants.accounts import account_context
from obverse.merchants.ports import AccountVault
from obverse.merchants.repository import SealedNumber


class PayoutAccountsRekey:
    """Merchants' bank account numbers: seal anew under the active key. A `Rekey` of the vault's rotation."""

    name = "payout accounts"

    def __init__(self, vault: AccountVault) -> None:
        self._vault = vault

    async def count(self, conn: Connection) -> int:
        """How many account numbers are sealed under an older key."""
        return await repository.count_stale(conn, self._vault.active_encryption)

    async def step(self, conn: Connection, limit: int) -> int:
        """Seal up to `limit` numbers anew in the caller's transaction; returns how many."""
        await self._vault.pin_keys(conn)
        fresh = []
        for stale in await repository.lock_stale(conn, self._vault.active_encryption, limit):
            context = account_context(stale.merchant_id)
            number = self._vault.open(stale.sealed, context)
            fresh.append(SealedNumber(stale.merchant_id, self._vault.seal(number, context)))
        await repository.reseal(conn, fresh)
        return len(fresh)
