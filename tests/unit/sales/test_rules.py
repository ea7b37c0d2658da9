"""How sales may be paid, what receipts make of them, and what is given back: tables, no database."""

from datetime import date
from random import Random
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.factories.disputes import a_captured_payment
from tests.factories.ledger import NOON

from obverse.authorization import Decline, Status
from obverse.kit.ids import PartitionId, ReceiptId, SaleId
from obverse.kit.money import KRW, Money
from obverse.kit.references import new_reference
from obverse.merchants import MerchantState, Rhythm
from obverse.sales import (
    SALES_MERCHANT,
    GivesBackTooMuch,
    How,
    Means,
    MeansNotOffered,
    Sale,
    SaleNotPaid,
    SaleState,
    SubjectKind,
    rules,
)
from obverse.treasury import Direction, Receipt

AMOUNT = 30_000


def a_sale(**changes) -> Sale:
    given = {
        "id": SaleId(uuid4()),
        "partition_id": PartitionId(0),
        "subject_kind": SubjectKind.CHARGE,
        "subject_id": uuid4(),
        "member_id": None,
        "amount": Money(AMOUNT, KRW),
        "means": Means.BANK_TRANSFER,
        "state": SaleState.OPEN,
        "source_id": None,
        "reference": "OBV-C-0123456788",
        "authorization_id": None,
        "decline": None,
        "given_back_minor": 0,
        "payer": None,
        "created_at": NOON,
        "expires_at": NOON,
    } | changes
    return Sale(**given)


def a_receipt(minor: int, placed: int = 0) -> Receipt:
    return Receipt(
        id=ReceiptId(uuid4()),
        direction=Direction.CREDIT,
        amount=Money(minor, KRW),
        placed_minor=placed,
        reference="OBV-C-0123456788",
        text="OBV-C-0123456788",
        counterparty="Somebody",
        bank_code=None,
        last_four=None,
        entry_reference="E1",
        booked_on=date(2026, 11, 20),
        created_at=NOON,
    )


def test_pp8_the_house_sells_stored_value_and_is_never_paid_by_settlement() -> None:
    house = rules.house_merchant(NOON)

    assert (house.id, house.category) == (SALES_MERCHANT, "6540")
    assert house.payout.rhythm is Rhythm.NEVER
    assert house.state is MerchantState.ACTIVE


@pytest.mark.parametrize(
    ("received", "taken"),
    [
        ([], []),
        ([29_999], []),
        ([30_000], [30_000]),
        ([30_001], [30_000]),
        ([10_000, 19_999], []),
        ([10_000, 20_000], [10_000, 20_000]),
        ([10_000, 25_000, 5_000], [10_000, 20_000]),
        ([40_000, 30_000], [30_000]),
    ],
    ids=["nothing", "too little", "all", "too much", "two too small", "two", "one too many", "twice"],
)
def test_receipts_pay_a_sale_when_they_pay_all_of_it(received: list[int], taken: list[int]) -> None:
    parts = rules.parts(a_sale(), [a_receipt(minor) for minor in received])

    assert [minor for _, minor in parts] == taken


def test_what_was_placed_before_does_not_pay_again() -> None:
    assert rules.parts(a_sale(), [a_receipt(40_000, placed=15_000)]) == []


@given(st.lists(st.integers(1, 40_000), max_size=8))
def test_never_more_is_taken_than_the_sale_costs_nor_than_came(received: list[int]) -> None:
    parts = rules.parts(a_sale(), [a_receipt(minor) for minor in received])

    assert sum(minor for _, minor in parts) == (AMOUNT if sum(received) >= AMOUNT else 0)
    assert all(0 < minor <= receipt.open_minor for receipt, minor in parts)


@pytest.mark.parametrize(
    ("how", "collects", "refusal"),
    [
        (How(Means.BANK_ACCOUNT, None), False, MeansNotOffered),
        (How(Means.BANK_TRANSFER), False, None),
    ],
)
def test_a_bank_that_is_reached_by_files_does_not_collect(
    how: How, collects: bool, refusal: type[Exception] | None
) -> None:
    if refusal is None:
        rules.check_how(how, collects=collects)
        return
    with pytest.raises(refusal):
        rules.check_how(how, collects=collects)


@pytest.mark.parametrize(
    ("payment", "state", "decline"),
    [
        ({}, SaleState.PAID, None),
        ({"status": Status.PROCESSING}, SaleState.PAYING, None),
        (
            {"status": Status.DECLINED, "decline": Decline.CARD_COMPANY_DECLINED},
            SaleState.DECLINED,
            "card_company_declined",
        ),
        ({"status": Status.REVERSED}, SaleState.DECLINED, "reversed"),
        ({"refunded_minor": 1}, SaleState.DECLINED, "reversed"),
    ],
    ids=["approved", "not answered", "declined", "reversed", "refunded since"],
)
def test_p09_a_sale_is_what_its_payment_is(payment: dict, state: SaleState, decline: str | None) -> None:
    sale = a_sale(means=Means.CARD, state=SaleState.PAYING, reference=None)
    paid = replace(
        a_captured_payment(), amount=sale.amount, captured_minor=AMOUNT, refunded_minor=0, disputed_minor=0
    )

    concluded = rules.conclude(sale, replace(paid, **payment))

    assert (concluded.state, concluded.decline) == (state, decline)


@given(st.lists(st.integers(-1, 40_000), max_size=6), st.sampled_from(list(SaleState)))
def test_p16_never_more_is_given_back_than_was_paid(parts: list[int], state: SaleState) -> None:
    sale = a_sale(state=state)
    given_back = 0
    for part in parts:
        try:
            sale = rules.give_back(sale, part)
        except (GivesBackTooMuch, SaleNotPaid):
            continue
        given_back += part

    assert sale.given_back_minor == given_back <= AMOUNT
    assert (sale.state is SaleState.GIVEN_BACK) == (given_back == AMOUNT or state is SaleState.GIVEN_BACK)
    if state not in (SaleState.PAID, SaleState.DONE):
        assert given_back == 0


@pytest.mark.parametrize("kind", list(SubjectKind))
def test_references_are_read_as_they_are_written_by_hand(kind: SubjectKind) -> None:
    reference = new_reference(rules.PREFIXES[kind], Random(7).randbytes)

    assert rules.reference_of(reference) == reference
    assert rules.reference_of(f"my card {reference.lower()}, thanks") == reference
    assert rules.reference_of(reference[:-1] + ("0" if reference[-1] != "0" else "1")) is None
    assert rules.reference_of("OBV-B-0123456788") is None
