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


class MerchantClosed(ObverseError):
    """A closed merchant stays closed, and only where its money goes can still be changed."""

    code = "merchant_closed"

    def __init__(self) -> None:
        super().__init__("This merchant is closed for good.")


class ApplicationNotFound(NotFound):
    """No application with that id or token."""

    code = "application_not_found"

    def __init__(self) -> None:
        super().__init__("application")


class ApplicationDecided(ObverseError):
    """It was decided before, and not in this way."""

    code = "application_decided"

    def __init__(self) -> None:
        super().__init__("This application was decided before, and differently.")


class ApplicationNotApproved(ObverseError):
    """Only an approved applicant gets a key."""

    code = "application_not_approved"

    def __init__(self) -> None:
        super().__init__("This application is not approved. Its state says whether it still may be.")


class FirstKeyFetched(ObverseError):
    """The first key was shown before, and keys are shown once."""

    code = "first_key_fetched"

    def __init__(self) -> None:
        super().__init__("The first key was fetched before. Ask the operator for another one.")


class TooManyApplications(ObverseError):
    """This address has applied too often in the last hour, or too many applications wait for a decision."""

    code = "too_many_applications"

    def __init__(self) -> None:
        super().__init__("Too many applications at the moment. Try again later.")
