"""Presentments and the files that carry them."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum

import msgspec

from obverse.authorization.model import ActionKind
from obverse.cards import HeldBy
from obverse.kit.ids import (
    ActionId,
    AuthorizationId,
    CardId,
    MerchantId,
    PartitionId,
    PresentmentFileId,
    PresentmentId,
    SourceId,
    VaultCardId,
)
from obverse.kit.money import CurrencyCode, Money


class Direction(StrEnum):
    """Seen from the cardholder, as card companies do."""

    DEBIT = "debit"
    """The card company owes us."""
    CREDIT = "credit"
    """We owe the card company."""


class PresentmentState(StrEnum):
    READY = "ready"
    """Waits for the next file."""
    PRESENTED = "presented"
    """In a file that the card company has not acknowledged yet."""
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    """Not taken; stays in what card companies owe until an operator decides."""
    WRITTEN_OFF = "written_off"
    """Given up by an operator."""


class Presentment(msgspec.Struct, frozen=True):
    """One linked-card leg's share of one action, with all its record in the file needs but the number."""

    id: PresentmentId
    partition_id: PartitionId
    action_id: ActionId
    position: int
    authorization_id: AuthorizationId
    direction: Direction
    amount: Money
    vault_card_id: VaultCardId
    arn: str
    """Acquirer reference data (DE 31), 23 digits: how both sides name it."""
    network_ref: str | None
    """Names the approval request that it follows (DE 37)."""
    approval_code: str | None
    """DE 38, as the card company gave it."""
    is_final: bool
    """Nothing of this leg is captured after it: the card company releases the rest of its hold."""
    merchant_name: str
    category: str | None
    """ISO 18245 merchant category code."""
    paid_at: datetime
    """When the payment was made (DE 12)."""
    state: PresentmentState
    created_at: datetime
    file_id: PresentmentFileId | None = None
    reject_reason: str | None = None


class FileState(StrEnum):
    MADE = "made"
    """Committed with its members; nothing of it was sent."""
    UNKNOWN = "unknown"
    """Sent, or about to be: no answer yet, so it is sent again under the same id."""
    SENT = "sent"
    """The card company has it; the acknowledgement is asked for."""
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    """As a whole: everything in it is rejected and waits for an operator."""


OPEN_STATES = (FileState.MADE, FileState.UNKNOWN, FileState.SENT)


class PaymentState(StrEnum):
    """Where the money for a file stands."""

    NOT_DUE = "not_due"
    """Not acknowledged yet, or nothing is left to pay."""
    DUE = "due"
    PAID_IN_PART = "paid_in_part"
    PAID = "paid"
    OVERPAID = "overpaid"
    CARRIED_OVER = "carried_over"
    """Credits outweigh debits: deducted from what the next file is paid."""


class Totals(msgspec.Struct, frozen=True):
    """Counts and sums of some presentments, in minor units."""

    debit_count: int = 0
    debit_minor: int = 0
    credit_count: int = 0
    credit_minor: int = 0

    @property
    def count(self) -> int:
        return self.debit_count + self.credit_count

    @property
    def net_minor(self) -> int:
        """What the card company owes for them; negative where credits outweigh debits."""
        return self.debit_minor - self.credit_minor


class PresentmentFile(msgspec.Struct, frozen=True):
    """One file to the card company. The file itself is written from its members whenever it is sent.

    `sequence` counts the files of one business day from 1. `carried_minor` (never positive) is what earlier
    files left for the card company to deduct from this one's payment.
    """

    id: PresentmentFileId
    reference: str
    business_day: date
    sequence: int
    currency: CurrencyCode
    totals: Totals
    state: FileState
    next_try_at: datetime
    created_at: datetime
    problem: str | None = None
    sha256: bytes | None = None
    """Of the file as it was last sent."""
    rejected_count: int = 0
    accepted_minor: int | None = None
    """Accepted debits less accepted credits."""
    carried_minor: int = 0
    received_minor: int = 0
    acknowledged_at: datetime | None = None

    @property
    def due_minor(self) -> int | None:
        """What the card company has to pay for this file; negative is deducted from the next one."""
        return None if self.accepted_minor is None else self.accepted_minor + self.carried_minor

    @property
    def payment(self) -> PaymentState:
        due, received = max(0, self.due_minor or 0), self.received_minor
        if received > due:
            return PaymentState.OVERPAID
        if due:
            return PaymentState.PAID if received == due else _part(received)
        carries = self.due_minor is not None and self.due_minor < 0
        return PaymentState.CARRIED_OVER if carries else PaymentState.NOT_DUE


def _part(received_minor: int) -> PaymentState:
    return PaymentState.PAID_IN_PART if received_minor else PaymentState.DUE


class ChargePart(msgspec.Struct, frozen=True):
    """One linked card's share of a charge; `state` is None until it is presented."""

    source_id: SourceId
    amount_minor: int
    state: PresentmentState | None


class Charge(msgspec.Struct, frozen=True):
    """What a card company bills or credits a member for one step of one payment (OT-18)."""

    id: ActionId
    kind: ActionKind
    direction: Direction
    authorization_id: AuthorizationId
    card_id: CardId
    held_by: HeldBy
    """Who has the card: its giver does not learn where it was used (OT-8)."""
    merchant_id: MerchantId
    currency: CurrencyCode
    parts: Sequence[ChargePart]
    created_at: datetime

    @property
    def amount_minor(self) -> int:
        return sum(part.amount_minor for part in self.parts)
