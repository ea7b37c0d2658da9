"""The points room's refusals."""

from obverse.kit.errors import NotFound


class PointsRuleNotFound(NotFound):
    """No rule with that id."""

    code = "points_rule_not_found"

    def __init__(self) -> None:
        super().__init__("points rule")
