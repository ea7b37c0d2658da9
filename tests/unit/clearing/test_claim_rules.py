"""Which payment a claim stands for, as a table."""

import pytest
from msgspec.structs import replace
from tests.factories.acquirer import authorization
from tests.factories.claims import EUR, SHOP, a_claim

from obverse.authorization.model import Entry, Status
from obverse.clearing.claims import (
    Bucket,
    ClaimKind,
    ClaimRecord,
    Count,
    Outcome,
    Reason,
    Road,
    Verdict,
    rules,
)
from obverse.kit.ids import AuthorizationId, ClaimId, MerchantId
from obverse.kit.money import KRW, Money

APPROVED = replace(authorization(), merchant_id=SHOP)
ANOTHER = MerchantId(ClaimId(SHOP))
MATCHED = Verdict(Outcome.MATCHED)
PAID_AT_ONCE = Verdict(Outcome.PAID, repeated=True)


def refused(reason: Reason) -> Verdict:
    return Verdict(Outcome.REFUSED, reason)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, MATCHED),
        ({"merchant_id": None}, refused(Reason.WRONG_MERCHANT)),
        ({"amount": Money(34_000, EUR)}, refused(Reason.WRONG_CURRENCY)),
        ({"amount": Money(0, KRW)}, refused(Reason.NOT_APPROVED)),
        ({"status": Status.DECLINED}, refused(Reason.NOT_APPROVED)),
        ({"status": Status.PROCESSING}, refused(Reason.NOT_APPROVED)),
        # Whatever may be another answer for a repeat is left to the engine.
        ({"status": Status.REVERSED}, MATCHED),
        ({"status": Status.EXPIRED}, MATCHED),
        ({"captured_minor": 34_000}, MATCHED),
        ({"captured_at_once": True, "captured_minor": 34_000}, PAID_AT_ONCE),
        ({"captured_at_once": True, "amount": Money(34_001, KRW)}, MATCHED),
        ({"captured_at_once": True, "status": Status.REVERSED}, MATCHED),
        ({"entry": Entry.METERED}, refused(Reason.ALREADY_CAPTURED)),
    ],
    ids=[
        "right", "elsewhere", "other currency", "a check", "declined", "undecided", "reversed", "expired",
        "captured", "captured at once", "at once, another amount", "at once, reversed", "metered",
    ],
)  # fmt: skip
def test_a_claim_is_compared_with_its_payment(changes: dict, verdict: Verdict) -> None:
    assert rules.match(a_claim(), replace(APPROVED, **changes)) == verdict


def test_no_payment_is_no_such_payment() -> None:
    assert rules.match(a_claim(), None) == refused(Reason.NO_SUCH_PAYMENT)


def test_a_refund_of_a_sale_captured_at_once_is_a_refund() -> None:
    sale = replace(APPROVED, captured_at_once=True, captured_minor=34_000)
    assert rules.match(a_claim(kind=ClaimKind.REFUND), sale) == MATCHED


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("already_captured", Outcome.REFUSED),
        ("capture_too_large", Outcome.REFUSED),
        ("not_refundable", Outcome.REFUSED),
        ("idempotency_key_reused", Outcome.REFUSED),
        ("authorization_expired", Outcome.EXCEPTION),
        ("something_nobody_thought_of", Outcome.EXCEPTION),
    ],
)
def test_what_the_engine_refuses_is_refused_or_waits_for_a_person(code: str, outcome: Outcome) -> None:
    assert rules.verdict_of(code).outcome is outcome


def a_record(outcome: Outcome = Outcome.MATCHED, amount_minor: int | None = 34_000, **changes) -> ClaimRecord:
    record = ClaimRecord(
        ClaimId(SHOP), Road.FILE, ClaimKind.CAPTURE, outcome, APPROVED.created_at,
        amount_minor=amount_minor, authorization_id=AuthorizationId(SHOP),
    )  # fmt: skip
    return replace(record, **changes)


@pytest.mark.parametrize(
    ("standing", "said", "verdict"),
    [
        (a_record(Outcome.PAID), Verdict(Outcome.PAID), PAID_AT_ONCE),
        (a_record(Outcome.PAID), refused(Reason.REFERENCE_REUSED), refused(Reason.REFERENCE_REUSED)),
        (
            a_record(Outcome.EXCEPTION, reason=Reason.EXPIRED),
            Verdict(Outcome.EXCEPTION, Reason.EXPIRED),
            Verdict(Outcome.EXCEPTION, Reason.EXPIRED, repeated=True),
        ),
        (
            a_record(Outcome.EXCEPTION, 33_999, reason=Reason.EXPIRED),
            Verdict(Outcome.EXCEPTION, Reason.EXPIRED),
            refused(Reason.REFERENCE_REUSED),
        ),
        (
            a_record(Outcome.REFUSED, reason=Reason.REFUSED_BY_OPERATOR),
            Verdict(Outcome.EXCEPTION, Reason.EXPIRED),
            Verdict(Outcome.REFUSED, Reason.REFUSED_BY_OPERATOR, repeated=True),
        ),
    ],
    ids=["paid", "paid, another amount", "waits", "waits, another amount", "refused by an operator"],
)
def test_a_reference_that_was_answered_gets_that_answer(
    standing: ClaimRecord, said: Verdict, verdict: Verdict
) -> None:
    assert rules.again(a_record(), standing, said) == verdict


def test_a_report_counts_each_claim_under_one_head() -> None:
    records = [
        a_record(Outcome.PAID),
        a_record(Outcome.PAID, 1_000),
        a_record(Outcome.PAID, 500, kind=ClaimKind.REFUND),
        a_record(Outcome.PAID, repeated=True),
        a_record(Outcome.REFUSED, None),
        a_record(Outcome.EXCEPTION),
        a_record(),
    ]
    assert rules.tally(records) == {
        Bucket.CAPTURED: Count(2, 35_000),
        Bucket.REFUNDED: Count(1, 500),
        Bucket.REPEATED: Count(1, 34_000),
        Bucket.REFUSED: Count(1, 0),
        Bucket.EXCEPTION: Count(1, 34_000),
    }


def test_a_later_decision_moves_a_claim_from_one_head_to_another() -> None:
    waits, paid = a_record(Outcome.EXCEPTION), a_record(Outcome.PAID)
    assert rules.moved(waits, paid) == {
        Bucket.EXCEPTION: Count(-1, -34_000),
        Bucket.CAPTURED: Count(1, 34_000),
    }


def test_p12_a_merchant_is_not_told_that_a_payment_is_anothers() -> None:
    assert rules.told(Reason.WRONG_MERCHANT) is rules.told(Reason.NO_SUCH_PAYMENT)
    assert rules.own_payment(a_record(Outcome.REFUSED, reason=Reason.WRONG_MERCHANT)) is None
