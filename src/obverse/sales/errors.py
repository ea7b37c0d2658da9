"""The sales room's refusals. A card or an account that does not pay is a decline, which is an answer."""

from obverse.kit.errors import NotFound, ObverseError


class SaleNotFound(NotFound):
    """No sale with that id."""

    code = "sale_not_found"

    def __init__(self) -> None:
        super().__init__("sale")


class MeansNotOffered(ObverseError):
    """The programme's bank cannot be asked for this, or the payer is nobody who could pay like that."""

    code = "means_not_offered"
    param = "means"

    def __init__(self) -> None:
        super().__init__("This cannot be paid for in that way.")


class SaleNotCancellable(ObverseError):
    """Somebody has been asked for the money already, or it has come."""

    code = "sale_not_cancellable"

    def __init__(self) -> None:
        super().__init__("This is being paid, or has been: it cannot be cancelled any more.")


class SaleNotPaid(ObverseError):
    """What was not paid cannot be given back."""

    code = "sale_not_paid"

    def __init__(self) -> None:
        super().__init__("Nothing of this was paid, or nothing of it is left.")


class GivesBackTooMuch(ObverseError):
    """More than is left of what was paid (P16)."""

    code = "gives_back_too_much"
    param = "amount"

    def __init__(self) -> None:
        super().__init__("That is more than is left of what was paid.")


class NothingWaiting(ObverseError):
    """No refund of this sale waits for an account."""

    code = "nothing_waiting"

    def __init__(self) -> None:
        super().__init__("No refund of this waits for an account.")
