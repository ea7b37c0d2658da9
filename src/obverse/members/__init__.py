"""Members: persons who hold stand-ins. Registration data, passwords, sign-in, sessions.

Who a member is in the world is kept as little as can be: the identity number only as a keyed hash, the
address sealed, the password as an argon2id hash. Source: OT-1 to OT-5.
"""

from obverse.members.errors import (
    AlreadyRegistered,
    MemberNotFound,
    MemberSuspended,
    SignInLocked,
    WrongCredentials,
)
from obverse.members.jobs import AddressesRekey, sweep
from obverse.members.model import Applicant, Application, Member, Session, Standing
from obverse.members.passwords import Passwords
from obverse.members.ports import IdentityVault
from obverse.members.service import Members

__all__ = [
    "AddressesRekey",
    "AlreadyRegistered",
    "Applicant",
    "Application",
    "IdentityVault",
    "Member",
    "MemberNotFound",
    "MemberSuspended",
    "Members",
    "Passwords",
    "Session",
    "SignInLocked",
    "Standing",
    "WrongCredentials",
    "sweep",
]
