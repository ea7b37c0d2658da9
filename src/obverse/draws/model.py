"""A draw: money on its way from a handed-over card to a bank account of its holder."""

from datetime import datetime
from enum import StrEnum

import msgspec

from obverse.authorization import Decline
from obverse.kit.ids import BankTransferId, CardId, DrawId, PartitionId
from obverse.kit.money import Money
from obverse.kit.secret import Sealed
from obverse.treasury import BankAccount, BankTransfer


class DrawState(StrEnum):
    ASKED = "asked"
    """Noted; the engine has not decided yet, or the bank transfer is not ordered yet."""
    DECLINED = "declined"
    ORDERED = "ordered"
    """The money is the treasury's to send; how far it got, its bank transfer says."""


class Wish(msgspec.Struct, frozen=True):
    """What the holder asks for; `amount_minor` None draws all that one payment of the card may take."""

    account: BankAccount
    amount_minor: int | None = None


class Draw(msgspec.Struct, frozen=True):
    """A draw as stored. `account` is sealed, and kept only until the treasury has it."""

    id: DrawId
    partition_id: PartitionId
    card_id: CardId
    amount: Money
    state: DrawState
    decline: Decline | None
    transfer_id: BankTransferId
    account: Sealed | None
    account_hash: bytes
    request_key: str
    fingerprint: bytes
    created_at: datetime


class Drawn(msgspec.Struct, frozen=True):
    """A draw with its bank transfer, once there is one. `repeated`: an earlier request made it (P6)."""

    draw: Draw
    transfer: BankTransfer | None = None
    repeated: bool = False
