"""What claiming refuses as a request. A claim that is not paid is not among these: that is an answer."""

from obverse.kit.errors import NotFound, ObverseError


class ClaimFileNotFound(NotFound):
    """No claim file of this merchant has that id."""

    code = "claim_file_not_found"

    def __init__(self) -> None:
        super().__init__("claim file")


class ClaimNotFound(NotFound):
    """No such claim, or none that waits for a decision."""

    code = "claim_not_found"

    def __init__(self) -> None:
        super().__init__("claim")


class AnswerStands(ObverseError):
    """Somebody was quicker with the same claim or file: look again, its answer is there now. Stays inside."""

    code = "claim_answer_stands"

    def __init__(self) -> None:
        super().__init__("There is an answer to this already.")


class ClaimDecided(ObverseError):
    """Somebody has decided this exception otherwise."""

    code = "claim_decided"

    def __init__(self) -> None:
        super().__init__("This claim has been decided otherwise.")
