"""The cards room's refusals."""

from obverse.kit.errors import NotFound, ObverseError
from obverse.kit.ids import CardId


class CardNotFound(NotFound):
    """No card with that id, or none that the caller may see: the two look the same on purpose (P12)."""

    code = "card_not_found"

    def __init__(self) -> None:
        super().__init__("card")


class CardIsClosed(ObverseError):
    """The card was closed; that is final."""

    code = "card_closed"

    def __init__(self, card_id: CardId) -> None:
        self.card_id = card_id
        super().__init__("This card is closed.")


class CardHandedOver(ObverseError):
    """The card is a recipient's now: the member may no longer reveal, stop or take it back (OT-8)."""

    code = "card_handed_over"

    def __init__(self, card_id: CardId) -> None:
        self.card_id = card_id
        super().__init__("This card was handed over and is no longer yours.")


class CardNotGiveable(ObverseError):
    """A card that was used, is not active or has expired cannot be handed over."""

    code = "card_not_giveable"

    def __init__(self, card_id: CardId) -> None:
        self.card_id = card_id
        super().__init__("Only an active, unused, unexpired card can be handed over.")


class ClaimLinkExists(ObverseError):
    """The card has a live claim link already. Withdraw it first."""

    code = "claim_link_exists"

    def __init__(self, card_id: CardId) -> None:
        self.card_id = card_id
        super().__init__("There is a claim link for this card already. Withdraw it to make another.")


class ClaimLinkInvalid(ObverseError):
    """The link cannot be claimed: unknown, claimed, withdrawn, expired, or its card is no longer good.

    One answer for all, so that a stranger with a guessed or found link learns nothing.
    """

    code = "claim_link_invalid"

    def __init__(self) -> None:
        super().__init__("This link is not valid, or not any more.")
