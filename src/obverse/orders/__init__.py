"""Orders: prepaid cards bought without an account, gifts among them.

A quote becomes an order, which is paid as `sales` does it. Nothing is allocated before; then each piece gets
a card, in commits that a kill cannot double. The buyer follows the order by its token: reveals numbers and
PINs, sets a card up, gives one, takes one back. Source: PP-1 to PP-3.
"""

from obverse.orders.allocating import Allocation
from obverse.orders.errors import (
    BulkRefused,
    LineProblem,
    NotGiftable,
    OrderNotFound,
    OrderNotOpen,
    PieceNotFound,
    PieceNotOpen,
    ProgrammeNotSold,
    SentJustNow,
    TooManyOrders,
)
from obverse.orders.jobs import PiecesRekey, buyers_rekey
from obverse.orders.model import (
    BulkTerms,
    BulkWish,
    Buyer,
    Design,
    Gift,
    Line,
    Order,
    OrderKind,
    OrderState,
    OrderWish,
    Piece,
    PieceSight,
    PieceState,
    Placed,
    Quote,
    Revealed,
)
from obverse.orders.room import Around
from obverse.orders.service import Orders

__all__ = [
    "Allocation",
    "Around",
    "BulkRefused",
    "BulkTerms",
    "BulkWish",
    "Buyer",
    "Design",
    "Gift",
    "Line",
    "LineProblem",
    "NotGiftable",
    "Order",
    "OrderKind",
    "OrderNotFound",
    "OrderNotOpen",
    "OrderState",
    "OrderWish",
    "Orders",
    "Piece",
    "PieceNotFound",
    "PieceNotOpen",
    "PieceSight",
    "PieceState",
    "PiecesRekey",
    "Placed",
    "ProgrammeNotSold",
    "Quote",
    "Revealed",
    "SentJustNow",
    "TooManyOrders",
    "buyers_rekey",
]
