"""The wallet's refusals. None of them tells anything about anyone else (OT-1)."""

from obverse.kit.errors import NotFound, ObverseError


class RegistrationRefused(ObverseError):
    """The credit bureau does not speak for this person. Why, it does not say, and so nor do we (OT-1)."""

    code = "registration_refused"

    def __init__(self) -> None:
        super().__init__("We cannot open a membership for you. Your credit bureau can tell you more.")


class CardNotVerified(ObverseError):
    """The card company did not confirm that the card is this person's own; which detail is wrong is not told.

    A card that stands behind another member is answered the same way.
    """

    code = "card_not_verified"
    param = "card_number"

    def __init__(self) -> None:
        super().__init__("The card could not be verified. Check its details, or use another one.")


class CardAlreadyLinked(ObverseError):
    """The member has linked this very card before."""

    code = "card_already_linked"
    param = "card_number"

    def __init__(self) -> None:
        super().__init__("You have linked this card already.")


class CreditLineExists(ObverseError):
    """The member has a credit line in this currency already."""

    code = "credit_line_exists"

    def __init__(self) -> None:
        super().__init__("This member has a credit line in that currency already.")


class SourceNotFound(NotFound):
    """No funding source with that id, or none that the caller may see or use (P12)."""

    code = "source_not_found"

    def __init__(self, param: str | None = None) -> None:
        super().__init__("funding source", param)


class SourceNotActive(ObverseError):
    """The funding source is suspended, so no card can be issued against it."""

    code = "source_not_active"
    param = "funding"

    def __init__(self) -> None:
        super().__init__("This funding source is suspended.")
