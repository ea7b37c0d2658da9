"""The ledger's SQL: `postings` on the path of every payment, `rollup` beside it, `audit` over all of it."""

from obverse.ledger.repository.postings import (
    find_accounts,
    load_pending,
    lock_accounts,
    open_accounts,
    post,
)

__all__ = ["find_accounts", "load_pending", "lock_accounts", "open_accounts", "post"]
