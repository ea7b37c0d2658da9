"""The members room's refusals. None of them tells anything about anyone else (OT-1, WA-2)."""

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


# profiles --------------------------------------------------------------------------------------------------


class MemberIdTaken(ObverseError):
    """Another member has chosen this ID, in upper or lower case."""

    code = "member_id_taken"
    param = "member_id"

    def __init__(self) -> None:
        super().__init__("This member ID is taken. Choose another one.")


class NicknameTaken(ObverseError):
    """Another member has this nickname, in upper or lower case."""

    code = "nickname_taken"
    param = "nickname"

    def __init__(self) -> None:
        super().__init__("This nickname is taken. Choose another one.")


class ProfileNotFound(NotFound):
    """The member joined without a profile."""

    code = "profile_not_found"

    def __init__(self) -> None:
        super().__init__("profile")


class ProfileExists(ObverseError):
    """The member has a profile already, which is changed and not given anew."""

    code = "profile_exists"

    def __init__(self) -> None:
        super().__init__("There is a profile already. Change it instead.")


# signing in ------------------------------------------------------------------------------------------------


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


class TooManyAttempts(ObverseError):
    """This was asked for, or guessed at, too often; the right answer has to wait, too."""

    code = "too_many_attempts"

    def __init__(self) -> None:
        super().__init__("Too many attempts. Try again later.")


class WrongPassword(ObverseError):
    """Who is signed in gave a password that is not theirs."""

    code = "wrong_password"
    param = "current_password"

    def __init__(self) -> None:
        super().__init__("The password is wrong.")


class SecondFactorRequired(ObverseError):
    """The password was right, and this member has a second factor too."""

    code = "second_factor_required"
    param = "otp"

    def __init__(self) -> None:
        super().__init__("Send the code of your authenticator app, or a recovery code, as `otp` as well.")


class WrongCode(ObverseError):
    """A code that is wrong, was used before, or has ended; which of them is not told."""

    code = "wrong_code"

    def __init__(self) -> None:
        super().__init__("That code is not valid. Use a new one.")


class TotpActive(ObverseError):
    """One-time codes are in use; they are removed before others are set up."""

    code = "totp_active"

    def __init__(self) -> None:
        super().__init__("One-time codes are in use already.")


class SessionNotFound(NotFound):
    """No open session of this member with that id."""

    code = "session_not_found"

    def __init__(self) -> None:
        super().__init__("session")


class PasskeyNotFound(NotFound):
    """No passkey of this member with that id."""

    code = "passkey_not_found"

    def __init__(self) -> None:
        super().__init__("passkey")


class PasskeyRefused(ObverseError):
    """What came from the authenticator does not prove what it should; what is wrong with it is not told."""

    code = "passkey_refused"
    param = "credential"

    def __init__(self) -> None:
        super().__init__("The passkey was not accepted. Begin again with new options.")


class TooManyPasskeys(ObverseError):
    """The member has as many passkeys as a member may have."""

    code = "too_many_passkeys"

    def __init__(self) -> None:
        super().__init__("Remove a passkey before you add another one.")


class LastMeansOfSignIn(ObverseError):
    """Without it the member could not sign in any more."""

    code = "last_means_of_sign_in"

    def __init__(self) -> None:
        super().__init__("You could not sign in any more. Set a password or add a passkey first.")


# recovery --------------------------------------------------------------------------------------------------


class RecoveryInvalid(NotFound):
    """A recovery token that is unknown, used or too old: the three look the same."""

    code = "recovery_invalid"

    def __init__(self) -> None:
        super().__init__("recovery", "token")


class WrongAnswer(ObverseError):
    """The answer to the member's question is wrong."""

    code = "wrong_answer"
    param = "answer"

    def __init__(self) -> None:
        super().__init__("That is not the answer.")
