"""What the wallet needs from outside: a credit bureau, and a card company that answers for a card."""

from enum import StrEnum
from typing import Protocol

from obverse.kit.secret import Secret
from obverse.wallet.model import CardDetails


class CreditStanding(StrEnum):
    """What a credit bureau says of a person; it gives no reason, and we ask for none (OT-1)."""

    GOOD = "good"
    BAD = "bad"


class CreditBureau(Protocol):
    """A credit bureau."""

    async def standing(self, identity_number: Secret) -> CreditStanding:
        """The credit standing of this person. Raises `Unavailable` where no answer came in time."""
        ...


class CheckResult(StrEnum):
    """What came of a zero-amount check."""

    VERIFIED = "verified"
    REFUSED = "refused"
    """The card company does not vouch for these details; which of them is wrong, it does not say."""
    UNREACHABLE = "unreachable"
    """No answer: nothing is known. A check moves no money, so there is nothing to undo."""


class CardCheck(Protocol):
    """The card company, asked whether a card is real, alive and this person's own."""

    async def verify(self, details: CardDetails) -> CheckResult:
        """Send one zero-amount check; returns within the network's deadline, never raises for the far end."""
        ...
