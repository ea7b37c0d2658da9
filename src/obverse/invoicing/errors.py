"""Invoicing's refusals."""

from obverse.kit.errors import NotFound, ObverseError


class PointsInvoiceNotFound(NotFound):
    """No invoice with that id."""

    code = "points_invoice_not_found"

    def __init__(self) -> None:
        super().__init__("points invoice")


class NothingToInvoice(ObverseError):
    """None of the issuer's points have ever been spent."""

    code = "nothing_to_invoice"

    def __init__(self) -> None:
        super().__init__("Nothing has been paid with points of this issuer yet.")
