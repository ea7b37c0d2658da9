"""What operators decide about transfers and receipts: each with a reason, in the audit log, once per key."""

from uuid import UUID

import msgspec

from obverse.kit import audit
from obverse.kit.audit import AuditEntry
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import InvalidRequest, KeyReused
from obverse.kit.ids import AccountId, AuditId, BankTransferId, NewId, PartitionId, ReceiptId, to_text
from obverse.kit.paging import Page, PageRequest
from obverse.kit.secret import Secret
from obverse.ledger import AccountKind
from obverse.ledger.rules import house_account
from obverse.treasury import rules
from obverse.treasury.books import FIRST
from obverse.treasury.errors import BankTransferNotFound, ReceiptNotFound, ReceiptPlaced, SenderUnknown
from obverse.treasury.model import (
    BankAccount,
    BankTransfer,
    Direction,
    Placement,
    Receipt,
    TransferOrder,
    TransferState,
)
from obverse.treasury.ports import AccountVault
from obverse.treasury.repository import receipts, statements, transfers
from obverse.treasury.service import Treasury, receipt_context


class Decision(msgspec.Struct, frozen=True):
    """Who decides, why, and the key that makes a repeat of it the same decision (None: never repeated)."""

    actor: str
    reason: str
    request_key: str | None = None


