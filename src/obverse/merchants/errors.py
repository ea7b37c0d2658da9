"""The merchants room's refusals."""

from obverse.kit.errors import NotFound, ObverseError


class MerchantNotFound(NotFound):
    """No merchant with that id, or none that the caller may see (P12)."""

    code = "merchant_not_found"

    def __init__(self, param: str | None = None) -> None:
        super().__init__("merchant", param)


class MerchantNumberTaken(ObverseError):
    """This acquirer has given the merchant number to another merchant."""

    code = "merchant_number_taken"
    param = "merchant_no"

    def __init__(self) -> None:
        super().__init__("A merchant with this acquirer and number exists already.")
