"""Members: persons who hold stand-ins."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec

from obverse.kit.ids import ChangeId, MemberId, PartitionId, PasskeyId, SessionId, SignInId
from obverse.kit.secret import Sealed, Secret
from obverse.letters.model import Language


class Standing(StrEnum):
    GOOD = "good"
    SUSPENDED = "suspended"


class Member(msgspec.Struct, frozen=True):
    """A member without anything that names the person: that part is sealed."""

    id: MemberId
    partition_id: PartitionId
    standing: Standing
    created_at: datetime


# the profile of a wallet member (WA-1) ---------------------------------------------------------------------


class BirthCalendar(StrEnum):
    """By which calendar a birthday is kept."""

    SOLAR = "solar"
    LUNAR = "lunar"


class Statements(StrEnum):
    """How a member wants to be told of the day before (WA-13)."""

    MAIL = "mail"
    SMS = "sms"
    NONE = "none"


class Person(msgspec.Struct, frozen=True):
    """What names a person or reaches them. Sealed at rest, all in one.

    `birth_date` is YYYY-MM-DD of `calendar`; `mobile` is E.164. `question` is the member's own and is set
    together with its answer, of which only a hash is kept (WA-2).
    """

    name: Secret
    latin_name: Secret
    birth_date: Secret
    calendar: BirthCalendar
    mail: Secret
    mobile: Secret
    question: Secret | None = None


class Profile(msgspec.Struct, frozen=True):
    """What a wallet member has beyond a membership (WA-1).

    `chosen_id` is the member ID of their own choice; `nickname` is what other sites see in its place.
    """

    chosen_id: str
    nickname: str
    person: Person
    language: Language
    time_zone: str
    statements: Statements


class ProfileChange(msgspec.Struct, frozen=True):
    """What of a profile is to be changed; None leaves it. A new mail or mobile has to be proved first."""

    name: Secret | None = None
    latin_name: Secret | None = None
    birth_date: Secret | None = None
    calendar: BirthCalendar | None = None
    nickname: str | None = None
    language: Language | None = None
    time_zone: str | None = None
    statements: Statements | None = None


class Contact(msgspec.Struct, frozen=True):
    """Where and how a member is written to."""

    mail: Secret | None
    mobile: Secret | None
    language: Language
    time_zone: str
    statements: Statements


class HolderForm(msgspec.Struct, frozen=True):
    """What somebody filled into a merchant's form about themselves (WA-8); None was not asked for."""

    name: Secret
    phone: Secret | None = None
    mail: Secret | None = None


class ContactKind(StrEnum):
    """What is proved by a code before it takes the place of the old one."""

    MAIL = "mail"
    MOBILE = "mobile"


class ContactChange(msgspec.Struct, frozen=True):
    """A new mail address or mobile number until its code comes back; one of each kind at a time."""

    id: ChangeId
    member_id: MemberId
    kind: ContactKind
    value: Sealed
    code_hash: bytes
    expires_at: datetime


# joining ---------------------------------------------------------------------------------------------------


class Application(msgspec.Struct, frozen=True):
    """What a person gives to become a member (OT-1); `identity_number` is kept only as a keyed hash.

    With a `profile` they join for the wallet (WA-1); `answer` belongs to the question in it.
    """

    identity_number: Secret
    address: Secret | None
    password: Secret
    profile: Profile | None = None
    answer: Secret | None = None


class Applicant(msgspec.Struct, frozen=True):
    """An application that is ready to be stored once every check has passed (OT-2)."""

    identity_hash: bytes
    password_hash: str
    address: Secret | None
    profile: Profile | None = None
    answer_hash: str | None = None


# signing in ------------------------------------------------------------------------------------------------


class Method(StrEnum):
    """How somebody signed in, or tried to."""

    PASSWORD = "password"  # noqa: S105 - the name of a method
    PASSWORD_OTP = "password_otp"  # noqa: S105 - the name of a method
    PASSKEY = "passkey"
    RECOVERY = "recovery"


class Outcome(StrEnum):
    OK = "ok"
    WRONG = "wrong"
    UNFINISHED = "unfinished"
    """The password was right; the second factor was not given."""


class Session(msgspec.Struct, frozen=True):
    """A signed-in member; the token itself is known to the client only."""

    id: SessionId
    member_id: MemberId
    method: Method
    origin: str
    created_at: datetime
    expires_at: datetime


class SignIn(msgspec.Struct, frozen=True):
    """One attempt to sign in, as its member sees it. `origin` is a network, not a host."""

    id: SignInId
    method: Method
    outcome: Outcome
    origin: str
    created_at: datetime


class Credentials(NamedTuple):
    """What stands behind the ID that somebody signs in with; all None where nothing does."""

    member_id: MemberId | None
    password_hash: str | None


class Attempts(msgspec.Struct, frozen=True):
    """Attempts at one thing, counted as failed until they turn out right."""

    failures: int
    locked_until: datetime | None
    last_at: datetime


class Totp(msgspec.Struct, frozen=True):
    """A member's generator of one-time codes (RFC 6238)."""

    member_id: MemberId
    secret: Sealed
    confirmed: bool
    last_step: int


class Passkey(msgspec.Struct, frozen=True):
    """A passkey: its private half is in the member's device."""

    id: PasskeyId
    member_id: MemberId
    credential_id: bytes
    public_key: bytes
    sign_count: int
    name: str
    created_at: datetime
    last_used_at: datetime | None


class RelyingParty(msgspec.Struct, frozen=True):
    """Who we are to passkeys (WebAuthn): the domain they are bound to, and where our pages are served."""

    id: str = "localhost"
    origin: str = "http://localhost:8080"
    name: str = "Obverse"


class Recoverable(msgspec.Struct, frozen=True):
    """What a valid recovery token shows of a membership (WA-2)."""

    question: Secret
    second_factor: bool
