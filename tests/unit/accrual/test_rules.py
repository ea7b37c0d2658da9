"""Which rule a payment earns by, and what a refund takes back."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.factories.ledger import NOON, P0

from obverse.accrual import rules
from obverse.accrual.model import PointsRule, RuleTerms, Step
from obverse.authorization.model import ActionKind
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import (
    ActionId,
    AuthorizationId,
    MemberId,
    MerchantId,
    PointsRuleId,
    ProgrammeId,
)

PROGRAMME, MERCHANT = ProgrammeId(uuid4()), MerchantId(uuid4())


def a_rule(basis_points: int = 100, days_ago: int = 1, **terms: object) -> PointsRule:
    starts_at = NOON - timedelta(days=days_ago)
    return PointsRule(PointsRuleId(uuid4()), RuleTerms(basis_points, 12, **terms), starts_at, None)  # type: ignore[arg-type]


def a_step(
    *parts: int, kind: ActionKind = ActionKind.CAPTURE, kinds: tuple[str, ...] = (), moved: int | None = None
) -> Step:
    return Step(
        ActionId(UUID(int=0)), P0, AuthorizationId(UUID(int=1)), kind, MemberId(UUID(int=2)), PROGRAMME,
        MERCHANT, parts, kinds or ("stored_balance",) * len(parts), NOON, moved,
    )  # fmt: skip


def test_the_most_particular_rule_counts_alone() -> None:
    everybody, programme = a_rule(), a_rule(programme_id=PROGRAMME)
    merchant, both = a_rule(merchant_id=MERCHANT), a_rule(programme_id=PROGRAMME, merchant_id=MERCHANT)
    other = a_rule(merchant_id=MerchantId(uuid4()))
    ladder = [everybody, programme, merchant, both]
    for at, expected in enumerate(ladder):
        assert rules.rule_for(a_step(100), [*ladder[: at + 1], other]) == expected


@pytest.mark.parametrize(
    "rule",
    [
        a_rule(days_ago=-1),
        PointsRule(PointsRuleId(uuid4()), RuleTerms(100, 12), NOON - timedelta(days=2), NOON),
        a_rule(amount_min_minor=101),
        a_rule(programme_id=ProgrammeId(uuid4())),
    ],
    ids=["not yet", "no more", "too little", "another programme"],
)
def test_a_rule_that_does_not_fit_earns_nothing(rule: PointsRule) -> None:
    assert rules.rule_for(a_step(100), [rule]) is None


def test_what_was_paid_with_points_earns_none() -> None:
    step = a_step(4_000, 500, 6_000, kinds=("points", "issuer_points", "stored_balance"))
    assert rules.earned(step, a_rule(basis_points=150)) == 90


@given(
    captured=st.integers(1, 1_000_000),
    basis_points=st.integers(1, 10_000),
    shares=st.lists(st.integers(0, 1_000_000), max_size=6),
)
def test_p16_refunds_take_back_their_share_and_never_more_than_was_earned(
    captured: int, basis_points: int, shares: list[int]
) -> None:
    refunds, left = [], captured
    for share in shares:
        part = min(share, left)
        left -= part
        refunds += [part] if part else []
    steps = [a_step(captured), *[a_step(part, kind=ActionKind.REFUND) for part in refunds]]
    moved = rules.movements(steps, [a_rule(basis_points=basis_points)])
    earned, back = moved[0][2], sum(points for _, _, points in moved[1:])
    assert all(points >= 0 for _, _, points in moved)
    assert back == earned * sum(refunds) // captured
    # Looked at one after the other, each with what came before, it comes to the same.
    seen = [a_step(captured, moved=earned)]
    for part, (_, _, expected) in zip(refunds, moved[1:], strict=True):
        step = a_step(part, kind=ActionKind.REFUND)
        ((_, _, points),) = rules.movements([*seen, step], [])
        assert points == expected
        seen.append(a_step(part, kind=ActionKind.REFUND, moved=points))


def test_a_capture_that_earns_nothing_after_a_refund_gives_no_points_back() -> None:
    """Its share of what was earned is smaller then than what was taken back already."""
    steps = [
        a_step(10_000),
        a_step(5_000, kind=ActionKind.REFUND),
        a_step(500),
        a_step(100, kind=ActionKind.REFUND),
        a_step(5_400, kind=ActionKind.REFUND),
    ]
    moved = rules.movements(steps, [a_rule(amount_min_minor=1_000)])
    assert [points for _, _, points in moved] == [100, 50, 0, 0, 50]


@pytest.mark.parametrize(
    ("terms", "param"),
    [
        (RuleTerms(0, 12), "basis_points"),
        (RuleTerms(10_001, 12), "basis_points"),
        (RuleTerms(100, 0), "validity_months"),
        (RuleTerms(100, 12, amount_min_minor=-1), "amount_min"),
    ],
)
def test_terms_that_mean_nothing_are_refused(terms: RuleTerms, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        rules.check_terms(terms)
    assert refused.value.param == param
