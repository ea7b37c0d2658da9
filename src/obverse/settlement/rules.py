"""What a day means to a merchant: pure arithmetic, no I/O and no clock."""

from collections.abc import Iterable
from datetime import date, timedelta
from functools import reduce
from operator import add
from typing import Final

import msgspec

from obverse.kit.ids import AccountId, PartitionId
from obverse.kit.money import AMOUNT_MINOR_MAX, CurrencyCode
from obverse.ledger import AccountKind
from obverse.ledger.rules import house_account
from obverse.merchants.model import Rhythm
from obverse.settlement.model import Line, Payee, Payout, PayoutState, Totals
from obverse.treasury.model import TransferState

HOME: Final = PartitionId(0)
"""Where everything that is owed to a merchant is brought together; partitions are numbered from it."""

_SUNDAY: Final = 6
_DAY: Final = timedelta(days=1)


class Closing(msgspec.Struct, frozen=True):
    """What closing a day decided for one merchant."""

    totals: Totals
    paid_minor: int
    carried_minor: int


class Movement(msgspec.Struct, frozen=True):
    """A transfer to be made in one partition."""

    partition_id: PartitionId
    debit_account_id: AccountId
    credit_account_id: AccountId
    amount_minor: int


def is_due(rhythm: Rhythm, day: date) -> bool:
    """Whether a merchant of this rhythm is paid at the end of this business day.

    Weeks end on Sunday and months with their last day, so that a payout covers whole ones.

    >>> is_due(Rhythm.WEEKLY, date(2026, 11, 22)), is_due(Rhythm.MONTHLY, date(2026, 11, 30))
    (True, True)
    """
    if rhythm is Rhythm.WEEKLY:
        return day.weekday() == _SUNDAY
    if rhythm is Rhythm.MONTHLY:
        return (day + _DAY).day == 1
    return rhythm is Rhythm.DAILY


def close(payee: Payee, day: date) -> Closing | None:
    """Decide what of the merchant's money is paid now and what is carried; None where nothing happened.

    All that is owed is paid where it is above zero, due, and there is a bank account; else all is carried,
    as is what one bank transfer cannot hold.
    """
    totals = reduce(add, (line.totals for line in payee.lines), Totals())
    owed_minor = payee.brought_minor + totals.net_minor
    is_paid = owed_minor > 0 and payee.has_account and is_due(payee.rhythm, day)
    if not payee.lines and not is_paid:
        return None
    paid_minor = min(owed_minor, AMOUNT_MINOR_MAX) if is_paid else 0
    return Closing(totals, paid_minor, owed_minor - paid_minor)


def movements(payee: Payee, currency: CurrencyCode) -> list[Movement]:
    """What the ledger has to move for a merchant's day: fees to income, and everything to one partition.

    What crosses partitions goes through `in_transit` on both sides, so that all partitions together add up.
    The payout itself is moved by the treasury, when it is ordered.
    """
    return [movement for line in payee.lines for movement in _of_line(line, payee.account_id, currency)]


def state_of(payout: Payout, transfer: TransferState | None, today: date) -> PayoutState:
    """Where a payout stands; `transfer` is the state of its bank transfer, None before it was ordered."""
    if transfer is not None:
        return PayoutState(transfer)
    return PayoutState.SCHEDULED if today < payout.pay_on else PayoutState.WAITING


def _of_line(line: Line, payable: AccountId, currency: CurrencyCode) -> Iterable[Movement]:
    here = line.partition_id
    yield from _move(
        here, payable, house_account(AccountKind.FEE_INCOME, here, currency).id, line.totals.fees_minor
    )
    if here != HOME:
        net_minor = line.totals.net_minor
        yield from _move(here, payable, house_account(AccountKind.IN_TRANSIT, here, currency).id, net_minor)
        yield from _move(HOME, house_account(AccountKind.IN_TRANSIT, HOME, currency).id, payable, net_minor)


def _move(
    partition_id: PartitionId, debit: AccountId, credit: AccountId, amount_minor: int
) -> Iterable[Movement]:
    """A transfer; an amount below zero goes the other way round, zero goes nowhere."""
    if amount_minor > 0:
        yield Movement(partition_id, debit, credit, amount_minor)
    elif amount_minor < 0:
        yield Movement(partition_id, credit, debit, -amount_minor)
