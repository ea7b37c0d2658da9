"""What merchants pay, take and change, and what may become of an application: PF-4."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.factories.merchants import details

from obverse.kit.errors import InvalidRequest, ObverseError
from obverse.kit.ids import AccountId, ApplicationId, MerchantId
from obverse.kit.money import AMOUNT_MINOR_MAX
from obverse.merchants import (
    Application,
    ApplicationState,
    FeePlan,
    Merchant,
    MerchantChange,
    MerchantState,
    Terms,
    fee_minor,
    rules,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MALL = Merchant(
    MerchantId(UUID(int=1)),
    "Mall",
    "5732",
    "410001",
    "MALL-1",
    ("T0000001",),
    AccountId(UUID(int=2)),
    MerchantState.ACTIVE,
    NOON,
)
SUBMITTED = Application(ApplicationId(UUID(int=3)), MALL.id, details(), ApplicationState.SUBMITTED, NOON)
APPROVED = replace(SUBMITTED, state=ApplicationState.APPROVED, decided_at=NOON)
REJECTED = replace(SUBMITTED, state=ApplicationState.REJECTED, decided_at=NOON, reason="no such shop")


def outcome(decide: Callable[..., Any], *given_: object) -> Any:
    """What a rule answers, or the code with which it refuses."""
    try:
        return decide(*given_)
    except ObverseError as refusal:
        return refusal.code


# fees


@pytest.mark.parametrize(
    ("basis_points", "fixed", "amount", "fee"),
    [
        pytest.param(0, 0, 34_000, 0, id="no fee"),
        pytest.param(150, 100, 34_000, 610, id="share and fixed"),
        pytest.param(250, 0, 1, 0, id="less than half rounds down"),
        pytest.param(5_000, 0, 1, 1, id="half rounds up"),
        pytest.param(4_999, 0, 1, 0, id="just under half rounds down"),
        pytest.param(10_000, 0, 777, 777, id="everything"),
        pytest.param(10_000, 1, 777, 777, id="never more than the amount"),
        pytest.param(0, 500, 300, 300, id="a fixed fee above a small amount"),
        pytest.param(300, 0, 0, 0, id="nothing of nothing"),
    ],
)
def test_a_fee_is_a_share_half_up_and_a_fixed_amount_never_above_the_whole(
    basis_points: int, fixed: int, amount: int, fee: int
) -> None:
    assert fee_minor(FeePlan(basis_points, fixed), amount) == fee


@given(st.integers(0, 10_000), st.integers(0, AMOUNT_MINOR_MAX), st.integers(0, AMOUNT_MINOR_MAX))
def test_a_fee_leaves_the_merchant_nothing_or_more_and_is_within_half_a_unit(
    basis_points: int, fixed: int, amount: int
) -> None:
    fee = fee_minor(FeePlan(basis_points, fixed), amount)
    assert 0 <= fee <= amount
    assert fee == amount or abs(2 * (fee - fixed) * 10_000 - 2 * amount * basis_points) <= 10_000


@pytest.mark.parametrize(
    ("terms", "param"),
    [
        (Terms(FeePlan(-1)), "fee_plan"),
        (Terms(FeePlan(10_001)), "fee_plan"),
        (Terms(FeePlan(0, -1)), "fee_plan"),
        (Terms(FeePlan(0, AMOUNT_MINOR_MAX + 1)), "fee_plan"),
        (Terms(accepts=frozenset()), "accepts"),
        (Terms(accepts=frozenset({"One Time"})), "accepts"),
        (Terms(accepts=frozenset({"x" * 41})), "accepts"),
    ],
)
def test_terms_that_cannot_be_are_refused(terms: Terms, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        rules.check_terms(terms)
    assert refused.value.param == param


# changes


def test_a_change_leaves_out_what_it_does_not_name() -> None:
    changed = rules.change(MALL, MerchantChange(fee_plan=FeePlan(150, 100)))
    assert changed == replace(MALL, fee_plan=FeePlan(150, 100))
    assert rules.differences(MALL, changed) == {
        "fee_plan": "0 basis points and 0 -> 150 basis points and 100"
    }
    assert rules.differences(MALL, rules.change(MALL, MerchantChange(name="Mall"))) == {}


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        (MerchantChange(name=" "), "name"),
        (MerchantChange(category="x"), "category"),
        (MerchantChange(terminals=("A", "A")), "terminals"),
        (MerchantChange(accepts=frozenset()), "accepts"),
        (MerchantChange(fee_plan=FeePlan(10_001)), "fee_plan"),
    ],
)
def test_a_change_is_held_to_the_same_rules_as_onboarding(wanted: MerchantChange, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        rules.change(MALL, wanted)
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("now", "wanted", "answer"),
    [
        ("active", "suspended", True),
        ("active", "closed", True),
        ("active", "active", False),
        ("suspended", "active", True),
        ("suspended", "suspended", False),
        ("suspended", "closed", True),
        ("closed", "closed", False),
        ("closed", "active", "merchant_closed"),
        ("closed", "suspended", "merchant_closed"),
    ],
)
def test_a_closed_merchant_stays_closed_and_repeats_change_nothing(
    now: str, wanted: str, answer: bool | str
) -> None:
    merchant = replace(MALL, state=MerchantState(now))
    assert outcome(rules.may_become, merchant, MerchantState(wanted)) == answer


# applications


@pytest.mark.parametrize(
    ("waiting", "from_origin", "room"),
    [(0, 0, True), (999, 19, True), (1_000, 0, False), (0, 20, False)],
)
def test_there_is_room_for_so_many_applications(waiting: int, from_origin: int, room: bool) -> None:
    assert outcome(rules.check_room, waiting, from_origin) == (None if room else "too_many_applications")


SAME = Terms()
OTHER = Terms(FeePlan(1))


@pytest.mark.parametrize(
    ("application", "merchant", "terms", "answer"),
    [
        pytest.param(SUBMITTED, None, SAME, False, id="first"),
        pytest.param(APPROVED, MALL, SAME, True, id="again"),
        pytest.param(APPROVED, MALL, OTHER, "application_decided", id="again on other terms"),
        pytest.param(REJECTED, None, SAME, "application_decided", id="after a rejection"),
    ],
)
def test_an_approval_may_be_repeated_but_not_changed(
    application: Application, merchant: Merchant | None, terms: Terms, answer: bool | str
) -> None:
    assert outcome(rules.is_approval_repeated, application, merchant, terms) == answer


@pytest.mark.parametrize(
    ("application", "reason", "answer"),
    [
        pytest.param(SUBMITTED, "no such shop", False, id="first"),
        pytest.param(REJECTED, "no such shop", True, id="again"),
        pytest.param(REJECTED, "sells nothing", "application_decided", id="again for another reason"),
        pytest.param(APPROVED, "no such shop", "application_decided", id="after an approval"),
    ],
)
def test_a_rejection_may_be_repeated_but_not_changed(
    application: Application, reason: str, answer: bool | str
) -> None:
    assert outcome(rules.is_rejection_repeated, application, reason) == answer
