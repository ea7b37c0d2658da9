"""Charging: money paid into cards that are in use already, and paid out of them again.

A holder charges one card at a time, in units of its programme and up to its ceiling, by any means of the
sales room; a card may charge itself when it runs short; an operator may give value; and what is left of what
was paid in can be refunded to a bank account. Source: PP-8, PP-9, PP-13, WA-6.
"""

from obverse.charging.automatic import Automatic
from obverse.charging.errors import (
    AutomaticChargeNotFound,
    BalanceCeiling,
    BalanceNotRefundable,
    CardNotChargeable,
    CardNotInHand,
    ChargeNotFound,
    ChargeUnit,
    GiftNotRefundable,
    NothingToRefund,
    TooManyCardsTyped,
)
from obverse.charging.in_hand import CardsInHand
from obverse.charging.model import (
    AutomaticCharge,
    AutomaticState,
    BalanceRefund,
    Charge,
    Charged,
    ChargeKind,
    ChargeState,
    ChargeWish,
    RefundWish,
    Shortage,
)
from obverse.charging.pausing import Pausing
from obverse.charging.refunding import Refunding
from obverse.charging.service import Charging

__all__ = [
    "Automatic",
    "AutomaticCharge",
    "AutomaticChargeNotFound",
    "AutomaticState",
    "BalanceCeiling",
    "BalanceNotRefundable",
    "BalanceRefund",
    "CardNotChargeable",
    "CardNotInHand",
    "CardsInHand",
    "Charge",
    "ChargeKind",
    "ChargeNotFound",
    "ChargeState",
    "ChargeUnit",
    "ChargeWish",
    "Charged",
    "Charging",
    "GiftNotRefundable",
    "NothingToRefund",
    "Pausing",
    "RefundWish",
    "Refunding",
    "Shortage",
    "TooManyCardsTyped",
]
