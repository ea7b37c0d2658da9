"""The ledger: every movement of money is a transfer between two accounts, in minor units, append-only.

Transfers are never changed; a reservation is a pending transfer that a later one posts or voids. Balances are
a cache that `obverse ledger check` proves against the journal. Source: PF-2, docs/chart-of-accounts.md.
"""

from obverse.ledger.errors import TransferRefused
from obverse.ledger.model import Account, AccountKind, Transfer, TransferKind
from obverse.ledger.rules import Books
from obverse.ledger.service import Ledger

__all__ = ["Account", "AccountKind", "Books", "Ledger", "Transfer", "TransferKind", "TransferRefused"]
