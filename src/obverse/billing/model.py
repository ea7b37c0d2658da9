"""Months, bills with their lines, and what a credit line stands at."""

import re
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Final, Self
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import (
    AccountId,
    ActionId,
    AuthorizationId,
    BillId,
    CardId,
    MemberId,
    MerchantId,
    PartitionId,
    ReceiptId,
    SourceId,
)
from obverse.kit.money import CurrencyCode
from obverse.wallet.model import SourceState

_MONTH: Final = re.compile(r"([1-9][0-9]{3})-(0[1-9]|1[0-2])")


class Month(msgspec.Struct, frozen=True, order=True):
    """A calendar month; where it begins and ends depends on the time zone.

    >>> str(Month.parse("2026-12").next())
    '2027-01'
    """

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `YYYY-MM`. Raises `InvalidRequest`."""
        found = _MONTH.fullmatch(text)
        if found is None:
            raise InvalidRequest("A month is written YYYY-MM.", "month")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of(cls, day: date) -> Self:
        return cls(day.year, day.month)

    @property
    def first(self) -> date:
        return date(self.year, self.number, 1)

    def next(self) -> "Month":
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    def previous(self) -> "Month":
        return Month(self.year - (self.number == 1), (self.number - 2) % 12 + 1)

    def begins(self, zone: ZoneInfo) -> datetime:
        """Its first moment, in UTC; it ends with the first moment of the `next`."""
        return datetime(self.year, self.number, 1, tzinfo=zone).astimezone(UTC)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"


class BillTerms(msgspec.Struct, frozen=True):
    """How long the programme waits for its money, in days: until a bill is due, and after that."""

    due_days: int
    grace_days: int


class BillState(StrEnum):
    ISSUED = "issued"
    PARTLY_PAID = "partly_paid"
    PAID = "paid"
    """Also from the start, where nothing was owed. Final."""
    OVERDUE = "overdue"
    """Not paid in full by its due date."""


class Bill(msgspec.Struct, frozen=True):
    """One credit line's month: what was owed before, what came and went, what is owed at its end.

    Amounts in minor units; `balance = previous + charges - credits - payments`, below zero where the member
    has paid too much. Older bills that are still open are in `previous`, so paying the newest pays them all.
    `credited_minor` is everything ever credited to the line's account up to and with this bill: what is
    credited later pays the oldest debt first. `due_minor` is what of this bill is still to be paid, as the
    ledger stands now; `due_on` is None where nothing was owed.
    """

    id: BillId
    partition_id: PartitionId
    member_id: MemberId
    source_id: SourceId
    account_id: AccountId
    month: Month
    currency: CurrencyCode
    previous_minor: int
    charges_minor: int
    credits_minor: int
    payments_minor: int
    balance_minor: int
    credited_minor: int
    reference: str
    due_on: date | None
    state: BillState
    issued_at: datetime
    due_minor: int


class MonthOfLine(msgspec.Struct, frozen=True):
    """What a bill is drawn up from: one credit line, its bill before, and what the month added up to."""

    partition_id: PartitionId
    member_id: MemberId
    source_id: SourceId
    account_id: AccountId
    currency: CurrencyCode
    previous_minor: int
    """The balance of the bill before, 0 where there is none."""
    credited_before_minor: int
    charges_minor: int
    credits_minor: int
    payments_minor: int


class Line(msgspec.Struct, frozen=True):
    """One action's part that a credit line carries; below zero where money came back.

    `kind` is the action's. Whoever may not see where a handed-over card is spent (OT-8) gets no merchant,
    and `charge` or `credit` for a kind.
    """

    action_id: ActionId
    authorization_id: AuthorizationId
    kind: str
    amount_minor: int
    card_id: CardId | None
    merchant_id: MerchantId | None
    merchant_name: str | None
    created_at: datetime


class BillPayment(msgspec.Struct, frozen=True):
    """Money that came in with a bill's reference. Kept with the credit line, whatever bill it named."""

    receipt_id: ReceiptId
    bill_id: BillId
    account_id: AccountId
    amount_minor: int
    created_at: datetime


class RunState(StrEnum):
    COLLECTING = "collecting"
    """Going through the actions for lines."""
    DRAWING_UP = "drawing_up"
    """Going through the credit lines for bills."""
    DONE = "done"


class Run(msgspec.Struct, frozen=True):
    """How far the bills of a month are. There is one run per month; it is done in chunks, by whoever comes.

    Actions created before `scans_from` were seen by earlier runs; once this one is done, the same is true of
    those created before `complete_before`. `at_id` is the last action or credit line gone through; the four
    numbers count what was gone through and what came of it.
    """

    month: Month
    state: RunState
    scans_from: datetime
    complete_before: datetime
    at_id: UUID
    actions: int
    lines: int
    credit_lines: int
    bills: int
    started_at: datetime
    done_at: datetime | None


class Credit(msgspec.Struct, frozen=True):
    """What a credit line stands at now. Amounts in minor units; `owed = due + unbilled`, as the ledger says.

    `available` is what may still be spent: more than the limit by exactly what the member has paid too much.
    """

    member_id: MemberId
    source_id: SourceId
    currency: CurrencyCode
    state: SourceState
    in_arrears: bool
    limit_minor: int
    owed_minor: int
    """Below zero where the member has paid too much."""
    held_minor: int
    """Approved and not yet claimed by merchants, or kept back while a dispute is open."""
    available_minor: int
    due_minor: int
    """Still to be paid of the bills so far."""
    overdue_minor: int
    """The part of `due` whose date has passed."""
    unbilled_minor: int
    """What the next bill adds to it."""
    next_bill_on: date
