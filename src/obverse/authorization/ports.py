"""What the engine needs from the networks it asks."""

from enum import StrEnum
from typing import Protocol

import msgspec

from obverse.kit.ids import VaultCardId
from obverse.kit.money import Money


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
