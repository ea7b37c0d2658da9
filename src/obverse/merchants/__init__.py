"""Merchants: online malls, content sites and shops that take payment.

The directory knows each by its id (REST) and by acquirer and merchant number (ISO 8583), together with its
category, its terminals, what it accepts, what it pays and where it is paid, and the ledger account in which
the platform owes it money. Who wants to be one applies, and an operator decides. Source: PF-4.
"""

from obverse.merchants.applications import Applications
from obverse.merchants.errors import ApplicationNotFound, MerchantNotFound, MerchantNumberTaken
from obverse.merchants.jobs import payout_accounts_rekey
from obverse.merchants.model import (
    Application,
    ApplicationState,
    BankAccount,
    Decision,
    Details,
    FeePlan,
    Merchant,
    MerchantChange,
    MerchantState,
    PayoutTerms,
    Rhythm,
    SealedAccount,
    Terms,
)
from obverse.merchants.ports import AccountVault, MakeKey, OpenPayable
from obverse.merchants.rules import fee_minor
from obverse.merchants.service import Merchants

__all__ = [
    "AccountVault",
    "Application",
    "ApplicationNotFound",
    "ApplicationState",
    "Applications",
    "BankAccount",
    "Decision",
    "Details",
    "FeePlan",
    "MakeKey",
    "Merchant",
    "MerchantChange",
    "MerchantNotFound",
    "MerchantNumberTaken",
    "MerchantState",
    "Merchants",
    "OpenPayable",
    "PayoutTerms",
    "Rhythm",
    "SealedAccount",
    "Terms",
    "fee_minor",
    "payout_accounts_rekey",
]
