"""What a bill says, when it is due, what state it is in, and its payment reference. No I/O, no clock."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from msgspec.structs import replace

from obverse.authorization.model import ActionKind
from obverse.billing.errors import MonthNotOver
from obverse.billing.model import Bill, BillState, Month, MonthOfLine
from obverse.kit import references
from obverse.kit.calendar import Calendar
from obverse.kit.ids import AccountId, BillId

REFERENCE_PREFIX: Final = "OBV-B-"
EFFECTS: Final[Mapping[ActionKind, int]] = {
    ActionKind.CAPTURE: 1,
    ActionKind.REFUND: -1,
    ActionKind.REVERSAL: -1,
    ActionKind.DISPUTE: -1,
    ActionKind.DISPUTE_WON: 1,
}
"""What the steps of a payment do to what a member owes, as the ledger posts them.

A dispute is a provisional credit; when the merchant wins, it ends. When the merchant loses, the credit stays
and nothing moves; a release never was owed.
"""


# references --------------------------------------------------------------------------------------------


def new_reference(random_bytes: Callable[[int], bytes]) -> str:
    """The reference of a new bill, which says nothing about member or amount."""
    return references.new_reference(REFERENCE_PREFIX, random_bytes)


def reference_in(text: str) -> str | None:
    """The bill reference in what somebody wrote on a transfer, as it was issued; None where there is none.

    >>> reference_in("obv-b-ol23456788 thank you")
    'OBV-B-0123456788'
    """
    return references.reference_in(REFERENCE_PREFIX, text)


# months ------------------------------------------------------------------------------------------------


def months_to_open(month: Month, last: Month | None, today: date) -> Sequence[Month]:
    """The months to be begun, in order, so that `month` is billed: all after the `last` one that was begun.

    Where nothing was ever billed, `month` takes along whatever was before it. Raises `MonthNotOver`.
    """
    if month >= Month.of(today):
        raise MonthNotOver
    months = [] if last is not None else [month]
    while last is not None and last < month:
        last = last.next()
        months.append(last)
    return months


# bills -------------------------------------------------------------------------------------------------


def draw_up(
    line: MonthOfLine,
    month: Month,
    *,
    bill_id: BillId,
    reference: str,
    now: datetime,
    due_days: int,
    calendar: Calendar,
) -> Bill | None:
    """A credit line's bill for this month; None where nothing happened and nothing is owed.

    Due `due_days` after its issue, on the next day that banks are open. A balance of zero or below needs no
    payment: it counts as paid, and what was paid too much is carried to the next bill.
    """
    balance_minor = line.previous_minor + line.charges_minor - line.credits_minor - line.payments_minor
    moved = line.charges_minor or line.credits_minor or line.payments_minor
    if not moved and balance_minor <= 0:
        return None
    owed = balance_minor > 0
    return Bill(
        id=bill_id,
        partition_id=line.partition_id,
        member_id=line.member_id,
        source_id=line.source_id,
        account_id=line.account_id,
        month=month,
        currency=line.currency,
        previous_minor=line.previous_minor,
        charges_minor=line.charges_minor,
        credits_minor=line.credits_minor,
        payments_minor=line.payments_minor,
        balance_minor=balance_minor,
        credited_minor=line.credited_before_minor + line.credits_minor + line.payments_minor,
        reference=reference,
        due_on=due_date(calendar.local_date(now), due_days, calendar) if owed else None,
        state=BillState.ISSUED if owed else BillState.PAID,
        issued_at=now,
        due_minor=max(0, balance_minor),
    )


def due_date(issued_on: date, due_days: int, calendar: Calendar) -> date:
    """The day by which a bill is to be paid: never one on which no bank would move the money."""
    return calendar.next_banking_day(issued_on + timedelta(days=due_days))


def due_minor(balance_minor: int, credited_minor: int, credited_now_minor: int) -> int:
    """What of a bill is still to be paid: every credit since it was drawn up pays the oldest debt first.

    Payments and refunds alike, so that nobody is asked for what they do not owe any more.

    >>> due_minor(balance_minor=30_000, credited_minor=5_000, credited_now_minor=15_000)
    20000
    """
    return max(0, balance_minor - (credited_now_minor - credited_minor))


def state_of(bill: Bill, today: date) -> BillState:
    """The state a bill has come to. Credits only grow, so what is paid stays paid."""
    if bill.due_minor == 0:
        return BillState.PAID
    if bill.due_on is not None and today > bill.due_on:
        return BillState.OVERDUE
    return BillState.PARTLY_PAID if bill.due_minor < bill.balance_minor else BillState.ISSUED


def changed(bills: Iterable[Bill], today: date) -> list[Bill]:
    """The bills whose state is not what it was, in the state they have come to."""
    states = ((bill, state_of(bill, today)) for bill in bills)
    return [replace(bill, state=state) for bill, state in states if state is not bill.state]


def last_grace_day(today: date, grace_days: int) -> date:
    """What was due before this day has been unpaid for longer than the programme waits."""
    return today - timedelta(days=grace_days)


def in_arrears(bills: Iterable[Bill], today: date, grace_days: int) -> set[AccountId]:
    """Accounts of credit lines that may not pay any more: something has been overdue for too long."""
    latest = last_grace_day(today, grace_days)
    return {
        bill.account_id
        for bill in bills
        if bill.due_minor and bill.due_on is not None and bill.due_on < latest
    }
