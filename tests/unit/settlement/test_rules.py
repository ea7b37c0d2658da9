"""Rhythms, nets and movements, in tables."""

from datetime import date
from uuid import uuid4

import pytest

from obverse.kit.ids import AccountId, BankTransferId, MerchantId, PartitionId, StatementId
from obverse.kit.money import AMOUNT_MINOR_MAX, KRW, Money
from obverse.ledger import AccountKind
from obverse.ledger.rules import house_account
from obverse.merchants import Rhythm
from obverse.settlement import Payout, PayoutState, Totals
from obverse.settlement.model import Line, Payee
from obverse.settlement.rules import Closing, Movement, close, is_due, movements, state_of
from obverse.treasury import TransferState

THURSDAY = date(2026, 11, 19)
P0, P1 = PartitionId(0), PartitionId(1)
PAYABLE = AccountId(uuid4())


def a_payee(*lines: Totals, rhythm: Rhythm = Rhythm.DAILY, account: bool = True, brought: int = 0) -> Payee:
    """A merchant with one line per partition."""
    id_ = MerchantId(uuid4())
    numbered = [Line(id_, PartitionId(n), totals) for n, totals in enumerate(lines)]
    return Payee(id_, PAYABLE, rhythm, account, brought, numbered)


@pytest.mark.parametrize(
    ("rhythm", "day", "due"),
    [
        (Rhythm.DAILY, THURSDAY, True),
        (Rhythm.DAILY, date(2026, 11, 21), True),
        (Rhythm.WEEKLY, date(2026, 11, 21), False),
        (Rhythm.WEEKLY, date(2026, 11, 22), True),
        (Rhythm.WEEKLY, date(2026, 11, 23), False),
        (Rhythm.WEEKLY, date(2027, 1, 3), True),
        (Rhythm.MONTHLY, date(2026, 11, 29), False),
        (Rhythm.MONTHLY, date(2026, 11, 30), True),
        (Rhythm.MONTHLY, date(2026, 12, 1), False),
        (Rhythm.MONTHLY, date(2026, 12, 31), True),
        (Rhythm.MONTHLY, date(2027, 2, 28), True),
        (Rhythm.MONTHLY, date(2028, 2, 28), False),
        (Rhythm.MONTHLY, date(2028, 2, 29), True),
        (Rhythm.NEVER, date(2026, 11, 30), False),
    ],
    ids=lambda value: str(value),
)
def test_weeks_end_on_sunday_and_months_with_their_last_day(rhythm: Rhythm, day: date, due: bool) -> None:
    assert is_due(rhythm, day) is due


@pytest.mark.parametrize(
    ("payee", "closing"),
    [
        (a_payee(Totals(1_000, fees_minor=20, actions=1)), (980, 0)),
        (a_payee(Totals(1_000, fees_minor=20, actions=1), brought=500), (1_480, 0)),
        (a_payee(Totals(1_000, 300, 200, 100, 20, 5)), (380, 0)),
        (a_payee(Totals(1_000, actions=1), account=False), (0, 1_000)),
        (a_payee(Totals(1_000, actions=1), rhythm=Rhythm.WEEKLY), (0, 1_000)),
        (a_payee(Totals(0, 700, actions=1)), (0, -700)),
        (a_payee(Totals(1_000, actions=1), brought=-700), (300, 0)),
        (a_payee(Totals(600, actions=1), brought=-700), (0, -100)),
        (a_payee(Totals(700, actions=1), brought=-700), (0, 0)),
        (a_payee(Totals(0, 0, 500, 0, -10, 1), brought=600), (110, 0)),
        (a_payee(Totals(1_000, actions=1), Totals(0, 300, actions=1)), (700, 0)),
        (a_payee(Totals(1, actions=1), brought=AMOUNT_MINOR_MAX), (AMOUNT_MINOR_MAX, 1)),
        (a_payee(brought=500), (500, 0)),
        (a_payee(brought=500, account=False), None),
        (a_payee(brought=500, rhythm=Rhythm.MONTHLY), None),
        (a_payee(brought=-500), None),
    ],
    ids=[
        "a day's net", "with what was carried", "all kinds", "no bank account", "not due", "below zero",
        "what was owed is set off", "set off in part", "set off to the last", "a fee given back",
        "two partitions", "more than one transfer holds", "nothing new, due", "nothing new, no account",
        "nothing new, not due", "nothing new, below zero",
    ],
)  # fmt: skip
def test_all_that_is_owed_is_paid_or_carried(payee: Payee, closing: tuple[int, int] | None) -> None:
    decided = close(payee, THURSDAY)
    assert (None if decided is None else (decided.paid_minor, decided.carried_minor)) == closing
    if decided is not None:
        net = decided.totals.net_minor
        assert payee.brought_minor + net == decided.paid_minor + decided.carried_minor


