"""The letters room's refusals."""

from obverse.kit.errors import NotFound, ObverseError


class LetterNotFound(NotFound):
    """No letter with that id."""

    code = "letter_not_found"

    def __init__(self) -> None:
        super().__init__("letter")


class LetterUnderWay(ObverseError):
    """A letter that is being sent, or will be by itself, cannot be sent again."""

    code = "letter_under_way"

    def __init__(self) -> None:
        super().__init__("This letter is under way already.")


class LetterForgotten(ObverseError):
    """Address and contents of an old letter are forgotten; it cannot be sent again."""

    code = "letter_forgotten"

    def __init__(self) -> None:
        super().__init__("This letter is too old: its address and contents are forgotten.")


class UnknownTemplate(ObverseError):
    """A room posts a letter that has no template for this channel: a defect of ours."""

    code = "unknown_template"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no letter template {name}.")
