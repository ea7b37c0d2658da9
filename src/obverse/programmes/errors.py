"""The programmes room's refusals."""

from obverse.kit.errors import NotFound, ObverseError
from obverse.kit.ids import ProgrammeId


class ProgrammeNotFound(NotFound):
    """No programme with that id."""

    code = "programme_not_found"

    def __init__(self, param: str | None = None) -> None:
        super().__init__("programme", param)


class ProgrammeClosed(ObverseError):
    """The programme was closed, for good: nothing is sold, issued or charged under it any more."""

    code = "programme_closed"

    def __init__(self, programme_id: ProgrammeId) -> None:
        self.programme_id = programme_id
        super().__init__("This programme is closed.")
