"""The points room's refusals."""

from obverse.kit.errors import NotFound, ObverseError


class PointsIssuerNotFound(NotFound):
    """No points issuer with that id."""

    code = "points_issuer_not_found"

    def __init__(self, param: str | None = None) -> None:
        super().__init__("points issuer", param)


class PointsIssuerSuspended(ObverseError):
    """Nothing begins with an issuer that is suspended."""

    code = "points_issuer_suspended"
    param = "issuer"

    def __init__(self) -> None:
        super().__init__("This points issuer is suspended at present.")


class PointsRateNotFound(NotFound):
    """No rate with that id."""

    code = "points_rate_not_found"

    def __init__(self) -> None:
        super().__init__("points rate")


class PointsAccountNotFound(NotFound):
    """No points account of this member with that id (P12)."""

    code = "points_account_not_found"

    def __init__(self) -> None:
        super().__init__("points account")


class PointsAccountUnknown(ObverseError):
    """The issuer knows no such account, or it is another member's: the two look the same (P12)."""

    code = "points_account_unknown"
    param = "account"

    def __init__(self) -> None:
        super().__init__("The issuer knows no such account of yours. Check its number.")


class PointsAccountLinked(ObverseError):
    """The member has linked this very account before."""

    code = "points_account_linked"
    param = "account"

    def __init__(self) -> None:
        super().__init__("You have linked this account already.")


class TooManyPointsAccounts(ObverseError):
    """Each attempt sends somebody a code, so there is a limit to them."""

    code = "too_many_points_accounts"

    def __init__(self) -> None:
        super().__init__("You have tried to link too many accounts today. Try again tomorrow.")


class PointsCodeWrong(ObverseError):
    """Not the code that the issuer has sent."""

    code = "points_code_wrong"
    param = "code"

    def __init__(self) -> None:
        super().__init__("That is not the code that the issuer has sent.")


class PointsAccountNotProvable(ObverseError):
    """The code's time is over, too many were wrong, or the account was removed: begin again."""

    code = "points_account_not_provable"

    def __init__(self) -> None:
        super().__init__("This account cannot be proved any more. Link it again.")


class CardTakesNoPoints(ObverseError):
    """Points cannot stand behind this card: it is closed or given away, or has its fill of sources."""

    code = "card_takes_no_points"
    param = "card"

    def __init__(self) -> None:
        super().__init__("No points account can be put behind this card.")


class TooManyLookups(ObverseError):
    """The issuer has asked as often as it may in one minute (PR-9)."""

    code = "too_many_lookups"

    def __init__(self) -> None:
        super().__init__("Too many look-ups within a minute. Wait, and ask again.")
