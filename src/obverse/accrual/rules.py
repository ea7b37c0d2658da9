"""Which rule a payment earns by, how much, and how much of it a refund takes back. No I/O, no clock."""

from collections.abc import Iterable, Sequence

from obverse.accrual.model import PointsRule, RuleTerms, Step
from obverse.authorization.model import ActionKind
from obverse.kit.errors import InvalidRequest
from obverse.kit.money import AMOUNT_MINOR_MAX
from obverse.wallet.model import SourceKind

_WHOLE = 10_000
"""Basis points of one."""
_POINTS = frozenset({SourceKind.POINTS.value, SourceKind.ISSUER_POINTS.value})
"""What earns nothing: the programme's own points, and those of issuers."""


def check_terms(terms: RuleTerms) -> None:
    """Refuse terms that mean nothing. Raises `InvalidRequest` with the field's name."""
    if not 1 <= terms.basis_points <= _WHOLE:
        raise InvalidRequest("basis_points is 1 to 10000 hundredths of a percent.", "basis_points")
    if not 1 <= terms.validity_months <= 60:
        raise InvalidRequest("validity_months is 1 to 60.", "validity_months")
    if not 0 <= terms.amount_min_minor <= AMOUNT_MINOR_MAX:
        raise InvalidRequest(f"amount_min is 0 to {AMOUNT_MINOR_MAX}.", "amount_min")


def paid_minor(step: Step) -> int:
    """What of a step counts: of 4,000 paid in points, whosever, and 6,000 in money, 6,000."""
    return sum(part for part, kind in zip(step.parts, step.kinds, strict=True) if kind not in _POINTS)


def rule_for(step: Step, rules: Iterable[PointsRule]) -> PointsRule | None:
    """The most particular rule that holds: the merchant's before the programme's before everybody's.

    Of two that are as particular, the newer one.
    """
    fitting = [rule for rule in rules if _fits(rule, step)]
    return max(fitting, key=_particular, default=None)


def _fits(rule: PointsRule, step: Step) -> bool:
    terms = rule.terms
    return (
        terms.merchant_id in (None, step.merchant_id)
        and terms.programme_id in (None, step.programme_id)
        and rule.starts_at <= step.created_at
        and (rule.ends_at is None or step.created_at < rule.ends_at)
        and paid_minor(step) >= terms.amount_min_minor
    )


def _particular(rule: PointsRule) -> tuple[bool, bool, object]:
    return rule.terms.merchant_id is not None, rule.terms.programme_id is not None, rule.starts_at


def earned(step: Step, rule: PointsRule) -> int:
    """What a capture earns: a fraction of a point is nothing."""
    return paid_minor(step) * rule.terms.basis_points // _WHOLE


def taken_back(earned_points: int, captured_minor: int, returned_minor: int, before: int) -> int:
    """What is to be taken back now that so much of what was captured went back, less what was `before`.

    The share is rounded to whole points in the holder's favour, and all of it goes when everything went back.
    What was taken back stays so, also where a later capture that has earned less makes the share smaller.

    >>> [taken_back(100, 30_000, 10_000, 0), taken_back(100, 30_000, 20_000, 33)]
    [33, 33]
    >>> taken_back(100, 30_000, 30_000, 66)
    34
    """
    if captured_minor == 0:
        return 0
    return max(0, earned_points * min(returned_minor, captured_minor) // captured_minor - before)


def movements(
    steps: Sequence[Step], rules: Sequence[PointsRule]
) -> list[tuple[Step, PointsRule | None, int]]:
    """What the steps of one payment that nobody has looked at yet earn or take back, oldest first."""
    found = []
    captured = returned = earned_points = taken = 0
    for step in steps:
        rule = rule_for(step, rules) if step.kind is ActionKind.CAPTURE else None
        if step.kind is ActionKind.CAPTURE:
            points = earned(step, rule) if rule is not None else 0
            points = step.moved if step.moved is not None else points
            captured += paid_minor(step)
            earned_points += points
        else:
            returned += paid_minor(step)
            due = taken_back(earned_points, captured, returned, taken)
            points = step.moved if step.moved is not None else due
            taken += points
        if step.moved is None:
            found.append((step, rule, points))
    return found
