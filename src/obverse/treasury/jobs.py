"""Account numbers follow when keys change: recipients' of transfers, senders' of receipts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from obverse.kit.database import Connection
from obverse.kit.ids import BankTransferId, ReceiptId
from obverse.kit.secret import Sealed
from obverse.treasury.ports import AccountVault
from obverse.treasury.repository import receipts, transfers
from obverse.treasury.service import receipt_context, transfer_context


class _Rows(Protocol):
    """The statements of one table with sealed numbers."""

    async def count_stale(self, conn: Connection, active: int) -> int: ...
    async def lock_stale(self, conn: Connection, active: int, limit: int) -> list[tuple[UUID, Sealed]]: ...
    async def reseal(self, conn: Connection, fresh: Mapping[UUID, Sealed]) -> None: ...


class _Rekey:
    """Seals a table's account numbers anew under the active key. A `Rekey` of the vault's rotation."""

    def __init__(self, name: str, rows: _Rows, context: Callable[[UUID], bytes], vault: AccountVault) -> None:
        self.name = name
        self._rows, self._context, self._vault = rows, context, vault

    async def count(self, conn: Connection) -> int:
        """How many numbers are sealed under an older key."""
        return await self._rows.count_stale(conn, self._vault.active_encryption)

    async def step(self, conn: Connection, limit: int) -> int:
        """Seal up to `limit` numbers anew in the caller's transaction; returns how many."""
        await self._vault.pin_keys(conn)
        stale = await self._rows.lock_stale(conn, self._vault.active_encryption, limit)
        fresh = {}
        for id_, sealed in stale:
            context = self._context(id_)
            fresh[id_] = self._vault.seal(self._vault.open(sealed, context), context)
        await self._rows.reseal(conn, fresh)
        return len(fresh)


def rekeys(vault: AccountVault) -> Sequence[_Rekey]:
    """Everything in this room that is sealed."""
    return (
        _Rekey("bank transfers", transfers, lambda id_: transfer_context(BankTransferId(id_)), vault),
        _Rekey("receipts", receipts, lambda id_: receipt_context(ReceiptId(id_)), vault),
    )
