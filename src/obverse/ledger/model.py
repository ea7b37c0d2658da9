"""Accounts and transfers: the words of double entry."""

from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from obverse.kit.ids import AccountId, PartitionId, TransferId
from obverse.kit.money import CurrencyCode


class AccountKind(StrEnum):
    """The chart of accounts; docs/chart-of-accounts.md says what each is for."""

    MERCHANT_PAYABLE = "merchant_payable"
    """Liability: what the platform owes a merchant."""
    MEMBER_RECEIVABLE = "member_receivable"
    """Asset: what a member owes on a credit line; its floor is minus the credit limit."""
    CARD_COMPANY_RECEIVABLE = "card_company_receivable"
    """Asset: what card companies owe for approved linked-card legs."""
    POINTS_ISSUER_RECEIVABLE = "points_issuer_receivable"
    """Asset: what a points issuer owes for points of its own that were spent, one account per issuer."""
    STORED_BALANCE = "stored_balance"
    """Liability: money that was paid in for a card, one account per lot; its floor is zero."""
    POINTS = "points"
    """Liability: what the programme's own points are worth, one account per lot; its floor is zero."""
    BANK = "bank"
    """Asset: the platform's own bank account."""
    SUSPENSE = "suspense"
    """What came in and has not been placed yet."""
    IN_TRANSIT = "in_transit"
    """Liability: money on its way out through the bank, which has not confirmed it yet."""
    FEE_INCOME = "fee_income"
    """Income: what merchants pay the programme."""
    DISPUTED = "disputed"
    """Provisional credits of open disputes, until somebody is found to owe them."""
    WRITTEN_OFF = "written_off"
    """Expense: what is owed to us and was given up."""
    EXPIRED_VALUE = "expired_value"
    """Income: stored value that was not spent in time."""
    GIVEN_VALUE = "given_value"
    """Expense: stored value that the programme gives away."""
    POINTS_EXPENSE = "points_expense"
    """Expense: what points cost that accrued with use, less what was taken back or expired."""


HOUSE_ACCOUNTS: Final = (
    AccountKind.CARD_COMPANY_RECEIVABLE,
    AccountKind.BANK,
    AccountKind.SUSPENSE,
    AccountKind.IN_TRANSIT,
    AccountKind.FEE_INCOME,
    AccountKind.DISPUTED,
    AccountKind.WRITTEN_OFF,
    AccountKind.EXPIRED_VALUE,
    AccountKind.GIVEN_VALUE,
    AccountKind.POINTS_EXPENSE,
)
"""Accounts of the programme itself: one each per partition and currency, see `rules.house_account`."""


class Account(msgspec.Struct, frozen=True):
    """One account with its cached balances, all in minor units of `currency`.

    `floor_minor` is how low `available` may bring the account: 0 for stored money, minus the limit for
    a credit line, None where nothing is refused. `rolled_up` accounts are hit by everybody: payments only
    append transfers to them, and a job brings their balances up to date.
    """

    partition_id: PartitionId
    id: AccountId
    kind: AccountKind
    owner_id: UUID | None
    currency: CurrencyCode
    floor_minor: int | None
    rolled_up: bool
    debits_pending_minor: int = 0
    debits_posted_minor: int = 0
    credits_pending_minor: int = 0
    credits_posted_minor: int = 0

    @property
    def available_minor(self) -> int | None:
        """What may still be debited, holds included; None means without limit."""
        if self.floor_minor is None:
            return None
        return (
            self.credits_posted_minor
            - self.debits_posted_minor
            - self.debits_pending_minor
            - self.floor_minor
        )


class TransferKind(StrEnum):
    POSTED = "posted"
    """Final at once."""
    PENDING = "pending"
    """Reserved; moves nothing until posted."""
    POST = "post"
    """Makes (a part of) a pending transfer final."""
    VOID = "void"
    """Releases (a part of) a pending transfer."""


class Transfer(msgspec.Struct, frozen=True):
    """`amount_minor` from the debit to the credit account; a row of the journal, never changed.

    A `POST` or `VOID` names the pending transfer it resolves, that transfer's amount, and how much of it
    was resolved before: two resolutions that believe the same part is open cannot both be stored.
    `subject_id` is what caused the movement: an authorization, a refund, a settlement.
    """

    id: TransferId
    kind: TransferKind
    debit_account_id: AccountId
    credit_account_id: AccountId
    amount_minor: int
    currency: CurrencyCode
    subject_id: UUID
    created_at: datetime
    pending_id: TransferId | None = None
    pending_minor: int | None = None
    resolved_before_minor: int | None = None


class Break(msgspec.Struct, frozen=True):
    """Something that does not add up: `id` is an account, or a transfer for `wrong_resolution`."""

    problem: str
    partition_id: PartitionId
    id: UUID


class TrialBalanceLine(msgspec.Struct, frozen=True):
    """All accounts of one kind and currency, in minor units."""

    currency: str
    kind: str
    debits_pending_minor: int
    debits_posted_minor: int
    credits_pending_minor: int
    credits_posted_minor: int
