"""What the engine needs from the networks it asks."""

from enum import StrEnum
from typing import Protocol

import msgspec

from obverse.kit.ids import PointsIssuerId, SourceId, VaultCardId
from obverse.kit.money import Money
from obverse.kit.secret import Sealed


class LegOutcome(StrEnum):
    APPROVED = "approved"
    DECLINED = "declined"
    UNREACHABLE = "unreachable"
    """Never left us: nothing can have happened there."""
    NO_ANSWER = "no_answer"
    """Sent, and the deadline passed: it may have happened."""


class LegAnswer(msgspec.Struct, frozen=True):
    outcome: LegOutcome
    response_code: str | None = None
    """DE 39 as the card company gave it."""
    approval_code: str | None = None
    """DE 38."""
    to_confirm: bool = False
    """Whether a points issuer only holds what it has approved, and waits to hear that the payment stands."""


class LegRequest(msgspec.Struct, frozen=True):
    """One off-us leg on its way to a card company.

    `network_ref` was stored before sending and names the message (DE 7, 11, 37), so that it can be
    reversed by anybody who reads the row later.
    """

    network_ref: str
    vault_card_id: VaultCardId
    amount: Money
    merchant_name: str
    merchant_category: str


class Terminal(msgspec.Struct, frozen=True):
    """Where a payment is made, for issuers that send their results there as well (PR-7)."""

    acquirer_id: str
    merchant_no: str
    terminal: str
    rrn: str | None


class PointsRequest(msgspec.Struct, frozen=True):
    """One leg of points on its way to its issuer; `network_ref` makes its repeats and its reversal one."""

    network_ref: str
    source_id: SourceId
    issuer_id: PointsIssuerId
    handle: Sealed
    """How the issuer names the account."""
    units: int
    amount: Money
    merchant_name: str
    terminal: Terminal | None


class PointsIssuers(Protocol):
    """The issuers of members' points, as the engine sees them."""

    async def take(self, leg: PointsRequest) -> LegAnswer:
        """Have units held, or deducted where the issuer holds nothing; returns within the deadline, never
        raises for what the far end does. What is to become of them is told it later (`points_messages`)."""
        ...


class CardCompany(Protocol):
    """The issuer of linked cards, as the engine sees it."""

    def new_reference(self) -> str:
        """A fresh `network_ref`, unique for this platform."""
        ...

    async def authorize(self, leg: LegRequest) -> LegAnswer:
        """Ask for approval; returns within the network's deadline, never raises for what the far end does."""
        ...

    async def reverse(self, leg: LegRequest) -> bool:
        """Send one reversal; True once the card company acknowledged it. Safe to repeat."""
        ...
