"""Settlements, their lines, statements and payouts; amounts are of the programme's currency."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum

import msgspec

from obverse.kit.ids import (
    AccountId,
    ActionId,
    AuthorizationId,
    BankTransferId,
    MerchantId,
    PartitionId,
    SettlementId,
    StatementId,
)
from obverse.kit.money import Money
from obverse.merchants.model import Rhythm


class SettlementState(StrEnum):
    GATHERING = "gathering"
    """Actions are being taken into it, chunk by chunk."""
    CLOSING = "closing"
    """All are in it; merchants get their statements, set by set."""
    CLOSED = "closed"
    """Every merchant has its statement, and every payout is written down."""


class Settlement(msgspec.Struct, frozen=True):
    """One business day of the programme: what was created before `cut_off_at` and not settled before.

    Payouts go to the bank on `pay_on`, the first banking day after `day`. `actions` counts what it has taken
    so far.
    """

    id: SettlementId
    day: date
    cut_off_at: datetime
    pay_on: date
    state: SettlementState
    actions: int
    opened_at: datetime
    closed_at: datetime | None


class Totals(msgspec.Struct, frozen=True):
    """What actions of a merchant add up to. Below zero may be `fees_minor`, where fees are given back, and
    `loaded_minor`."""

    captured_minor: int = 0
    refunded_minor: int = 0
    reversed_minor: int = 0
    charged_back_minor: int = 0
    """Disputes that the merchant has lost."""
    fees_minor: int = 0
    actions: int = 0
    loaded_minor: int = 0
    """Cash that an agent has taken for the programme, less what was undone."""

    @property
    def net_minor(self) -> int:
        """What the merchant is owed of it; below zero it owes the platform."""
        given_back = self.refunded_minor + self.reversed_minor + self.charged_back_minor
        return self.captured_minor - given_back - self.fees_minor - self.loaded_minor

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(*(getattr(self, name) + getattr(other, name) for name in self.__struct_fields__))


class Line(msgspec.Struct, frozen=True):
    """One merchant's totals in one partition: what the ledger moves in that partition."""

    merchant_id: MerchantId
    partition_id: PartitionId
    totals: Totals


class Payee(msgspec.Struct, frozen=True):
    """A merchant as it stands when its day is closed. `account_id` is its payable account."""

    merchant_id: MerchantId
    account_id: AccountId
    rhythm: Rhythm
    has_account: bool
    """Whether there is a bank account to pay to."""
    brought_minor: int
    """What its last statement carried."""
    lines: Sequence[Line]


class Statement(msgspec.Struct, frozen=True):
    """What one settlement means to one merchant (P14):
    brought + captured - refunded - reversed - charged back - fees = paid + carried.

    `carried_minor` stays owed until a later statement pays it; below zero the merchant owes it, and later
    captures are set against it.
    """

    id: StatementId
    settlement_id: SettlementId
    day: date
    merchant_id: MerchantId
    brought_minor: int
    totals: Totals
    paid_minor: int
    carried_minor: int
    created_at: datetime


class Payout(msgspec.Struct, frozen=True):
    """What a statement pays. Its id is that of its bank transfer, so that it cannot go out twice.

    `ordered_at` is when it was handed to the treasury: on `pay_on`, or later for want of a bank account.
    """

    id: BankTransferId
    statement_id: StatementId
    merchant_id: MerchantId
    amount: Money
    pay_on: date
    ordered_at: datetime | None
    created_at: datetime


class PayoutState(StrEnum):
    """How far a payout has come; once it is ordered, what the treasury says of its bank transfer."""

    SCHEDULED = "scheduled"
    """Its banking day has not come yet."""
    WAITING = "waiting"
    """Its day has come, and the merchant has no bank account that the bank could pay to."""
    READY = "ready"
    SENT = "sent"
    UNKNOWN = "unknown"
    DONE = "done"
    REFUSED = "refused"


class TrackedPayout(msgspec.Struct, frozen=True):
    """A payout, how far it has come, the bank's reason where it refused, and where it went."""

    payout: Payout
    state: PayoutState
    reason: str | None = None
    last_four: str | None = None
    """Of the account's number."""


class Outcome(msgspec.Struct, frozen=True):
    """What the bank has made of a payout: `DONE` or `REFUSED`, why, and when we learned of it."""

    payout: Payout
    state: PayoutState
    reason: str | None
    at: datetime


class Entry(msgspec.Struct, frozen=True):
    """One action as a statement shows it: `amount_minor` is what it adds to what the merchant is owed."""

    id: ActionId
    authorization_id: AuthorizationId
    kind: str
    amount_minor: int
    fee_minor: int
    created_at: datetime


class DaySum(msgspec.Struct, frozen=True):
    """A statement's actions of one kind and one day of the calendar, added up with the signs of `Entry`."""

    day: date
    kind: str
    actions: int
    amount_minor: int
    fee_minor: int
