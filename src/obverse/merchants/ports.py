"""What the merchants room needs of the ledger, the vault and access."""

from datetime import datetime
from typing import Protocol

from obverse.kit.database import Connection
from obverse.kit.ids import AccountId, ApiKeyId, MerchantId
from obverse.kit.secret import Sealed, Secret


class OpenPayable(Protocol):
    """Opens a merchant's payable account, rolled up, in every partition. Safe to repeat."""

    async def __call__(
        self, conn: Connection, merchant_id: MerchantId, account_id: AccountId, now: datetime
    ) -> None: ...


class AccountVault(Protocol):
    """Keyed hashes and seals; the keys stay behind it."""

    @property
    def active_encryption(self) -> int:
        """The key version that `seal` uses."""
        ...

    def token_hash(self, token: Secret) -> bytes: ...

    def seal(self, plain: Secret, context: bytes) -> Sealed:
        """`context` names the place; a sealed text does not open anywhere else."""
        ...

    def open(self, sealed: Sealed, context: bytes) -> Secret: ...

    async def pin_keys(self, conn: Connection) -> None:
        """Keep key versions as they are until this transaction ends; comes before storing what was sealed."""
        ...


class MakeKey(Protocol):
    """Makes a merchant's first API key in the caller's commit; the token can never be had again."""

    async def __call__(self, conn: Connection, merchant_id: MerchantId) -> tuple[ApiKeyId, Secret]: ...
