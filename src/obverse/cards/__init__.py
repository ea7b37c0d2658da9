"""Cards: the stand-ins that a shop may see.

A card's number works as often as its controls say, usually once, and can be handed to another person like
cash. The number itself is not stored: it is made from the serial when its holder asks. Source: OT-6 to
OT-8, PF-8. The engine reads and spends cards through `repository`, in its own commits.
"""

from obverse.cards.errors import (
    CardHandedOver,
    CardIsClosed,
    CardIsInactive,
    CardNotFound,
    CardNotGiveable,
    CardNotShown,
    ClaimLinkExists,
    ClaimLinkInvalid,
    FulfilmentExists,
    FulfilmentMoved,
    FulfilmentNotFound,
    HolderUnknown,
    NotPhysical,
    PinLocked,
    WrongPin,
)
from obverse.cards.fulfilment_model import (
    Address,
    Fulfilment,
    FulfilmentState,
    MakerLine,
    Place,
    PlasticWish,
)
from obverse.cards.fulfilments import Fulfilments, fulfilments_rekey
from obverse.cards.jobs import CardsRekey, RegisteredCardsRekey
from obverse.cards.model import (
    STORED_VALUE,
    WITH_PIN,
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
    Registration,
    RequestKey,
    Service,
    Sight,
    SpentOn,
    StoredValueOrder,
    Viewer,
)
from obverse.cards.pins import NewPin, Pins, PinStatus, pin_hash_of
from obverse.cards.ports import HandBalance
from obverse.cards.rules import controls_of, face_expiry, face_expiry_of, sight
from obverse.cards.service import Cards
from obverse.cards.stored_value import StoredValueCards

__all__ = [
    "STORED_VALUE",
    "WITH_PIN",
    "Address",
    "Card",
    "CardFace",
    "CardHandedOver",
    "CardIsClosed",
    "CardIsInactive",
    "CardKind",
    "CardNotFound",
    "CardNotGiveable",
    "CardNotShown",
    "CardState",
    "CardUse",
    "Cards",
    "CardsRekey",
    "ClaimLink",
    "ClaimLinkExists",
    "ClaimLinkInvalid",
    "Controls",
    "Fulfilment",
    "FulfilmentExists",
    "FulfilmentMoved",
    "FulfilmentNotFound",
    "FulfilmentState",
    "Fulfilments",
    "HandBalance",
    "HeldBy",
    "HolderUnknown",
    "Issued",
    "MakerLine",
    "NewPin",
    "NotPhysical",
    "Order",
    "PinLocked",
    "PinStatus",
    "Pins",
    "Place",
    "PlasticWish",
    "RegisteredCardsRekey",
    "Registration",
    "RequestKey",
    "Service",
    "Sight",
    "SpentOn",
    "StoredValueCards",
    "StoredValueOrder",
    "Viewer",
    "WrongPin",
    "controls_of",
    "face_expiry",
    "face_expiry_of",
    "fulfilments_rekey",
    "pin_hash_of",
    "sight",
]
