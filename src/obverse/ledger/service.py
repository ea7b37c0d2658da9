"""The ledger's batch API: many transfers, decided in order, stored in one commit."""

from collections.abc import Sequence
from typing import Final

import asyncpg

from obverse.kit.database import Connection, Database
from obverse.kit.ids import PartitionId
from obverse.kit.money import CurrencyCode
from obverse.ledger import repository
from obverse.ledger.errors import TransferRefused
from obverse.ledger.model import Account, Break, Transfer, TrialBalanceLine
from obverse.ledger.repository import audit
from obverse.ledger.rules import Books, house_accounts, refusal

_TRIES_MAX: Final = 5


class Ledger:
    """Moves money between accounts, and proves that the balances follow from the journal."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, accounts: Sequence[Account]) -> None:
        """Open accounts; repeating it changes nothing."""
        async with self._database.transaction() as conn:
            await repository.open_accounts(conn, accounts)

    async def open_house(self, partition_ids: Sequence[PartitionId], currency: CurrencyCode) -> None:
        """Open the programme's own accounts; repeating it changes nothing."""
        await self.open(house_accounts(partition_ids, currency))

    async def post(
        self, partition_id: PartitionId, transfers: Sequence[Transfer]
    ) -> list[TransferRefused | None]:
        """Enter transfers in order: each is stored or refused on its own, in one commit for all.

        A `POST` or `VOID` only has to name its `pending_id`; what was resolved before is filled in here.
        Nobody holds a lock on a pending transfer between rolled-up accounts, so two resolutions of one may
        meet; the journal lets one in and the other is decided again.
        """
        for _ in range(_TRIES_MAX - 1):
            try:
                return await self._post_once(partition_id, transfers)
            except asyncpg.UniqueViolationError as error:
                if error.constraint_name != "transfers_resolution":
                    raise
        return await self._post_once(partition_id, transfers)

    async def check(self) -> list[Break]:
        """Compare every balance with the journal, in one snapshot; an empty list is a proof (P2, P4)."""
        async with self._database.transaction() as conn:
            await conn.execute("set transaction isolation level repeatable read, read only")
            return await audit.find_breaks(conn)

    async def trial_balance(self) -> list[TrialBalanceLine]:
        """Debits and credits of every kind of account, from the journal; they add up to zero per currency."""
        async with self._database.connection() as conn:
            return await audit.trial_balance(conn)

    async def _post_once(
        self, partition_id: PartitionId, transfers: Sequence[Transfer]
    ) -> list[TransferRefused | None]:
        async with self._database.transaction() as conn:
            return await enter(conn, partition_id, transfers)


async def enter(
    conn: Connection, partition_id: PartitionId, transfers: Sequence[Transfer]
) -> list[TransferRefused | None]:
    """Load, decide, save, inside the caller's transaction; locks accounts in id order."""
    ids = sorted({id_ for t in transfers for id_ in (t.debit_account_id, t.credit_account_id)})
    locked = {a.id: a for a in await repository.lock_accounts(conn, partition_id, ids)}
    shared = await repository.find_accounts(conn, partition_id, [i for i in ids if i not in locked])
    accounts = {a.id: a for a in shared} | locked
    pending = await repository.load_pending(
        conn, partition_id, [t.pending_id for t in transfers if t.pending_id is not None]
    )
    books = Books(locked.values())
    answers: list[TransferRefused | None] = []
    for transfer in transfers:
        refused = refusal(transfer, accounts, books, pending)
        answers.append(refused)
        if refused is None:
            resolves = transfer.pending_id
            books.enter(transfer if resolves is None else pending[resolves].resolve(transfer))
    await repository.post(conn, partition_id, books.journal)
    return answers
