"""Settlement: every business day, what each merchant is owed, and paying it out.

A settlement takes the captures, refunds, reversals and lost disputes of one business day, adds them up per
merchant, takes the fees, writes one statement per merchant and orders one bank transfer where something is
due. It goes on where it was interrupted, and the same day twice changes nothing. Source: PF-4, promise P14.
"""

from obverse.settlement.errors import (
    DayNotOver,
    DayPassed,
    PayoutNotFound,
    SettlementNotFound,
    StatementNotFound,
)
from obverse.settlement.jobs import Routine
from obverse.settlement.model import (
    Payout,
    PayoutState,
    Settlement,
    SettlementState,
    Statement,
    Totals,
    TrackedPayout,
)
from obverse.settlement.reports import Reports
from obverse.settlement.service import Settlements

__all__ = [
    "DayNotOver",
    "DayPassed",
    "Payout",
    "PayoutNotFound",
    "PayoutState",
    "Reports",
    "Routine",
    "Settlement",
    "SettlementNotFound",
    "SettlementState",
    "Settlements",
    "Statement",
    "StatementNotFound",
    "Totals",
    "TrackedPayout",
]
