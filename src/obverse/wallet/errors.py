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


class BankAccountNotFound(NotFound):
    """No bank account of this member with that id (P12)."""

    code = "bank_account_not_found"

    def __init__(self) -> None:
        super().__init__("bank account")


class BankAccountLinked(ObverseError):
    """The member has linked this very account before."""

    code = "bank_account_linked"
    param = "account"

    def __init__(self) -> None:
        super().__init__("You have linked this account already.")


class TooManyBankAccounts(ObverseError):
    """Each attempt sends somebody a transfer, so there is a limit to them."""

    code = "too_many_bank_accounts"

    def __init__(self) -> None:
        super().__init__("You have tried to link too many accounts today. Try again tomorrow.")


class BankCodeWrong(ObverseError):
    """Not the code that the transfer carried."""

    code = "bank_code_wrong"
    param = "code"

    def __init__(self) -> None:
        super().__init__("That is not the code on your account's statement.")


class BankAccountNotProvable(ObverseError):
    """Its time is over, too many codes were wrong, or it was removed: begin again."""

    code = "bank_account_not_provable"

    def __init__(self) -> None:
        super().__init__("This account cannot be proved any more. Link it again.")


class NoAgent(ObverseError):
    """The merchant does not sell cards, or not any more."""

    code = "no_agent"
    param = "merchant"

    def __init__(self) -> None:
        super().__init__("This merchant is no agent.")


class BatchNotFound(NotFound):
    """No batch of cards with that id."""

    code = "card_batch_not_found"

    def __init__(self) -> None:
        super().__init__("card batch")


class BatchExported(ObverseError):
    """The list of numbers and PINs was fetched before; nobody can make it again."""

    code = "card_batch_exported"

    def __init__(self) -> None:
        super().__init__("The list was fetched before. If it was lost, close the batch and make another.")


class BatchClosed(ObverseError):
    """The batch was closed: its unsold cards are worth nothing, and no list is made of them."""

    code = "card_batch_closed"

    def __init__(self) -> None:
        super().__init__("This batch is closed.")
