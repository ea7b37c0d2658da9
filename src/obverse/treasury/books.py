"""What the treasury does to the ledger: out through `in_transit`, in through `suspense`.

Totals over partitions count: money comes in at partition 0 and is placed where it belongs, so that the two
`suspense` accounts stand against each other.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from obverse.kit.database import Connection
from obverse.kit.ids import AccountId, NewId, PartitionId, ReceiptId, TransferId
from obverse.kit.money import CurrencyCode
from obverse.ledger import AccountKind, Transfer, TransferKind
from obverse.ledger.rules import house_account
from obverse.ledger.service import enter
from obverse.treasury.model import BankTransfer, Direction, Placement, Receipt, TransferOrder

FIRST: Final = PartitionId(0)
"""Where money arrives before anybody knows whose it is."""


class Books:
    """Enters the treasury's movements, a set at a time, in the caller's transaction.

    Every method raises `TransferRefused` where the ledger refuses one of them.
    """

    def __init__(self, new_id: NewId, currency: CurrencyCode) -> None:
        self._new_id = new_id
        self._currency = currency

    def account(self, kind: AccountKind, partition_id: PartitionId) -> AccountId:
        return house_account(kind, partition_id, self._currency).id

    async def take(self, orders: Sequence[TransferOrder], conn: Connection, now: datetime) -> None:
        """Ordered: debit what pays, credit `in_transit`. Orders whose owner has done so are left out."""
        moves: dict[PartitionId, list[Transfer]] = defaultdict(list)
        for order in orders:
            if order.debit_account_id is not None:
                credit = self.account(AccountKind.IN_TRANSIT, order.partition_id)
                moves[order.partition_id].append(
                    self._transfer(
                        order.debit_account_id, credit, order.amount.amount_minor, order.subject_id, now
                    )
                )
        await _enter(conn, moves)

    async def settle(self, done: Sequence[BankTransfer], conn: Connection, now: datetime) -> None:
        """The bank has booked: debit `in_transit`, credit `bank`."""
        moves: dict[PartitionId, list[Transfer]] = defaultdict(list)
        for transfer in done:
            debit, credit = (
                self.account(kind, transfer.partition_id)
                for kind in (AccountKind.IN_TRANSIT, AccountKind.BANK)
            )
            moves[transfer.partition_id].append(
                self._transfer(debit, credit, transfer.amount.amount_minor, transfer.subject_id, now)
            )
        await _enter(conn, moves)

    async def receive(self, received: Sequence[Receipt], conn: Connection, now: datetime) -> None:
        """Money came in: debit `bank`, credit `suspense`; the other way round where it went out."""
        bank, suspense = (self.account(kind, FIRST) for kind in (AccountKind.BANK, AccountKind.SUSPENSE))
        moves = [
            self._transfer(
                *_turned(receipt.direction, bank, suspense), receipt.amount.amount_minor, receipt.id, now
            )
            for receipt in received
        ]
        await _enter(conn, {FIRST: moves})

    async def place(
        self,
        placements: Sequence[Placement],
        of: Mapping[ReceiptId, Receipt],
        conn: Connection,
        now: datetime,
    ) -> None:
        """It was for this: debit `suspense`, credit the account; the other way round where it went out."""
        moves: dict[PartitionId, list[Transfer]] = defaultdict(list)
        for placement in placements:
            suspense = self.account(AccountKind.SUSPENSE, placement.partition_id)
            sides = _turned(of[placement.receipt_id].direction, suspense, placement.account_id)
            moves[placement.partition_id].append(
                self._transfer(*sides, placement.amount_minor, placement.subject_id, now)
            )
        await _enter(conn, moves)

    def _transfer(
        self, debit: AccountId, credit: AccountId, amount_minor: int, subject_id: UUID, now: datetime
    ) -> Transfer:
        return Transfer(
            id=TransferId(self._new_id()),
            kind=TransferKind.POSTED,
            debit_account_id=debit,
            credit_account_id=credit,
            amount_minor=amount_minor,
            currency=self._currency,
            subject_id=subject_id,
            created_at=now,
        )


def _turned(direction: Direction, debit: AccountId, credit: AccountId) -> tuple[AccountId, AccountId]:
    return (debit, credit) if direction is Direction.CREDIT else (credit, debit)


async def _enter(conn: Connection, moves: Mapping[PartitionId, Sequence[Transfer]]) -> None:
    for partition_id in sorted(moves):
        if moves[partition_id]:
            for refused in await enter(conn, partition_id, moves[partition_id]):
                if refused is not None:
                    raise refused
