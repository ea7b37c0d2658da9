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


class CardIsInactive(ObverseError):
    """The card was not set up by its buyer yet, or not sold by its agent."""

    code = "card_inactive"

    def __init__(self, card_id: CardId) -> None:
        self.card_id = card_id
        super().__init__("This card is not in use yet.")


class CardHandedOver(ObverseError):
    """The card is a recipient's now: the member may no longer reveal, stop or take it back (OT-8)."""

    code = "card_handed_over"

    def __init__(self, card_id: CardId) -> None:
        self.card_id = card_id
        super().__init__("This card was handed over and is no longer yours.")


class CardNotShown(ObverseError):
    """A registered card is its company's: its number is in its holder's hand, and we never show it."""

    code = "card_not_shown"

    def __init__(self, card_id: CardId) -> None:
        self.card_id = card_id
        super().__init__("The number of a registered card is never shown.")


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


class WrongPin(ObverseError):
    """The present PIN, which is needed to set another, is a different one. It counts as a try."""

    code = "wrong_pin"
    param = "old_pin"

    def __init__(self, card_id: CardId) -> None:
        self.card_id = card_id
        super().__init__("That is not the PIN of this card.")


class PinLocked(ObverseError):
    """Too many wrong PINs: none is taken any more until the holder sets another one."""

    code = "pin_locked"

    def __init__(self, card_id: CardId) -> None:
        self.card_id = card_id
        super().__init__("Too many wrong PINs. Sign in again and set a new one without the old.")


class HolderUnknown(ObverseError):
    """The holder token is nobody's: unknown, or of a card that is a member's by now."""

    code = "holder_unknown"
    param = "holder_token"

    def __init__(self) -> None:
        super().__init__("This holder token is not valid, or not any more.")


class NotPhysical(ObverseError):
    """Cards of this kind, or of this programme, are not made of plastic."""

    code = "card_not_physical"

    def __init__(self, card_id: CardId) -> None:
        self.card_id = card_id
        super().__init__("This card cannot be made of plastic.")


class FulfilmentExists(ObverseError):
    """The card is being made or is on its way already, with other wishes."""

    code = "fulfilment_exists"

    def __init__(self, card_id: CardId) -> None:
        self.card_id = card_id
        super().__init__("This card is being made already.")


class FulfilmentNotFound(NotFound):
    """No card in the making with that id, or none that the caller may see (P12)."""

    code = "fulfilment_not_found"

    def __init__(self) -> None:
        super().__init__("fulfilment")


class FulfilmentMoved(ObverseError):
    """The card is not where this step begins; `state` tells where it is."""

    code = "fulfilment_moved"

    def __init__(self, state: str) -> None:
        super().__init__(f"The card is {state}; this step does not follow.")
