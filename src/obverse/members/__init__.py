"""Members: persons who hold stand-ins. Registration data, passwords, passkeys, sign-in, sessions, recovery.

Who a member is in the world is kept as little as can be: the identity number only as a keyed hash, what names
or reaches them sealed, the password as an argon2id hash. Source: OT-1 to OT-5, WA-1, WA-2, PF-12.
"""

from obverse.members.errors import (
    AlreadyRegistered,
    MemberNotFound,
    MemberSuspended,
    SignInLocked,
    WrongCredentials,
)
from obverse.members.jobs import rekeys, sweep
from obverse.members.model import (
    Applicant,
    Application,
    BirthCalendar,
    Contact,
    ContactChange,
    ContactKind,
    HolderForm,
    Member,
    Method,
    Outcome,
    Passkey,
    Person,
    Profile,
    ProfileChange,
    Recoverable,
    RelyingParty,
    Session,
    SignIn,
    Standing,
    Statements,
)
from obverse.members.passwords import Passwords
from obverse.members.ports import IdentityVault, Post
from obverse.members.service import Members

__all__ = [
    "AlreadyRegistered",
    "Applicant",
    "Application",
    "BirthCalendar",
    "Contact",
    "ContactChange",
    "ContactKind",
    "HolderForm",
    "IdentityVault",
    "Member",
    "MemberNotFound",
    "MemberSuspended",
    "Members",
    "Method",
    "Outcome",
    "Passkey",
    "Passwords",
    "Person",
    "Post",
    "Profile",
    "ProfileChange",
    "Recoverable",
    "RelyingParty",
    "Session",
    "SignIn",
    "SignInLocked",
    "Standing",
    "Statements",
    "WrongCredentials",
    "rekeys",
    "sweep",
]
