"""Billing's refusals."""

from obverse.kit.errors import NotFound, ObverseError


class BillNotFound(NotFound):
    """No bill with that id, or none that the caller may see (P12)."""

    code = "bill_not_found"

    def __init__(self, param: str | None = None) -> None:
        super().__init__("bill", param)


class CreditLineNotFound(NotFound):
    """The member has no credit line, and never had one."""

    code = "credit_line_not_found"

    def __init__(self) -> None:
        super().__init__("credit line")


class MonthNotOver(ObverseError):
    """A month is billed when it is over in the programme's time zone, not before."""

    code = "month_not_over"
    param = "month"

    def __init__(self) -> None:
        super().__init__("This month is not over yet.")


class MonthPassed(ObverseError):
    """Later months were billed first, and what happened in this one is on their bills."""

    code = "month_passed"
    param = "month"

    def __init__(self) -> None:
        super().__init__("A later month has been billed, and took this month's payments along.")
