"""The draws room's refusals. A draw that the card's rules do not allow is declined, which is an answer."""

from obverse.kit.errors import NotFound, ObverseError


class DrawNotFound(NotFound):
    """No draw with that id, or none of this card (P12)."""

    code = "draw_not_found"

    def __init__(self) -> None:
        super().__init__("draw")


class NotDrawable(ObverseError):
    """Only what was handed over is as good as cash; a member's own credit is for purchases."""

    code = "not_drawable"

    def __init__(self) -> None:
        super().__init__("Only a card that was handed over can be drawn, by whoever holds it.")


class NothingToDraw(ObverseError):
    """Nothing is left of the card's limit."""

    code = "nothing_to_draw"

    def __init__(self) -> None:
        super().__init__("Nothing is left of this card's limit.")


class AccountNotRefused(ObverseError):
    """An account is corrected where the bank has refused it: all else may still arrive there."""

    code = "account_not_refused"

    def __init__(self) -> None:
        super().__init__("The bank has not refused this account, so the money is not sent elsewhere.")
