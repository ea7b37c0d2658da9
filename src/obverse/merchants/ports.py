"""What the merchants room needs of the ledger."""

from datetime import datetime
from typing import Protocol

from obverse.kit.database import Connection
from obverse.kit.ids import AccountId, MerchantId


class OpenPayable(Protocol):
    """Opens a merchant's payable account, rolled up, in every partition. Safe to repeat."""

    async def __call__(
        self, conn: Connection, merchant_id: MerchantId, account_id: AccountId, now: datetime
    ) -> None: ...
