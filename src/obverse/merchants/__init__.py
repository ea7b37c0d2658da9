"""Merchants: online malls, content sites and shops that take payment.

The directory knows each by its id (REST) and by acquirer and merchant number (ISO 8583), together with its
category, its terminals and the ledger account in which the platform owes it money. Source: PF-4.
"""

from obverse.merchants.errors import MerchantNotFound, MerchantNumberTaken
from obverse.merchants.model import Merchant, MerchantState
from obverse.merchants.ports import OpenPayable
from obverse.merchants.service import Merchants

__all__ = [
    "Merchant",
    "MerchantNotFound",
    "MerchantNumberTaken",
    "MerchantState",
    "Merchants",
    "OpenPayable",
]
