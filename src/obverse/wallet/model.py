"""Funding sources: what pays behind a card."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from obverse.cards.model import Controls
from obverse.kit.ids import AccountId, MemberId, PartitionId, SourceId, VaultCardId
from obverse.kit.money import CurrencyCode
from obverse.kit.secret import Secret


class SourceKind(StrEnum):
    LINKED_CARD = "linked_card"
    """A real card of the member; approved by its card company (off-us)."""
    CREDIT_LINE = "credit_line"
    """Credit the programme itself gives the member (on-us)."""


class SourceState(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"
    """The member's standing, or a bill unpaid for too long, does not allow it at present (OT-13)."""
    REMOVED = "removed"


class Source(msgspec.Struct, frozen=True):
    """One funding source of a member.

    `account_id` is the ledger account that is debited: the member's receivable for a credit line, the
    receivable from card companies for a linked card.
    """

    id: SourceId
    partition_id: PartitionId
    member_id: MemberId
    kind: SourceKind
    currency: CurrencyCode
    account_id: AccountId
    vault_card_id: VaultCardId | None
    state: SourceState
    created_at: datetime


class CardDetails(msgspec.Struct, frozen=True):
    """A real card as its owner types it in, to be proved at the card company before it is kept.

    `cvv` and `birth_date` (YYMMDD) go to the card company in that one check and are stored nowhere.
    """

    number: Secret
    exp_month: int
    exp_year: int
    """Four digits."""
    cvv: Secret
    birth_date: Secret


class Terms(msgspec.Struct, frozen=True):
    """What the programme gives a member who registers for credit (OT-13)."""

    currency: CurrencyCode
    credit_limit_minor: int


class CardWish(msgspec.Struct, frozen=True):
    """What a member asks for when they want a card. `funding` None means: whatever is there."""

    controls: Controls = msgspec.field(default_factory=Controls)
    funding: tuple[SourceId, ...] | None = None
    expires_at: datetime | None = None
    """UTC; None means the programme's usual lifetime."""
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)
