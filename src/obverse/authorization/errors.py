"""What the engine refuses. A declined payment is not among them: a decline is an answer."""

from obverse.kit.errors import ObverseError


class NotCapturable(ObverseError):
    """Only an approved payment can be captured, and only for something."""

    code = "not_capturable"

    def __init__(self) -> None:
        super().__init__("This payment is not approved, or for nothing, so there is nothing to capture.")


class AlreadyCaptured(ObverseError):
    """A payment is captured once; what was not captured then has been released."""

    code = "already_captured"

    def __init__(self) -> None:
        super().__init__("This payment was captured before, with another amount.")


class CaptureTooLarge(ObverseError):
    """A capture never exceeds its authorization."""

    code = "capture_too_large"
    param = "amount"

    def __init__(self) -> None:
        super().__init__("The amount is more than was authorized.")
