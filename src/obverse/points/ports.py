"""What the points room needs of issuers, who are asked over the network."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from obverse.kit.ids import AuthorizationId, PartitionId, PointsIssuerId, SourceId
from obverse.kit.secret import Sealed, Secret
from obverse.points.model import Issuer, PointsMessage


class Trouble(StrEnum):
    """Why an issuer's balance is not known: the row says so, and holds up no other (PR-3)."""

    SLOW = "slow"
    """No answer within the deadline."""
    DOWN = "down"
    """Not reached, or not asked because it failed too often just now."""
    REFUSED = "refused"
    """It answered, but not for this account."""
    NOT_ACCEPTED = "not_accepted"
    """It was not asked: the merchant takes none of its points, or there is no rate for them (PR-10)."""


class BalanceAsk(msgspec.Struct, frozen=True):
    source_id: SourceId
    issuer_id: PointsIssuerId
    handle: Sealed


class BalanceAnswer(msgspec.Struct, frozen=True):
    """`units`, or the trouble there was."""

    units: int | None
    trouble: Trouble | None = None


class PointsBalances(Protocol):
    async def balances(self, asks: Sequence[BalanceAsk]) -> Mapping[SourceId, BalanceAnswer]:
        """Ask every issuer at the same time, within one deadline; every ask has an answer. Never raises
        for what an issuer does."""
        ...


class LinkBegun(msgspec.Struct, frozen=True):
    """The issuer's name for a link whose code is under way."""

    link: str


class LinkProof(msgspec.Struct, frozen=True):
    """What a right code is answered with: how the issuer names the account to us from now on."""

    handle: Secret


class LinkIssuers(Protocol):
    """Issuers, asked to prove that an account is the member's (PR-1)."""

    async def begin_link(self, issuer_id: PointsIssuerId, account: Secret) -> LinkBegun | None:
        """Have the issuer send its owner a code; None where it knows no such account. Raises
        `Unavailable`."""
        ...

    async def prove_link(self, issuer_id: PointsIssuerId, link: str, code: Secret) -> LinkProof | None:
        """Show the code; None where it is wrong or over. Raises `Unavailable`."""
        ...


class IssuerDirectory(Protocol):
    """Where issuers are reached, and how; suspended ones too, for they are still told what they are owed."""

    async def find(self, issuer_id: PointsIssuerId) -> Issuer | None:
        """As it stands, or stood a moment ago. Raises `Unavailable`."""
        ...


class IssuerLine(Protocol):
    """The line to the issuers, as operators ask after it."""

    def is_answering(self, issuer_id: PointsIssuerId) -> bool | None:
        """Whether this process reaches an issuer; None where it has not asked it yet."""
        ...


class LegsCancelled(Protocol):
    """The engine, told that issuers have undone legs or will never let them happen."""

    async def __call__(
        self, partition_id: PartitionId, legs: Sequence[tuple[AuthorizationId, int]], /
    ) -> None:
        """Legs of one partition, by payment and position. Safe to repeat. Raises `Unavailable`."""
        ...


class TellIssuers(Protocol):
    async def tell(self, issuer_id: PointsIssuerId, messages: Sequence[PointsMessage]) -> Sequence[bool]:
        """Send what an issuer has to be told; True for what it has acknowledged. Safe to repeat; never
        raises for what it does."""
        ...
