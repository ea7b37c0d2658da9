"""The treasury's SQL: `transfers` that go out, `receipts` that come in, `statements` that tell of both.

Owners of transfers and receipts read them here, in their own transactions.
"""

from obverse.treasury.repository.receipts import unplaced
from obverse.treasury.repository.transfers import load_transfers, states

__all__ = ["load_transfers", "states", "unplaced"]
