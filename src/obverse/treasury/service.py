"""Paying out and taking in: orders and what the bank makes of them, statements and what they were for."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from obverse.kit import events
from obverse.kit.calendar import Calendar
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.events import Event
from obverse.kit.ids import BankTransferId, EventId, NewId, ReceiptId, to_text
from obverse.kit.money import CurrencyCode, Money
from obverse.treasury import rules
from obverse.treasury.books import Books
from obverse.treasury.errors import (
    BankTransferNotFound,
    BankTransferNotRefused,
    ReceiptNotFound,
    ReceiptPlaced,
    StatementNotOurs,
    StatementUnreadable,
)
from obverse.treasury.model import (
    BankAccount,
    BankTransfer,
    Imported,
    Placement,
    Receipt,
    Statement,
    StatusReport,
    TransferOrder,
    TransferState,
)
from obverse.treasury.ports import (
    AccountVault,
    Answer,
    Bank,
    Batch,
    Outgoing,
    ReadDocument,
    Verdict,
)
from obverse.treasury.repository import receipts, statements, transfers
from obverse.treasury.rules import Booked, Change

BATCH: Final = 500
"""Orders given to the bank, or asked for, at once."""
PATIENCE: Final = timedelta(minutes=1)
"""How long a batch may be on its way before somebody asks what became of it."""
_DAYS_AT_ONCE: Final = 31
_DAY: Final = timedelta(days=1)

_log = structlog.get_logger(__name__)


class Treasury:
    """The programme's bank account."""

    def __init__(
        self,
        database: Database,
        vault: AccountVault,
        bank: Bank,
        read_document: ReadDocument,
        *,
        clock: Clock,
        new_id: NewId,
        calendar: Calendar,
        own: BankAccount,
        currency: CurrencyCode,
    ) -> None:
        self._database = database
        self._vault = vault
        self._bank = bank
        self._read_document = read_document
        self._clock = clock
        self._new_id = new_id
        self._calendar = calendar
        self._own = own
        self._currency = currency
        self._books = Books(new_id, currency)

    # money out ---------------------------------------------------------------------------------------------

    async def order(self, conn: Connection, orders: Sequence[TransferOrder]) -> None:
        """Have these paid out once the caller's transaction is committed; the same id again changes nothing.

        Moves what each costs from its debit account to `in_transit`; locks accounts in id order.
        Raises `InvalidRequest` and `TransferRefused` (`InsufficientFunds` among them): then nothing is.
        """
        orders = list({order.id: order for order in orders}.values())
        for order in orders:
            rules.check_order(order, self._currency)
        now = self._clock.now()
        await self._vault.pin_keys(conn)
        numbers = [self._vault.seal(order.to.number, transfer_context(order.id)) for order in orders]
        new = await transfers.insert(conn, orders, numbers, now)
        await self._books.take([order for order in orders if order.id in new], conn, now)

    async def redirect(self, conn: Connection, id_: BankTransferId, to: BankAccount) -> None:
        """Send what the bank has refused to another account, or to the same one again.

        Raises `BankTransferNotFound`, `BankTransferNotRefused`, `InvalidRequest`.
        """
        rules.check_bank_account(to)
        await self._vault.pin_keys(conn)
        transfer = await transfers.lock(conn, id_)
        if transfer is None:
            raise BankTransferNotFound
        if transfer.state is not TransferState.REFUSED:
            raise BankTransferNotRefused
        number = self._vault.seal(to.number, transfer_context(id_))
        # A new id at the bank, which knows the old one as refused for ever.
        await transfers.redirect(conn, id_, self._new_id(), to, number, self._clock.now())

    async def send(self) -> int:
        """Give what is ready to the bank, batch after batch; returns how many orders that were."""
        sent = 0
        while batch := await self._claim():
            answers = await self._bank.submit(batch)
            wire_ids = [order.wire_id for order in batch.orders]
            await self._record(dict(zip(wire_ids, answers, strict=True)))
            sent += len(answers)
            if any(answer.verdict is Verdict.NO_ANSWER for answer in answers):
                _log.warning("bank_does_not_answer", batch=batch.id.hex)
                break  # one batch to ask for is enough
        return sent

    async def ask(self) -> int:
        """Ask the bank for what it has not settled yet and is due; returns how many orders that were."""
        asked = 0
        while True:
            now = self._clock.now()
            async with self._database.transaction() as conn:
                due = await transfers.claim_to_ask(conn, now, now + PATIENCE, BATCH)
            if not due:
                return asked
            answers = await self._bank.outcomes(due)
            await self._record({each.wire_id: answer for each, answer in zip(due, answers, strict=True)})
            asked += len(due)

    async def _claim(self) -> Batch | None:
        """Commit what will be sent, then send: a kill in between leaves rows that are asked for."""
        now, batch_id = self._clock.now(), self._new_id()
        expires_at = now + PATIENCE / 2
        async with self._database.transaction() as conn:
            claimed = await transfers.claim_ready(conn, batch_id, now, now + PATIENCE, BATCH)
        orders = []
        for each in claimed:
            number = self._vault.open(each.number, transfer_context(each.id))
            to = BankAccount(each.bank_code, number, each.holder)
            orders.append(Outgoing(each.wire_id, each.amount, to, each.reference))
        return Batch(batch_id, now, expires_at, orders) if orders else None

    async def _record(self, answers: Mapping[UUID, Answer]) -> None:
        async with self._database.transaction() as conn:
            await self._apply(conn, answers)

    async def _apply(self, conn: Connection, answers: Mapping[UUID, Answer]) -> int:
        """Carry out what answers mean for those orders that await one; returns how many those were."""
        now = self._clock.now()
        locked = await transfers.lock_sent(conn, list(answers))
        changes = [
            rules.after_answer(sent, answers[wire_id], now)
            for wire_id, sent in locked.items()
            if sent.state in (TransferState.SENT, TransferState.UNKNOWN)
        ]
        await self._carry_out(conn, changes, now)
        return len(changes)

    async def _carry_out(self, conn: Connection, changes: Sequence[Change], now: datetime) -> None:
        """Save decisions on locked transfers, move the money of those that are done, and tell."""
        changed = await transfers.change(conn, changes, now)
        done = [transfer for transfer in changed if transfer.state is TransferState.DONE]
        refused = [transfer for transfer in changed if transfer.state is TransferState.REFUSED]
        await self._books.settle(done, conn, now)
        await events.append(
            conn,
            [self._of_transfer("bank_transfer.done", transfer, now) for transfer in done]
            + [self._of_transfer("bank_transfer.refused", transfer, now) for transfer in refused],
        )

    # money in ----------------------------------------------------------------------------------------------

    async def import_statement(self, content: bytes) -> Imported:
        """Book what is new in a document of the bank's, in one commit; the same again changes nothing.

        A debit that carries the id of an order confirms it. Everything else becomes a receipt, in `suspense`
        until it is placed. Raises `StatementUnreadable`, `StatementNotOurs`: then nothing of it is stored.
        """
        # Beside the event loop: a large document takes longer than a payment may wait.
        read = await asyncio.to_thread(self._read_document, content)
        for each in read:
            if isinstance(each, Statement):
                rules.check_statement(each, self._own, self._currency)
        total = Imported()
        async with self._database.transaction() as conn:
            await self._vault.pin_keys(conn)
            for each in read:
                if isinstance(each, Statement):
                    total += await self._import(conn, each)
                else:
                    total += await self._refuse(conn, each)
        return total

    async def _refuse(self, conn: Connection, report: StatusReport) -> Imported:
        of_batches = await transfers.wire_ids_of(conn, list(report.batches))
        reasons = {wire_id: report.batches[batch] for wire_id, batch in of_batches} | dict(report.orders)
        answers = {wire_id: Answer(Verdict.REFUSED, reason) for wire_id, reason in reasons.items()}
        return Imported(refused=await self._apply(conn, answers))

    async def _import(self, conn: Connection, statement: Statement) -> Imported:
        now, entries = self._clock.now(), statement.entries
        await statements.keep(conn, statement, now)
        orders = await transfers.lock_sent(conn, rules.wire_ids(entries))
        known = await statements.known(conn, entries)
        rules.check_known(entries, known)
        confirmed = await statements.confirmed(conn, [order.id for order in orders.values()])
        booked = rules.sort_out(entries, orders, confirmed, known)
        stored = await statements.book(conn, booked, statement.currency, now)
        new = [each for each in booked if each.entry.reference in stored]
        by_id = {order.id: order for order in orders.values()}
        changes = [
            Change(each.transfer_id, TransferState.DONE)
            for each in new
            if each.transfer_id is not None and by_id[each.transfer_id].state is not TransferState.DONE
        ]
        await self._carry_out(conn, changes, now)
        arrived = [each for each in new if each.transfer_id is None]
        await self._receive(conn, arrived, now)
        return Imported(
            receipts=len(arrived), confirmed=len(new) - len(arrived), known=len(entries) - len(new)
        )

    async def _receive(self, conn: Connection, arrived: Sequence[Booked], now: datetime) -> None:
        received = [self._receipt(each, now) for each in arrived]
        numbers = [
            self._vault.seal(each.entry.account.number, receipt_context(receipt.id))
            if each.entry.account
            else None
            for each, receipt in zip(arrived, received, strict=True)
        ]
        await receipts.insert(conn, received, numbers)
        await self._books.receive(received, conn, now)
        await events.append(conn, [self._of_receipt("receipt.arrived", each, now) for each in received])

    def _receipt(self, booked: Booked, now: datetime) -> Receipt:
        entry = booked.entry
        return Receipt(
            id=ReceiptId(self._new_id()),
            direction=entry.direction,
            amount=Money(entry.amount_minor, self._currency),
            placed_minor=0,
            reference=rules.reference_in(entry.text),
            text=entry.text,
            counterparty=entry.counterparty,
            bank_code=entry.account.bank_code if entry.account else None,
            last_four=entry.account.last_four if entry.account else None,
            entry_reference=entry.reference,
            booked_on=entry.booked_on,
            created_at=now,
        )

    async def place(self, conn: Connection, placements: Sequence[Placement]) -> None:
        """Say what receipts were for: each moves its amount from `suspense` to the account it names.

        Locks receipts, then accounts, both in id order; whoever found the receipts with
        `repository.unplaced` has locked them already. The same placement again changes nothing.
        Raises `ReceiptNotFound`, `ReceiptPlaced` where less is left, `TransferRefused`.
        """
        now = self._clock.now()
        locked = await receipts.lock(conn, [placement.receipt_id for placement in placements])
        if not all(placement.receipt_id in locked for placement in placements):
            raise ReceiptNotFound
        new = await receipts.place(conn, placements, now)
        placed: dict[ReceiptId, int] = defaultdict(int)
        for placement in new:
            placed[placement.receipt_id] += placement.amount_minor
        if any(minor > locked[id_].open_minor for id_, minor in placed.items()):
            raise ReceiptPlaced
        await receipts.count_placed(conn, placed)
        await self._books.place(new, locked, conn, now)
        await events.append(
            conn,
            [self._of_receipt("receipt.placed", locked[id_], now, minor) for id_, minor in placed.items()],
        )

    async def senders(self, conn: Connection, ids: Sequence[ReceiptId]) -> Mapping[ReceiptId, BankAccount]:
        """The accounts that these receipts came from, where the bank told them. What is placed in full is
        forgotten, so whoever may have to pay back asks before placing."""
        return {
            id_: BankAccount(bank_code, self._vault.open(number, receipt_context(id_)), holder)
            for id_, (bank_code, number, holder) in (await receipts.senders(conn, ids)).items()
        }

    async def read_statements(self) -> int:
        """Fetch and import what the bank has to tell; returns how many statements were read.

        One that cannot be read, or is not ours, is told by an event and put away for people to look at.
        """
        files = await self._bank.statements(await self._days_to_read())
        for file in files:
            try:
                await self.import_statement(file.content)
            except (StatementUnreadable, StatementNotOurs) as refusal:
                await self._report(file.name, refusal)
                await self._bank.put_away(file, str(refusal))
            else:
                await self._bank.put_away(file, None)
        return len(files)

    async def _days_to_read(self) -> list[date]:
        """From the last day that was read, which may have had more to come, up to today."""
        today = self._calendar.local_date(self._clock.now())
        async with self._database.connection() as conn:
            first = await statements.last_day(conn) or today - _DAY
        return [first + _DAY * n for n in range(min((today - first).days + 1, _DAYS_AT_ONCE))]

    async def _report(self, name: str, refusal: StatementUnreadable | StatementNotOurs) -> None:
        _log.error("bank_statement_refused", name=name, problem=str(refusal))
        data = {"name": name, "code": refusal.code, "problem": str(refusal)}
        event = Event(
            EventId(self._new_id()), "bank_statement.refused", self._new_id(), data, self._clock.now()
        )
        async with self._database.transaction() as conn:
            await events.append(conn, [event])

    # news --------------------------------------------------------------------------------------------------

    def _of_transfer(self, type_: str, transfer: BankTransfer, now: datetime) -> Event:
        data = {
            "bank_transfer": to_text("bank", transfer.id),
            "amount": transfer.amount.amount_minor,
            "currency": transfer.amount.currency,
            "reason": transfer.reason,
        }
        return Event(EventId(self._new_id()), type_, transfer.id, data, now)

    def _of_receipt(self, type_: str, receipt: Receipt, now: datetime, minor: int | None = None) -> Event:
        data = {
            "receipt": to_text("rcpt", receipt.id),
            "direction": receipt.direction,
            "amount": receipt.amount.amount_minor if minor is None else minor,
            "currency": receipt.amount.currency,
            "reference": receipt.reference,
        }
        return Event(EventId(self._new_id()), type_, receipt.id, data, now)


def transfer_context(id_: BankTransferId) -> bytes:
    """What binds a recipient's sealed number to its row."""
    return f"bank_transfer:{id_}".encode()


def receipt_context(id_: ReceiptId) -> bytes:
    """What binds a sender's sealed number to its row."""
    return f"receipt:{id_}".encode()
