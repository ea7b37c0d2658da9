"""Billing: what members owe on credit lines, month by month (OT-17, second half).

A bill adds up what a month's captures, refunds and disputes did to a credit line; money that comes in with
its reference pays it; a line that is overdue for too long stops paying until then. See docs/billing.md.
"""

from obverse.billing.errors import BillNotFound, CreditLineNotFound, MonthNotOver, MonthPassed
from obverse.billing.issuing import Issuing
from obverse.billing.model import (
    Bill,
    BillPayment,
    BillState,
    BillTerms,
    Credit,
    Line,
    Month,
    Run,
    RunState,
)
from obverse.billing.service import Billing

__all__ = [
    "Bill",
    "BillNotFound",
    "BillPayment",
    "BillState",
    "BillTerms",
    "Billing",
    "Credit",
    "CreditLineNotFound",
    "Issuing",
    "Line",
    "Month",
    "MonthNotOver",
    "MonthPassed",
    "Run",
    "RunState",
]
