"""The orders room's refusals."""

from collections.abc import Sequence

import msgspec

from obverse.kit.errors import NotFound, ObverseError


class OrderNotFound(NotFound):
    """No such order, or not the caller's (P12)."""

    code = "order_not_found"

    def __init__(self) -> None:
        super().__init__("order")


class PieceNotFound(NotFound):
    """The order has no piece with that number."""

    code = "piece_not_found"

    def __init__(self) -> None:
        super().__init__("piece of this order")


class TooManyOrders(ObverseError):
    """One address has ordered too often within an hour."""

    code = "too_many_orders"

    def __init__(self) -> None:
        super().__init__("Too many orders from your address. Try again in an hour.")


class ProgrammeNotSold(ObverseError):
    """The programme of a line sells no cards: unknown, closed, or of another currency than the first line."""

    code = "programme_not_sold"

    def __init__(self, param: str) -> None:
        self.param = param
        super().__init__("Cards of this programme cannot be bought, or not together with the others.")


class NotGiftable(ObverseError):
    """The programme's cards are for their buyers only."""

    code = "not_giftable"

    def __init__(self, param: str | None = None) -> None:
        self.param = param
        super().__init__("Cards of this programme cannot be given.")


class OrderNotOpen(ObverseError):
    """What is asked needs an order in another state: not paid yet, or over."""

    code = "order_not_open"

    def __init__(self) -> None:
        super().__init__("The state of this order does not allow that, or not yet.")


class PieceNotOpen(ObverseError):
    """The card was set up, given, claimed, used or cancelled: it is too late for what is asked."""

    code = "piece_not_open"

    def __init__(self, at: int) -> None:
        self.param = f"pieces[{at}]"
        super().__init__(f"Piece {at} is not in a state that allows that.")


class SentJustNow(ObverseError):
    """A mail about this gift went out a moment ago."""

    code = "gift_sent_just_now"

    def __init__(self) -> None:
        super().__init__("A mail about this gift went out a moment ago. Try again in a minute.")


class LineProblem(msgspec.Struct, frozen=True):
    """What is wrong with one line of a file, the header being 1, and with which column. Never a value."""

    line: int
    column: str | None
    reason: str


class BulkRefused(ObverseError):
    """A file with wrong lines: nothing of it is taken."""

    code = "bulk_file_refused"
    param = "file"

    def __init__(self, lines: Sequence[LineProblem]) -> None:
        self.lines = tuple(lines)
        super().__init__(f"Nothing was taken: {len(lines):,} lines have to be put right.")
