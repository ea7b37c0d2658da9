"""Charges, cards that charge themselves, and refunds of what is left."""

from datetime import datetime
from enum import StrEnum

import msgspec

from obverse.kit.ids import BankTransferId, CardId, ChargeId, MemberId, PartitionId, SourceId
from obverse.kit.money import Money
from obverse.sales import How, Sale
from obverse.treasury import BankAccount, BankTransfer


class ChargeKind(StrEnum):
    ASKED = "asked"
    """By whoever holds the card, or somebody who has it in hand."""
    AUTOMATIC = "automatic"
    """By itself, when it had run short."""
    GIVEN = "given"
    """By the programme, which an operator answers for."""


class ChargeState(StrEnum):
    OPEN = "open"
    """Not paid yet, or not known to be. Its amount counts towards the ceiling."""
    DONE = "done"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    GIVEN_BACK = "given_back"
    """Paid, and did not fit any more when the money came: it goes back to where it came from."""


class ChargeWish(msgspec.Struct, frozen=True):
    """How much to charge a card with, and how it is paid. `member_id` is the payer's, None for nobody we
    know."""

    amount_minor: int
    how: How
    member_id: MemberId | None = None


class Charge(msgspec.Struct, frozen=True):
    """A charge as stored. `reason` is a stable code: why it was declined or given back."""

    id: ChargeId
    partition_id: PartitionId
    card_id: CardId
    source_id: SourceId
    """The card's balance."""
    member_id: MemberId | None
    amount: Money
    kind: ChargeKind
    state: ChargeState
    reason: str | None
    request_key: str
    fingerprint: bytes
    created_at: datetime
    ended_at: datetime | None = None


class Charged(msgspec.Struct, frozen=True):
    """A charge with how it is paid; None where it was given. `repeated`: an earlier request made it (P6)."""

    charge: Charge
    sale: Sale | None
    repeated: bool = False


class AutomaticState(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    """The last one failed: its member sets it again, or resumes it."""


class AutomaticCharge(msgspec.Struct, frozen=True):
    """A member's wish that a card charges itself with `amount_minor` whenever less than `threshold_minor` is
    left. `paid_by` None: by the first of the member's own sources that can."""

    card_id: CardId
    partition_id: PartitionId
    source_id: SourceId
    """The card's balance."""
    member_id: MemberId
    threshold_minor: int
    amount_minor: int
    paid_by: SourceId | None
    state: AutomaticState
    pause_reason: str | None
    charge_id: ChargeId | None
    """The charge under way, one at a time."""
    created_at: datetime


class Shortage(msgspec.Struct, frozen=True):
    """What a member sets: see `AutomaticCharge`."""

    threshold_minor: int
    amount_minor: int
    paid_by: SourceId | None = None


class RefundWish(msgspec.Struct, frozen=True):
    """Where what is left shall go, and whether the card is to be closed once it is empty."""

    to: BankAccount
    close: bool = False


class BalanceRefund(msgspec.Struct, frozen=True):
    """What was left on a card, on its way to a bank account (PP-13)."""

    id: BankTransferId
    """Also its bank transfer's."""
    partition_id: PartitionId
    card_id: CardId
    member_id: MemberId | None
    amount: Money
    closed_card: bool
    request_key: str
    fingerprint: bytes
    created_at: datetime
    transfer: BankTransfer | None = None
    repeated: bool = False
