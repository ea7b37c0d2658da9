"""A till: a payment terminal in a shop, an ISO 8583 client.

It talks to the clearing house, or straight to the provider's acquirer door where there is no clearing house.
"""

from obverse.sandbox.terminal.messages import CardEntry, Shop
from obverse.sandbox.terminal.pin_pad import PinPad
from obverse.sandbox.terminal.points import Account, Part, Pick
from obverse.sandbox.terminal.till import PARTLY, Batch, Receipt, Till

__all__ = [
    "PARTLY",
    "Account",
    "Batch",
    "CardEntry",
    "Part",
    "Pick",
    "PinPad",
    "Receipt",
    "Shop",
    "Till",
]
