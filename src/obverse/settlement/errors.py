"""The settlement room's refusals."""

from datetime import date

from obverse.kit.errors import NotFound, ObverseError


class DayNotOver(ObverseError):
    """The business day has not reached its cut-off yet."""

    code = "day_not_over"
    param = "day"

    def __init__(self, day: date) -> None:
        super().__init__(f"{day} is not over: a business day is settled after its cut-off.")


class DayPassed(ObverseError):
    """A later day was settled before this one; whatever was left of this one is in it."""

    code = "day_passed"
    param = "day"

    def __init__(self, day: date) -> None:
        super().__init__(f"A later day than {day} has been settled, with all that came before it.")


class SettlementNotFound(NotFound):
    """No settlement with that id."""

    code = "settlement_not_found"

    def __init__(self) -> None:
        super().__init__("settlement")


class StatementNotFound(NotFound):
    """No statement with that id, or none that the caller may see (P12)."""

    code = "statement_not_found"

    def __init__(self) -> None:
        super().__init__("statement")


class PayoutNotFound(NotFound):
    """No payout with that id, or none that the caller may see (P12)."""

    code = "payout_not_found"

    def __init__(self) -> None:
        super().__init__("payout")
