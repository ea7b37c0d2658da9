"""Checkouts: orders of affiliated malls, kept and compared before they are paid (WA-7).

The member's wallet program leaves the order with us and picks a card; the mall's server then asks for money
naming only the order. What does not match exactly is not paid. No card number and nothing personal passes
the mall. Described in docs/checkouts.md.
"""

from obverse.checkouts.errors import (
    CheckoutExists,
    CheckoutExpired,
    CheckoutMismatch,
    CheckoutNotFound,
    CheckoutVoid,
)
from obverse.checkouts.model import Checkout, CheckoutState, Item, Kept, Order
from obverse.checkouts.rules import ITEMS_MAX, MISMATCHES_MAX
from obverse.checkouts.service import SESSION_PREFIX, Checkouts

__all__ = [
    "ITEMS_MAX",
    "MISMATCHES_MAX",
    "SESSION_PREFIX",
    "Checkout",
    "CheckoutExists",
    "CheckoutExpired",
    "CheckoutMismatch",
    "CheckoutNotFound",
    "CheckoutState",
    "CheckoutVoid",
    "Checkouts",
    "Item",
    "Kept",
    "Order",
]
