"""What payments leave of a card, counted while a batch decides. Pure."""

from dataclasses import dataclass
from typing import Self

from obverse.cards.model import Card, CardState, SpentOn


@dataclass(slots=True)
class CardUsage:
    """What one batch has left of a card so far; changed as the batch decides payment after payment."""

    uses_left: int
    spent_minor: int
    pin_failures: int
    state: CardState

    @classmethod
    def of(cls, card: Card) -> Self:
        """What was left of the card before the batch."""
        return cls(card.uses_left, card.spent_minor, card.pin_failures, card.state)


def spend(usage: CardUsage, amount_minor: int, spent_on: SpentOn) -> None:
    """Count a payment, approved or still waiting, against its card; zero-amount checks are free (PF-8)."""
    if amount_minor == 0:
        return
    usage.spent_minor += amount_minor
    if spent_on is SpentOn.APPROVAL:
        usage.uses_left -= 1


def give_back(usage: CardUsage, amount_minor: int, spent_on: SpentOn, *, was_approved: bool) -> None:
    """Undo `spend`. The amount comes back either way; the use only where there never was an approval,
    so that a number that was once approved stays spent after a reversal (OT-14, P1)."""
    if amount_minor == 0:
        return
    usage.spent_minor -= amount_minor
    if spent_on is SpentOn.APPROVAL and not was_approved:
        usage.uses_left += 1


def release(usage: CardUsage, released_minor: int) -> None:
    """Count a release against the card: what was not captured may be spent again."""
    usage.spent_minor -= released_minor


def capture(usage: CardUsage, spent_on: SpentOn) -> None:
    """Count a payment's first capture: a card that is spent on capture loses a use (PF-8)."""
    if spent_on is SpentOn.CAPTURE and usage.uses_left > 0:
        usage.uses_left -= 1
