"""The disputes room's refusals."""

from obverse.kit.errors import NotFound, ObverseError


class DisputeNotFound(NotFound):
    """No dispute with that id, or none that the caller may see (P12)."""

    code = "dispute_not_found"

    def __init__(self) -> None:
        super().__init__("dispute")


class NotDisputable(ObverseError):
    """Only a purchase that was captured and not given back can be disputed."""

    code = "not_disputable"

    def __init__(self) -> None:
        super().__init__("Nothing of this payment can be disputed.")


class DisputeTooLarge(ObverseError):
    """No more is disputed than was captured and not given back."""

    code = "dispute_too_large"
    param = "amount"

    def __init__(self) -> None:
        super().__init__("The amount is more than is left of this payment.")


class DisputeTooLate(ObverseError):
    """The time in which a charge may be disputed is over."""

    code = "dispute_too_late"

    def __init__(self) -> None:
        super().__init__("This payment was captured too long ago to be disputed.")


class AlreadyDisputed(ObverseError):
    """The payment is in dispute, or was; one that was withdrawn may be followed by another, once."""

    code = "already_disputed"

    def __init__(self) -> None:
        super().__init__("This payment has been disputed before.")


class DisputeClosed(ObverseError):
    """The dispute has ended, and not in the way that was asked for now."""

    code = "dispute_closed"

    def __init__(self) -> None:
        super().__init__("This dispute has ended.")


class AnswerClosed(ObverseError):
    """A merchant answers once, and in time."""

    code = "answer_closed"

    def __init__(self) -> None:
        super().__init__("This dispute was answered before, or the time to answer is over.")


class AnswerPending(ObverseError):
    """Nobody decides before the merchant has answered, or has let the time for it pass."""

    code = "answer_pending"

    def __init__(self) -> None:
        super().__init__("The merchant may answer until answer_due; decide when it has, or after that.")


class DocumentNotAccepted(ObverseError):
    """Not one of the kinds of files that are accepted, or not what it says it is."""

    code = "document_not_accepted"

    def __init__(self) -> None:
        super().__init__("Send a PDF, PNG, JPEG or plain text file under its own media type.")


class TooManyDocuments(ObverseError):
    """A dispute has room for a few documents."""

    code = "too_many_documents"

    def __init__(self) -> None:
        super().__init__("This dispute has as many documents as it may have.")