def test_totals_are_added_up_over_partitions() -> None:
    closing = close(a_payee(Totals(1, 2, 3, 4, 5, 6), Totals(10, 20, 30, 40, 50, 60)), THURSDAY)
    assert closing == Closing(Totals(11, 22, 33, 44, 55, 66), 0, 11 - 22 - 33 - 44 - 55)


def house(kind: AccountKind, partition: PartitionId) -> AccountId:
    return house_account(kind, partition, KRW).id


FEES = {partition: house(AccountKind.FEE_INCOME, partition) for partition in (P0, P1)}
TRANSIT = {partition: house(AccountKind.IN_TRANSIT, partition) for partition in (P0, P1)}


@pytest.mark.parametrize(
    ("lines", "moved"),
    [
        ([Totals(1_000, fees_minor=20, actions=1)], [Movement(P0, PAYABLE, FEES[P0], 20)]),
        ([Totals(1_000, actions=1)], []),
        ([Totals(0, 0, 1_000, 0, -20, 1)], [Movement(P0, FEES[P0], PAYABLE, 20)]),
        (
            [Totals(5, actions=1), Totals(1_000, fees_minor=20, actions=1)],
            [
                Movement(P1, PAYABLE, FEES[P1], 20),
                Movement(P1, PAYABLE, TRANSIT[P1], 980),
                Movement(P0, TRANSIT[P0], PAYABLE, 980),
            ],
        ),
        (
            [Totals(5, actions=1), Totals(0, 300, actions=1)],
            [Movement(P1, TRANSIT[P1], PAYABLE, 300), Movement(P0, PAYABLE, TRANSIT[P0], 300)],
        ),
        ([Totals(5, actions=1), Totals(300, 300, actions=2)], []),
    ],
    ids=[
        "fees", "no fees", "fees given back", "brought to the first partition", "a debt brought there",
        "nothing to bring",
    ],
)  # fmt: skip
def test_fees_go_to_income_and_all_else_to_the_first_partition(
    lines: list[Totals], moved: list[Movement]
) -> None:
    assert movements(a_payee(*lines), KRW) == moved


@pytest.mark.parametrize(
    ("transfer", "today", "state"),
    [
        (None, date(2026, 11, 20), PayoutState.SCHEDULED),
        (None, date(2026, 11, 23), PayoutState.WAITING),
        (TransferState.READY, date(2026, 11, 23), PayoutState.READY),
        (TransferState.REFUSED, date(2026, 11, 20), PayoutState.REFUSED),
    ],
    ids=["before its day", "for want of an account", "ordered", "refused"],
)
def test_a_payout_is_where_its_bank_transfer_is(
    transfer: TransferState | None, today: date, state: PayoutState
) -> None:
    payout = Payout(
        BankTransferId(uuid4()), StatementId(uuid4()), MerchantId(uuid4()), Money(1, KRW),
        date(2026, 11, 23), None, None,
    )  # type: ignore[arg-type]  # fmt: skip
    assert state_of(payout, transfer, today) is state


def test_every_state_of_a_transfer_is_one_of_a_payout() -> None:
    assert {state.value for state in TransferState} < {state.value for state in PayoutState}
