"""Cards: the stand-ins that a shop may see.

A card's number works as often as its controls say, usually once, and can be handed to another person like
cash. The number itself is not stored: it is made from the serial when its holder asks. Source: OT-6 to
OT-8, PF-8. The engine reads and spends cards through `repository`, in its own commits.
"""

from obverse.cards.errors import (
    CardHandedOver,
    CardIsClosed,
    CardNotFound,
    CardNotGiveable,
    ClaimLinkExists,
    ClaimLinkInvalid,
)
from obverse.cards.jobs import CardsRekey
from obverse.cards.model import (
    Card,
    CardFace,
    CardKind,
    CardState,
    CardUse,
    ClaimLink,
    Controls,
    HeldBy,
    Issued,
    Order,
    RequestKey,
    Sight,
    SpentOn,
    Viewer,
)
from obverse.cards.rules import face_expiry, sight
from obverse.cards.service import Cards

__all__ = [
    "Card",
    "CardFace",
    "CardHandedOver",
    "CardIsClosed",
    "CardKind",
    "CardNotFound",
    "CardNotGiveable",
    "CardState",
    "CardUse",
    "Cards",
    "CardsRekey",
    "ClaimLink",
    "ClaimLinkExists",
    "ClaimLinkInvalid",
    "Controls",
    "HeldBy",
    "Issued",
    "Order",
    "RequestKey",
    "Sight",
    "SpentOn",
    "Viewer",
    "face_expiry",
    "sight",
]
