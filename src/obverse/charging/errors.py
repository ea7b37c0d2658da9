"""The charging room's refusals. A card or an account that does not pay is a decline, which is an answer."""

from obverse.kit.errors import NotFound, ObverseError


class ChargeNotFound(NotFound):
    """No charge with that id, or none that the caller may see (P12)."""

    code = "charge_not_found"

    def __init__(self) -> None:
        super().__init__("charge")


class CardNotInHand(ObverseError):
    """Number and PIN do not go together, or the card is locked: which, is not told (P17)."""

    code = "card_not_in_hand"
    param = "pin"

    def __init__(self) -> None:
        super().__init__("No card with this number and PIN can be used here.")


class TooManyCardsTyped(ObverseError):
    """So many real cards were typed in to charge this one that they are hardly one person's own."""

    code = "too_many_cards_typed"

    def __init__(self) -> None:
        super().__init__("Too many cards were tried for this one. Wait an hour, or pay by bank transfer.")


class AutomaticChargeNotFound(NotFound):
    """This card does not charge itself."""

    code = "automatic_charge_not_found"

    def __init__(self) -> None:
        super().__init__("automatic charge")


class CardNotChargeable(ObverseError):
    """Its kind, its state, its age or its programme does not allow it to be charged."""

    code = "card_not_chargeable"

    def __init__(self, why: str) -> None:
        super().__init__(f"This card cannot be charged: {why}.")


class ChargeUnit(ObverseError):
    """Charges come in multiples of the programme's unit (PP-9)."""

    code = "charge_unit"
    param = "amount"

    def __init__(self, unit_minor: int) -> None:
        super().__init__(f"Charge this card in multiples of {unit_minor:,}.")


class BalanceCeiling(ObverseError):
    """Balance and charges under way would be more than a card of this programme may hold (PP-9)."""

    code = "balance_ceiling"
    param = "amount"

    def __init__(self, ceiling_minor: int) -> None:
        super().__init__(f"This card may hold {ceiling_minor:,} at most, charges under way included.")


class BalanceNotRefundable(ObverseError):
    """Cards of this programme are spent, not refunded."""

    code = "balance_not_refundable"

    def __init__(self) -> None:
        super().__init__("What is left on cards of this programme is not refunded.")


class GiftNotRefundable(ObverseError):
    """What somebody else has paid is for spending (PP-13)."""

    code = "gift_not_refundable"

    def __init__(self) -> None:
        super().__init__("What is left on this card was given or earned: it can be spent, not refunded.")


class NothingToRefund(ObverseError):
    """Nothing is left, or all of it is held for payments."""

    code = "nothing_to_refund"

    def __init__(self) -> None:
        super().__init__("Nothing is left on this card that could be refunded now.")
