"""The members room's refusals. None of them tells anything about anyone else (OT-1)."""

from obverse.kit.errors import NotFound, ObverseError
from obverse.kit.ids import MemberId


class MemberNotFound(NotFound):
    """No member with that id, or none that the caller may see (P12)."""

    code = "member_not_found"

    def __init__(self, param: str | None = None) -> None:
        super().__init__("member", param)


class MemberSuspended(ObverseError):
    """The member's standing does not allow this at present."""

    code = "member_suspended"

    def __init__(self, member_id: MemberId) -> None:
        self.member_id = member_id
        super().__init__("This membership is suspended.")


class AlreadyRegistered(ObverseError):
    """The data of this application belongs to a member already; the person is asked to change it (OT-2).

    Which part of it - the identity number or the card - is not told.
    """

    code = "already_registered"

    def __init__(self) -> None:
        super().__init__("These details are in use. Change them, or sign in.")


class WrongCredentials(ObverseError):
    """Member ID and password do not belong together: which of the two is wrong is not told (OT-5)."""

    code = "wrong_credentials"

    def __init__(self) -> None:
        super().__init__("Member ID or password is wrong. Try again.")


class SignInLocked(ObverseError):
    """Too many wrong attempts for this ID, whether it exists or not; even the right password has to wait."""

    code = "sign_in_locked"

    def __init__(self) -> None:
        super().__init__("Too many attempts. Try again later.")
