"""The treasury's refusals."""

from obverse.kit.errors import NotFound, ObverseError


class BankTransferNotFound(NotFound):
    """No bank transfer with that id."""

    code = "bank_transfer_not_found"

    def __init__(self) -> None:
        super().__init__("bank transfer")


class BankTransferNotRefused(ObverseError):
    """Only what the bank has refused may be sent again to another account: all else may still arrive."""

    code = "bank_transfer_not_refused"

    def __init__(self) -> None:
        super().__init__("The bank has not refused this transfer, so it is not sent again.")


class ReceiptNotFound(NotFound):
    """No receipt with that id."""

    code = "receipt_not_found"

    def __init__(self) -> None:
        super().__init__("receipt")


class ReceiptPlaced(ObverseError):
    """Less is left of the receipt than was to be placed or sent back."""

    code = "receipt_placed"

    def __init__(self) -> None:
        super().__init__("There is not that much left of this receipt.")


class SenderUnknown(ObverseError):
    """The statement does not tell the sender's account, so the operator has to."""

    code = "sender_unknown"
    param = "account"

    def __init__(self) -> None:
        super().__init__("The bank did not tell where this came from. Give the account to send it to.")


class StatementUnreadable(ObverseError):
    """Not a camt.053 statement that we can read; nothing of it is stored."""

    code = "statement_unreadable"

    def __init__(self, problem: str) -> None:
        super().__init__(f"The statement cannot be read: {problem}.")


class StatementNotOurs(ObverseError):
    """A statement of another account, or in another currency; nothing of it is stored."""

    code = "statement_not_ours"

    def __init__(self, problem: str) -> None:
        super().__init__(f"The statement is not of the programme's account: {problem}.")
