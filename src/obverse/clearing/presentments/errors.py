"""What the presentments room refuses, and how an exchange with the card company can fail."""

from obverse.kit.errors import NotFound, ObverseError


class PresentmentNotFound(NotFound):
    """No presentment with that id."""

    code = "presentment_not_found"

    def __init__(self) -> None:
        super().__init__("presentment")


class PresentmentFileNotFound(NotFound):
    """No presentment file with that id."""

    code = "presentment_file_not_found"

    def __init__(self) -> None:
        super().__init__("presentment file")


class NotRejected(ObverseError):
    """Only what the card company has rejected is presented again or written off."""

    code = "presentment_not_rejected"

    def __init__(self) -> None:
        super().__init__("The card company has not rejected this presentment.")


class NothingRejected(ObverseError):
    """Nothing of this file is rejected (any more)."""

    code = "nothing_rejected"

    def __init__(self) -> None:
        super().__init__("Nothing of this file waits for a decision.")


class NoAnswer(ObverseError):
    """The card company did not answer: the file may have arrived or not. Asked again with the same id."""

    code = "card_company_no_answer"

    def __init__(self) -> None:
        super().__init__("The card company has not answered.")


class NotTaken(ObverseError):
    """The card company's exchange does not take the file at present. Sent again; an operator sees it."""

    code = "card_company_did_not_take"

    def __init__(self) -> None:
        super().__init__("The card company does not take the file.")


class UnreadableAnswer(ObverseError):
    """What came back is no acknowledgement of this file. Asked for again; never guessed at."""

    code = "card_company_unreadable_answer"

    def __init__(self) -> None:
        super().__init__("The card company's answer cannot be read.")


class TotalsDiffer(ObverseError):
    """The acknowledgement counts or adds up something else than we sent. Nothing is taken from it."""

    code = "acknowledgement_differs"

    def __init__(self) -> None:
        super().__init__("The acknowledgement does not add up with the file.")
