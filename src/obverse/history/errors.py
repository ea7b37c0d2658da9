"""The history room's refusals."""

from obverse.kit.errors import NotFound


class CardNotInHistory(NotFound):
    """No card with that id, or none that the reader may see (P12)."""

    code = "card_not_found"

    def __init__(self) -> None:
        super().__init__("card", "card")
