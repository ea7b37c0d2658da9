"""The engine's SQL: `payments` on the path of every payment, `actions` for what is done to it afterwards,
`claimed` for what merchants claim.

Functions take and return sets, in the caller's transaction.
"""

from obverse.authorization.repository.actions import (
    actions_of,
    find_actions,
    find_presented,
    insert_actions,
    withdraw_from_presenting,
)
from obverse.authorization.repository.claimed import Claimed, find_claimed
from obverse.authorization.repository.payments import (
    find,
    find_by_key,
    find_overdue,
    find_page,
    find_uncaptured,
    insert,
    lock,
    update,
)

__all__ = [
    "Claimed",
    "actions_of",
    "find",
    "find_actions",
    "find_by_key",
    "find_claimed",
    "find_overdue",
    "find_page",
    "find_presented",
    "find_uncaptured",
    "insert",
    "insert_actions",
    "lock",
    "update",
    "withdraw_from_presenting",
]
