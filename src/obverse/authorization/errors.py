"""What the engine refuses. A declined payment is not among them: a decline is an answer."""

from typing import TYPE_CHECKING

from obverse.kit.errors import ObverseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from obverse.authorization.model import Authorization
    from obverse.points.model import Holding


class BalancesNeeded(ObverseError):
    """Points issuers have to be asked before this can be decided. Nothing was decided, nothing moved; it
    never leaves the engine."""

    code = "balances_needed"

    def __init__(self, holdings: "Sequence[Holding]") -> None:
        super().__init__("Points issuers have to be asked first.")
        self.holdings = holdings


class NotCapturable(ObverseError):
    """Only an approved payment can be captured, and only for something."""

    code = "not_capturable"

    def __init__(self) -> None:
        super().__init__("This payment is not approved, or for nothing, so there is nothing to capture.")


class AlreadyCaptured(ObverseError):
    """Nothing of this payment is left to be captured."""

    code = "already_captured"

    def __init__(self) -> None:
        super().__init__("This payment has been captured; nothing of it is left.")


class CaptureTooLarge(ObverseError):
    """All captures of a payment together never exceed its authorization."""

    code = "capture_too_large"
    param = "amount"

    def __init__(self) -> None:
        super().__init__("The amount is more than is left of what was authorized.")


class AuthorizationExpired(ObverseError):
    """The hold was released by time; only an operator can still let the merchant have the money."""

    code = "authorization_expired"

    def __init__(self, authorization: "Authorization | None" = None) -> None:
        self.authorization = authorization
        super().__init__("This authorization has expired. Ask for a new payment.")


class NothingToRelease(ObverseError):
    """Only what is approved and not yet captured can be released."""

    code = "nothing_to_release"

    def __init__(self) -> None:
        super().__init__("Nothing of this payment is held. What was captured can be refunded.")


class ReleaseTooLarge(ObverseError):
    """No more is released than is held."""

    code = "release_too_large"
    param = "amount"

    def __init__(self) -> None:
        super().__init__("The amount is more than is held.")


class NotRefundable(ObverseError):
    """Only what was captured, and is neither refunded nor in dispute, can be given back."""

    code = "not_refundable"

    def __init__(self) -> None:
        super().__init__("Nothing of this payment can be refunded. What is not captured can be cancelled.")


class RefundTooLarge(ObverseError):
    """No more is given back than was taken (P16)."""

    code = "refund_too_large"
    param = "amount"

    def __init__(self) -> None:
        super().__init__("The amount is more than is left to refund.")


class LoadSpent(ObverseError):
    """What was paid into a card is spent, at least in part, so paying it in cannot be undone."""

    code = "load_spent"

    def __init__(self) -> None:
        super().__init__("The money has been spent since. Settle this with the holder, or write it off.")


class NotDisputed(ObverseError):
    """No dispute about that amount of this payment is open."""

    code = "not_disputed"

    def __init__(self) -> None:
        super().__init__("No dispute about that amount is open.")
