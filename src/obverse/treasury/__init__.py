"""Treasury: money that enters and leaves through the bank, and the only room that talks to it.

Owners order transfers in their own transaction and read how far they have come; what comes in is booked at
once and waits to be placed. Each order leaves the bank once, each entry of a statement counts once.
Source: docs/bank.md, P14.
"""

from obverse.treasury.desk import Decision, Desk
from obverse.treasury.errors import (
    BankTransferNotFound,
    BankTransferNotRefused,
    ReceiptNotFound,
    ReceiptPlaced,
    SenderUnknown,
    StatementNotOurs,
    StatementUnreadable,
)
from obverse.treasury.jobs import rekeys
from obverse.treasury.model import (
    BankAccount,
    BankTransfer,
    Direction,
    Imported,
    Placement,
    Receipt,
    Statement,
    StatementEntry,
    TransferOrder,
    TransferState,
)
from obverse.treasury.service import Treasury

__all__ = [
    "BankAccount",
    "BankTransfer",
    "BankTransferNotFound",
    "BankTransferNotRefused",
    "Decision",
    "Desk",
    "Direction",
    "Imported",
    "Placement",
    "Receipt",
    "ReceiptNotFound",
    "ReceiptPlaced",
    "SenderUnknown",
    "Statement",
    "StatementEntry",
    "StatementNotOurs",
    "StatementUnreadable",
    "TransferOrder",
    "TransferState",
    "Treasury",
    "rekeys",
]
