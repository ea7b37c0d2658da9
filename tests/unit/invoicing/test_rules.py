"""What steps of payments are to issuers, in money and units, and what an invoice says."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.factories.treasury import korea

from obverse.authorization.model import ActionKind
from obverse.invoicing import Invoice, InvoiceState
from obverse.invoicing.model import Part, Sums
from obverse.invoicing.rules import draw_up, lines_of, month_begun, units_kept
from obverse.kit.ids import (
    ActionId,
    AuthorizationId,
    MerchantId,
    PartitionId,
    PointsInvoiceId,
    PointsIssuerId,
)
from obverse.kit.money import KRW
from obverse.points import Rate
from obverse.points.rules import units_due_back

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ISSUER = PointsIssuerId(uuid4())
PAYMENT = AuthorizationId(uuid4())
SEOUL = korea()


def a_part(kind: ActionKind, minor: int, leg: tuple[int, int] = (3, 7), invoiced: int = 0) -> Part:
    """A step over a leg of so much money, and so many units."""
    leg_minor, units = leg
    return Part(
        PartitionId(0), ActionId(uuid4()), 0, ISSUER, PAYMENT, MerchantId(uuid4()), kind, minor, leg_minor,
        units, Rate(7, 3), "take-1", "P1", invoiced, NOON,
    )  # fmt: skip


def told(parts: Sequence[Part]) -> list[tuple[int, int]]:
    return [(line.amount_minor, line.units) for line in lines_of(parts, uuid4)]


CAPTURE, REFUND, LOST = ActionKind.CAPTURE, ActionKind.REFUND, ActionKind.DISPUTE_LOST


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param([(CAPTURE, 3)], [(3, 7)], id="captured whole"),
        pytest.param([(CAPTURE, 1), (CAPTURE, 2)], [(1, 3), (2, 4)], id="captured in parts"),
        pytest.param([(CAPTURE, 3), (REFUND, 1), (REFUND, 2)], [(3, 7), (-1, -2), (-2, -5)], id="refunded"),
        pytest.param([(CAPTURE, 3), (LOST, 2)], [(3, 7), (-2, -4)], id="dispute lost"),
        pytest.param([(CAPTURE, 3), (ActionKind.REVERSAL, 3)], [(3, 7), (-3, -7)], id="undone"),
    ],
)
def test_a_step_is_what_it_changes(
    steps: list[tuple[ActionKind, int]], expected: list[tuple[int, int]]
) -> None:
    assert told([a_part(kind, minor) for kind, minor in steps]) == expected


def test_lines_of_before_count() -> None:
    assert told([a_part(REFUND, 1, invoiced=3)]) == [(-1, -2)]


@given(
    leg=st.tuples(st.integers(1, 10**12), st.integers(1, 10**15)),
    shares=st.lists(st.integers(1, 9), min_size=1, max_size=6),
)
def test_p16_the_lines_of_a_leg_are_to_the_unit_what_its_issuer_kept(
    leg: tuple[int, int], shares: list[int]
) -> None:
    minor, units = leg
    back = [minor * share // 60 for share in shares]
    parts = [a_part(CAPTURE, minor, leg), *(a_part(REFUND, each, leg) for each in back if each)]
    lines = told(parts)
    assert sum(units for _, units in lines) == units - units_due_back(units, minor, sum(back))
    assert units_kept(units, minor, 0) == 0


def an_invoice(last: Invoice | None, sums: Sums, day: int = 20) -> Invoice:
    return draw_up(
        ISSUER, KRW, last, sums, invoice_id=PointsInvoiceId(uuid4()), reference="OBV-I-0123456788",
        now=NOON.replace(day=day), due_days=14, calendar=SEOUL,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("received", "sums", "balance", "state"),
    [
        (0, Sums(9, 1, 1, 500, 0), 1_500, InvoiceState.DUE),
        (1_000, Sums(9, 1, 1, 500, 0), 500, InvoiceState.DUE),
        (1_200, Sums(9, 1, 1, 500, 0), 300, InvoiceState.DUE),
        (1_000, Sums(9, 1, -1, 0, 500), -500, InvoiceState.CARRIED_OVER),
        (1_000, Sums(9, 2, 0, 500, 500), 0, InvoiceState.PAID),
    ],
    ids=["unpaid", "paid", "overpaid", "more went back", "as much went back"],
)
def test_the_next_invoice_takes_over_what_is_left(
    received: int, sums: Sums, balance: int, state: InvoiceState
) -> None:
    first = replace(an_invoice(None, Sums(5, 3, 10, 1_000, 0)), received_minor=received)
    second = an_invoice(first, sums)
    assert (second.above_number, second.to_number, second.payments_minor) == (5, 9, received)
    assert (second.balance_minor, second.state) == (balance, state)
    assert (second.due_on is not None) == (balance > 0)
    assert replace(first, is_newest=False).state is InvoiceState.CARRIED_OVER


def test_an_invoice_is_due_when_banks_are_open() -> None:
    assert an_invoice(None, Sums(1, 1, 1, 1, 0), day=21).due_on == date(2026, 12, 7), "not on a Saturday"


def test_a_month_begins_with_its_first_midnight_here() -> None:
    assert month_begun(datetime(2026, 11, 30, 16, tzinfo=UTC), SEOUL) == datetime(
        2026, 11, 30, 15, tzinfo=UTC
    )
    assert month_begun(datetime(2026, 11, 30, 14, tzinfo=UTC), SEOUL) == datetime(
        2026, 10, 31, 15, tzinfo=UTC
    )
