"""Money for sales that comes through the bank: transfers with a reference, and collections.

A collection only makes the money come: it is booked as the receipt that the bank's statement tells of, with
the sale's reference in it, like a transfer that the payer has made. So nothing counts before it is there.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.ids import NewId, SaleId, SourceId, to_text
from obverse.sales import repository, rules
from obverse.sales.model import Sale, SaleState
from obverse.sales.ports import Collection, Collector
from obverse.sales.returning import payer_context, written_account
from obverse.sales.telling import tell
from obverse.treasury import BankAccount, Placement, Receipt, Treasury
from obverse.treasury.ports import Answer, Verdict
from obverse.treasury.repository import receipts as receipt_rows
from obverse.treasury.rules import ask_again_in
from obverse.vault import Vault
from obverse.wallet import BankAccounts

_AT_ONCE: Final = 100
_PATIENCE: Final = timedelta(minutes=1)
"""How long a collection may be on its way before it is asked for again: more than the bank's deadline."""


class SalesAtBank:
    """What the background does at the bank for sales. `collector` None: this bank does not collect."""

    def __init__(
        self,
        database: Database,
        treasury: Treasury,
        accounts: BankAccounts,
        vault: Vault,
        collector: Collector | None,
        *,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._database = database
        self._treasury = treasury
        self._accounts = accounts
        self._vault = vault
        self._collector = collector
        self._clock = clock
        self._new_id = new_id

    # receipts ----------------------------------------------------------------------------------------------

    async def take_receipts(self) -> int:
        """Place what has come in for sales on the sales payable, once it is all there: the chore.

        Too little waits in `suspense`. What is too much, comes after the sale is over, or names no sale of
        ours stays with the treasury, where an operator sees it. Returns how many sales were paid.
        """
        paid = 0
        for prefix in rules.PREFIXES.values():
            after = ""
            while True:
                async with self._database.transaction() as conn:
                    written = await receipt_rows.unplaced_references(conn, prefix, _AT_ONCE, after)
                    paid += await self._take(conn, written)
                if len(written) < _AT_ONCE:
                    break
                after = written[-1]
        return paid

    async def _take(self, conn: Connection, written: Sequence[str]) -> int:
        if not written:
            return 0
        receipts = await receipt_rows.lock_unplaced(conn, written)
        by_reference: dict[str, list[Receipt]] = defaultdict(list)
        for receipt in receipts:
            reference = rules.reference_of(receipt.reference or "")
            if reference is not None:
                by_reference[reference].append(receipt)
        await self._vault.pin_keys(conn)
        waiting = await repository.lock_waiting(conn, by_reference)
        parts = {sale.id: rules.parts(sale, by_reference[ref]) for ref, sale in waiting.items()}
        paid = [sale for sale in waiting.values() if parts[sale.id]]
        payers = await self._treasury.senders(conn, [parts[sale.id][0][0].id for sale in paid])
        await self._treasury.place(
            conn,
            [
                Placement(receipt.id, sale.partition_id, rules.PAYABLE, minor, sale.id)
                for sale in paid
                for receipt, minor in parts[sale.id]
            ],
        )
        now = self._clock.now()
        after = [self._paid(sale, payers.get(parts[sale.id][0][0].id)) for sale in paid]
        await repository.save(conn, after)
        await tell(conn, after, self._new_id, now)
        return len(after)

    def _paid(self, sale: Sale, payer: BankAccount | None) -> Sale:
        """A bank forgets nothing, but the treasury does: where the money came from is the way back."""
        sealed = None
        if (back := rules.way_back(payer)) is not None:
            sealed = self._vault.seal(written_account(back), payer_context(sale.id))
        return replace(sale, state=SaleState.PAID, payer=sealed)

    # collections -------------------------------------------------------------------------------------------

    async def collect(self) -> int:
        """Ask the bank to collect, and again for whatever it has not answered: the chore.

        Committed as asked before it is sent; the sale's id is the collection's, which the bank carries out
        once. Returns how many it was asked for.
        """
        if self._collector is None:
            return 0
        now = self._clock.now()
        async with self._database.transaction() as conn:
            due = await repository.claim_to_collect(conn, now, now + _PATIENCE, _AT_ONCE)
            accounts = await self._accounts.opened(conn, [s.source_id for s in due if s.source_id])
        answers = await self._collector.collect([_collection(sale, accounts) for sale in due])
        verdicts = {sale.id: answer for sale, answer in zip(due, answers, strict=True)}
        await self._record(verdicts, self._clock.now())
        return len(due)

    async def _record(self, answers: Mapping[SaleId, Answer], now: datetime) -> None:
        async with self._database.transaction() as conn:
            locked = await repository.lock(conn, list(answers))
            paying = [sale for sale in locked.values() if sale.state is SaleState.PAYING]
            refused = [sale for sale in paying if answers[sale.id].verdict is Verdict.REFUSED]
            ask_at = {
                sale.id: None
                # Booked: the receipt will come, and pays the sale.
                if answers[sale.id].verdict in (Verdict.DONE, Verdict.REFUSED)
                else now + ask_again_in(sale.asked)
                for sale in paying
            }
            await repository.set_ask_at(conn, ask_at)
            declined = [
                replace(sale, state=SaleState.DECLINED, decline=rules.decline_of(answers[sale.id].reason))
                for sale in refused
            ]
            await repository.save(conn, declined)
            await tell(conn, declined, self._new_id, now)


def _collection(sale: Sale, accounts: Mapping[SourceId, BankAccount]) -> Collection:
    assert sale.reference is not None, "what comes through a bank has a reference"
    assert sale.source_id is not None, "a collection names its account"
    payer = accounts[sale.source_id]
    return Collection(sale.id, sale.amount, payer, to_text("src", sale.source_id), sale.reference)
