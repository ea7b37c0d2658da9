"""Points: what accrues with use, in the programme's own currency, one point for one minor unit.

Operators set rules by programme, merchant and amount; each capture of a prepaid card or gift that has a
member earns by the most particular of them, and each refund takes back its share. Points lie in lots of the
member's points source and end on their own dates. Source: PP-11, PP-12.
"""

from obverse.accrual.errors import PointsRuleNotFound
from obverse.accrual.jobs import Accrual
from obverse.accrual.model import MovementKind, PointsMovement, PointsRule, RuleTerms
from obverse.accrual.service import Points

__all__ = [
    "Accrual",
    "MovementKind",
    "Points",
    "PointsMovement",
    "PointsRule",
    "PointsRuleNotFound",
    "RuleTerms",
]
