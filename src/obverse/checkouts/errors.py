"""The refusals of matched orders. A payment that is declined is not among them: that is an answer."""

from obverse.kit.errors import NotFound, ObverseError


class CheckoutNotFound(NotFound):
    """No order is kept under that reference for this merchant (P12)."""

    code = "checkout_not_found"

    def __init__(self) -> None:
        super().__init__("checkout")


class CheckoutExists(ObverseError):
    """Somebody's order is kept under this reference already, or this one is being paid; one at a time."""

    code = "checkout_exists"
    param = "reference"

    def __init__(self) -> None:
        super().__init__("Another order is kept or being paid under this reference.")


class CheckoutMismatch(ObverseError):
    """The mall's order is not the one that the member has left with us.

    `param` says what kind of field differs, never what we keep: a mall learns nothing by trying (WA-7).
    """

    code = "checkout_mismatch"

    def __init__(self, param: str) -> None:
        self.param = param
        super().__init__(f"{param} is not what the member has agreed to.")


class CheckoutExpired(ObverseError):
    """The member's agreement was for some minutes."""

    code = "checkout_expired"

    def __init__(self) -> None:
        super().__init__("The kept order has expired. Have the member check out again.")


class CheckoutVoid(ObverseError):
    """Too many requests did not match, or the card is no longer the member's to spend."""

    code = "checkout_void"

    def __init__(self) -> None:
        super().__init__("The kept order is void. Have the member check out again.")
