"""Members: persons who hold stand-ins."""

from datetime import datetime
from enum import StrEnum

import msgspec

from obverse.kit.ids import MemberId, PartitionId
from obverse.kit.secret import Sealed, Secret


class Standing(StrEnum):
    GOOD = "good"
    SUSPENDED = "suspended"


class Member(msgspec.Struct, frozen=True):
    """A member without anything that names the person: that part is sealed."""

    id: MemberId
    partition_id: PartitionId
    standing: Standing
    created_at: datetime


class Application(msgspec.Struct, frozen=True):
    """What a person gives to become a member (OT-1); `identity_number` is kept only as a keyed hash."""

    identity_number: Secret
    address: Secret
    password: Secret


class Applicant(msgspec.Struct, frozen=True):
    """An application that is ready to be stored once every check has passed (OT-2)."""

    identity_hash: bytes
    password_hash: str
    address: Secret


class SealedAddress(msgspec.Struct, frozen=True):
    """A member's address as it is stored."""

    member_id: MemberId
    sealed: Sealed


class Session(msgspec.Struct, frozen=True):
    """A signed-in member; the token itself is known to the client only."""

    member_id: MemberId
    expires_at: datetime


class Attempts(msgspec.Struct, frozen=True):
    """Sign-in attempts for one ID, counted as failed until they turn out right."""

    failures: int
    locked_until: datetime | None
    last_at: datetime
