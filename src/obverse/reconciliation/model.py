"""Breaks and comparisons: what does not fit, and the sums it was seen in."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from obverse.kit.ids import BreakId, ReconciliationRunId
from obverse.kit.money import CurrencyCode


class BreakKind(StrEnum):
    """What does not fit. `expected` is what our records say, `found` what the other side says."""

    PAYMENT_DIFFERS_FROM_LEDGER = "payment_differs_from_ledger"
    """A merchant was credited with something else than the payment's captures less what went back."""
    MERCHANT_DIFFERS_FROM_LEDGER = "merchant_differs_from_ledger"
    """A merchant's payable is not what is unsettled plus what was carried."""
    CREDIT_LINE_DIFFERS_FROM_LEDGER = "credit_line_differs_from_ledger"
    """A member owes something else than the credit line has paid, less what came in for it."""
    POINTS_ISSUER_DIFFERS_FROM_LEDGER = "points_issuer_differs_from_ledger"
    """An issuer owes something else than its points have paid, less what came in for them."""
    PAYMENT_DIFFERS_FROM_INVOICES = "payment_differs_from_invoices"
    """Issuers were invoiced, or are to be, for something else than their points have paid of a payment."""
    POINTS_INVOICE_OVERDUE = "points_invoice_overdue"
    """An issuer has not paid its newest invoice in time, or not all of it."""
    HOUSE_ACCOUNT_DIFFERS = "house_account_differs"
    """One of the programme's own accounts is not what the rooms that use it say."""
    PAYMENT_DIFFERS_FROM_PRESENTMENTS = "payment_differs_from_presentments"
    """Card companies were told, or are to be told, of something else than their legs of a payment took."""
    NOT_PRESENTED = "not_presented"
    """A captured linked-card leg that no card company was told of in time."""
    PRESENTMENT_REJECTED = "presentment_rejected"
    """A card company refuses to pay a presentment, which nobody has resubmitted or written off."""
    FILE_NOT_ACKNOWLEDGED = "file_not_acknowledged"
    """A clearing file that its card company has refused, or not acknowledged in time."""
    FILE_TOTALS_DIFFER = "file_totals_differ"
    """A card company took another sum than the accepted presentments add up to."""
    FILE_PAID_DIFFERENTLY = "file_paid_differently"
    """A card company has paid another sum than it took, or nothing in time."""
    RECEIPT_UNPLACED = "receipt_unplaced"
    """Money has come in that nobody has placed."""
    UNKNOWN_BANK_DEBIT = "unknown_bank_debit"
    """Money has left the bank that we did not order."""
    TRANSFER_NOT_ON_STATEMENT = "transfer_not_on_statement"
    """The bank said that it has paid, and no statement shows it."""
    BANK_BALANCE_DIFFERS = "bank_balance_differs"
    """The bank's closing balance is not our bank account's."""
    CARD_COMPANY_BALANCE_DIFFERS = "card_company_balance_differs"
    """What card companies have taken over, or will be told of, is not what our ledger says they owe."""


class Finding(msgspec.Struct, frozen=True):
    """One difference as a run has seen it. `subject` is what it is about: an id as the outside writes it."""

    kind: BreakKind
    subject: str
    expected_minor: int
    found_minor: int
    currency: CurrencyCode

    @property
    def difference_minor(self) -> int:
        """How much more was found than expected."""
        return self.found_minor - self.expected_minor


class BreakState(StrEnum):
    OPEN = "open"
    RESOLVED = "resolved"
    """An operator has explained it."""
    CLEARED = "cleared"
    """It has gone by itself."""


class Break(msgspec.Struct, frozen=True):
    """A difference that was found, and what became of it. `gone_at` is when a run did not see it any more."""

    id: BreakId
    finding: Finding
    state: BreakState
    reason: str | None
    found_at: datetime
    ended_at: datetime | None = None
    gone_at: datetime | None = None


class Comparison(msgspec.Struct, frozen=True):
    """One topic's sum as our records, our ledger and the partner tell it; None where there is no partner."""

    topic: str
    ours_minor: int
    ledger_minor: int
    partner_minor: int | None


class Run(msgspec.Struct, frozen=True):
    """One time that all questions were asked: how many breaks were new, and how many have gone."""

    id: ReconciliationRunId
    ran_at: datetime
    comparisons: Sequence[Comparison]
    found: int
    cleared: int
