"""A card on its way to being one of plastic (WA-4)."""

from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import CardId, FulfilmentId, MemberId, PartitionId
from obverse.kit.secret import Sealed, Secret


class FulfilmentState(StrEnum):
    ORDERED = "ordered"
    MAKING = "making"
    """In a run that the maker has, or is about to get."""
    POSTED = "posted"
    DELIVERED = "delivered"
    RETURNED = "returned"
    """It came back: the card is suspended until its holder asks for it again."""


STEPS: Final = {
    FulfilmentState.POSTED: FulfilmentState.MAKING,
    FulfilmentState.DELIVERED: FulfilmentState.POSTED,
    FulfilmentState.RETURNED: FulfilmentState.POSTED,
}
"""Where each of an operator's steps begins."""


class Place(StrEnum):
    HOME = "home"
    OFFICE = "office"


class Address(msgspec.Struct, frozen=True):
    """Where a card is posted to. It names a person, and so is sealed at rest."""

    recipient: Secret
    address: Secret
    postal_code: Secret


class PlasticWish(msgspec.Struct, frozen=True):
    """What a member asks for; `embossed_name` is in Latin letters."""

    embossed_name: str
    design: str
    place: Place
    address: Address


class Fulfilment(msgspec.Struct, frozen=True):
    """One card to be made and posted. `run` is the maker's batch it is in, `tracking` the post's number."""

    id: FulfilmentId
    partition_id: PartitionId
    card_id: CardId
    member_id: MemberId
    state: FulfilmentState
    design: str
    embossed_name: str
    place: Place
    address: Sealed | None
    """None once it has arrived."""
    run: int | None
    tracking: str | None
    created_at: datetime
    moved_at: datetime


class MakerLine(msgspec.Struct, frozen=True):
    """What the maker needs of one card. It is written to the maker's file and nowhere else."""

    fulfilment: Fulfilment
    number: Secret
    expiry: str
    """YYMM."""
    cvv: Secret
    address: Address


_RECIPIENT_LENGTH_MAX: Final = 60
_ADDRESS_LENGTH_MAX: Final = 200


def check_address(address: Address) -> None:
    """Refuse what no postman could read. Raises `InvalidRequest`; nothing of the address is repeated."""
    _check_line(address.recipient, _RECIPIENT_LENGTH_MAX, "address.recipient")
    _check_line(address.address, _ADDRESS_LENGTH_MAX, "address.address")
    code = address.postal_code.reveal()
    if not (len(code) == 5 and code.isascii() and code.isdigit()):
        raise InvalidRequest("A postal code has five digits.", "address.postal_code")


def _check_line(line: Secret, length_max: int, param: str) -> None:
    text = line.reveal()
    if not 1 <= len(text.strip()) <= length_max or not text.isprintable():
        raise InvalidRequest(f"Give 1 to {length_max} printable characters.", param)


def check_tracking(tracking: str) -> str:
    """A number of the post's. Raises `InvalidRequest`."""
    tracking = tracking.strip()
    if not (1 <= len(tracking) <= 40 and tracking.isascii() and tracking.replace("-", "").isalnum()):
        raise InvalidRequest("A tracking number has up to 40 letters, digits and hyphens.", "tracking")
    return tracking