class Desk:
    """The treasury as operators see it."""

    def __init__(
        self, database: Database, vault: AccountVault, treasury: Treasury, *, clock: Clock, new_id: NewId
    ) -> None:
        self._database = database
        self._vault = vault
        self._treasury = treasury
        self._clock = clock
        self._new_id = new_id

    # bank transfers ----------------------------------------------------------------------------------------

    async def transfer(self, id_: BankTransferId) -> BankTransfer:
        """Raises `BankTransferNotFound`."""
        async with self._database.connection() as conn:
            found = (await transfers.load_transfers(conn, [id_])).get(id_)
        if found is None:
            raise BankTransferNotFound
        return found

    async def transfers(self, page: PageRequest, state: TransferState | None = None) -> Page[BankTransfer]:
        """Transfers, newest first; with `state`, those in it."""
        async with self._database.connection() as conn:
            return await transfers.find_page(conn, page, state)

    async def retry(self, id_: BankTransferId, to: BankAccount, decision: Decision) -> BankTransfer:
        """Send what the bank has refused again, to a corrected account.

        Raises `BankTransferNotFound`, `BankTransferNotRefused`, `InvalidRequest`, `KeyReused`.
        """
        async with self._database.transaction() as conn:
            if await self._is_new(conn, decision, "retry", id_, _told(to)):
                await self._treasury.redirect(conn, id_, to)
                await self._record(conn, decision, "bank_transfer.retried", to_text("bank", id_))
        return await self.transfer(id_)

    # receipts ----------------------------------------------------------------------------------------------

    async def receipt(self, id_: ReceiptId) -> Receipt:
        """Raises `ReceiptNotFound`."""
        async with self._database.connection() as conn:
            found = (await receipts.load(conn, [id_])).get(id_)
        if found is None:
            raise ReceiptNotFound
        return found

    async def receipts(self, page: PageRequest, *, unplaced_only: bool = False) -> Page[Receipt]:
        """What came in, newest first."""
        async with self._database.connection() as conn:
            return await receipts.find_page(conn, page, unplaced_only=unplaced_only)

    async def assign(self, id_: ReceiptId, reference: str, decision: Decision) -> Receipt:
        """Give a receipt the reference that its sender forgot or misspelt; whoever owns it then places it.

        Raises `ReceiptNotFound`, `ReceiptPlaced`, `InvalidRequest`, `KeyReused`.
        """
        told = rules.reference_in(reference)
        if told is None or told != reference.strip().upper():
            raise InvalidRequest("A reference is written OBV-X-XXXXXXXXXX.", "reference")
        async with self._database.transaction() as conn:
            if await self._is_new(conn, decision, "assign", id_, told):
                await self._open_receipt(conn, id_)
                await receipts.set_reference(conn, id_, told)
                await self._record(
                    conn, decision, "receipt.assigned", to_text("rcpt", id_), {"reference": told}
                )
        return await self.receipt(id_)

    async def place(
        self, id_: ReceiptId, partition_id: PartitionId, account_id: AccountId, decision: Decision
    ) -> Receipt:
        """Place all that is left of a receipt on an account.

        Raises `ReceiptNotFound`, `ReceiptPlaced`, `TransferRefused`, `InvalidRequest`, `KeyReused`.
        """
        async with self._database.transaction() as conn:
            if await self._is_new(conn, decision, "place", id_, f"{partition_id}:{account_id}"):
                receipt = await self._open_receipt(conn, id_)
                await self._place_all(conn, receipt, partition_id, account_id, id_)
                data = {"account": str(account_id)}
                await self._record(conn, decision, "receipt.placed", to_text("rcpt", id_), data)
        return await self.receipt(id_)

    async def send_back(self, id_: ReceiptId, to: BankAccount | None, decision: Decision) -> Receipt:
        """Return all that is left of a receipt to where it came from, or to the account given.

        Raises `ReceiptNotFound`, `ReceiptPlaced`, `SenderUnknown`, `InvalidRequest`, `KeyReused`.
        """
        async with self._database.transaction() as conn:
            if await self._is_new(conn, decision, "send_back", id_, _told(to) if to else ""):
                receipt = await self._open_receipt(conn, id_)
                if receipt.direction is Direction.DEBIT:
                    raise InvalidRequest("Only what came in can be sent back.", "receipt")
                order = await self._way_back(conn, receipt, to)
                # The placement moves the money to `in_transit`, so the order finds it there.
                in_transit = house_account(AccountKind.IN_TRANSIT, FIRST, receipt.amount.currency).id
                await self._place_all(conn, receipt, FIRST, in_transit, order.id)
                await self._treasury.order(conn, [order])
                data = {"bank_transfer": to_text("bank", order.id)}
                await self._record(conn, decision, "receipt.sent_back", to_text("rcpt", id_), data)
        return await self.receipt(id_)

    async def _open_receipt(self, conn: Connection, id_: ReceiptId) -> Receipt:
        receipt = (await receipts.lock(conn, [id_])).get(id_)
        if receipt is None:
            raise ReceiptNotFound
        if not receipt.open_minor:
            raise ReceiptPlaced
        return receipt

    async def _place_all(
        self,
        conn: Connection,
        receipt: Receipt,
        partition_id: PartitionId,
        account_id: AccountId,
        subject_id: UUID,
    ) -> None:
        placement = Placement(receipt.id, partition_id, account_id, receipt.open_minor, subject_id)
        await self._treasury.place(conn, [placement])

    async def _way_back(self, conn: Connection, receipt: Receipt, to: BankAccount | None) -> TransferOrder:
        if to is None:
            sender = await receipts.sender(conn, receipt.id)
            if sender is None:
                raise SenderUnknown
            bank_code, sealed = sender
            number = self._vault.open(sealed, receipt_context(receipt.id))
            to = BankAccount(bank_code, number, receipt.counterparty)
        return TransferOrder(
            id=BankTransferId(self._new_id()),
            partition_id=FIRST,
            amount=msgspec.structs.replace(receipt.amount, amount_minor=receipt.open_minor),
            to=to,
            reference=f"Returned {receipt.booked_on}",
            subject_id=receipt.id,
            debit_account_id=None,
        )

    # once, and on record -----------------------------------------------------------------------------------

    async def _is_new(self, conn: Connection, decision: Decision, what: str, id_: UUID, told: str) -> bool:
        """Whether this decision has not been carried out; it is remembered in the same commit.

        Raises `KeyReused` for a key that came with another decision, `InvalidRequest` for a bad reason.
        """
        audit.check_reason(decision.reason)
        if decision.request_key is None:
            return True
        # Keyed, because an account number is among what is told: a plain digest of it could be guessed.
        message = msgspec.json.encode((what, id_, told, decision.reason)).decode()
        fingerprint = self._vault.token_hash(Secret(message))
        earlier = await statements.remember_command(
            conn, decision.request_key, fingerprint, self._clock.now()
        )
        if earlier not in (None, fingerprint):
            raise KeyReused
        return earlier is None

    async def _record(
        self,
        conn: Connection,
        decision: Decision,
        action: str,
        subject: str,
        data: dict[str, str] | None = None,
    ) -> None:
        entry = AuditEntry(
            id=AuditId(self._new_id()),
            actor=decision.actor,
            action=action,
            subject=subject,
            reason=audit.check_reason(decision.reason),
            created_at=self._clock.now(),
            data=data or {},
        )
        await audit.record(conn, [entry])


def _told(account: BankAccount) -> str:
    return f"{account.bank_code}:{account.number.reveal()}:{account.holder}"
