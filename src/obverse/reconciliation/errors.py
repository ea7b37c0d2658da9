"""What reconciliation refuses."""

from obverse.kit.errors import NotFound, ObverseError


class BreakNotFound(NotFound):
    """No break with that id."""

    code = "break_not_found"

    def __init__(self) -> None:
        super().__init__("break")


class BreakNotOpen(ObverseError):
    """It has ended: by itself, or by somebody's decision for another reason."""

    code = "break_not_open"

    def __init__(self) -> None:
        super().__init__("This break has ended already.")
