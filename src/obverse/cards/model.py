"""A card: a stand-in that a shop may see."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from obverse.kit.ids import (
    CardBatchId,
    CardId,
    MemberId,
    MerchantId,
    PartitionId,
    ProgrammeId,
    SourceId,
    VaultCardId,
)
from obverse.kit.money import CurrencyCode
from obverse.kit.secret import Secret


class CardKind(StrEnum):
    ONE_TIME = "one_time"
    PREPAID = "prepaid"
    """Stored value for its holder, under a programme."""
    GIFT = "gift"
    """Stored value that somebody else has paid for."""
    REGISTERED = "registered"
    """A real card that its member has registered: it is shown itself, with points before it (PR-1)."""


CHUNK: Final = 500
"""Numbers made in one go: some milliseconds, in which nothing else runs in this process."""

STORED_VALUE: Final = frozenset({CardKind.PREPAID, CardKind.GIFT})

WITH_PIN: Final = STORED_VALUE | {CardKind.REGISTERED}
"""Kinds that stay in one hand for long enough to have a PIN. A registered card's is ours, not its bank's: it
proves the holder of a payment code."""


class Service(StrEnum):
    """What a card may be spent on (PP-5); told by the merchant's category."""

    GOODS = "goods"
    CONTENT = "content"
    VOICE = "voice"
    CALLS = "calls"


class CardState(StrEnum):
    INACTIVE = "inactive"
    """Not good yet: not set up by its buyer, or not sold by its agent."""
    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class SpentOn(StrEnum):
    """What uses a card up (PF-8)."""

    APPROVAL = "approval"
    CAPTURE = "capture"
    NEVER = "never"
    """Stored value ends when it is gone."""


class HeldBy(StrEnum):
    MEMBER = "member"
    RECIPIENT = "recipient"
    """Handed over: whoever claimed the link spends it, and neither side learns the other (OT-8)."""


class Controls(msgspec.Struct, frozen=True):
    """What the member allows at issue (OT-7). None means no limit; 0 means nothing may be spent."""

    amount_limit_minor: int | None = None
    """Ceiling on the sum of all approvals."""
    per_payment_limit_minor: int | None = None
    merchant_id: MerchantId | None = None
    categories: tuple[str, ...] | None = None
    """ISO 18245 merchant category codes."""
    spent_on: SpentOn = SpentOn.APPROVAL
    uses: int = 1
    """How many payments at issue; `Card.uses_left` is what remains of them."""
    services: tuple[Service, ...] | None = None
    merchants: tuple[MerchantId, ...] | None = None
    """What the programme allowed when the card was issued (PP-15)."""


class Card(msgspec.Struct, frozen=True):
    """A card as stored. The number is not: it is BIN + FF1(serial) + Luhn digit, made when it is needed."""

    partition_id: PartitionId
    id: CardId
    kind: CardKind
    state: CardState
    bin: str
    serial: int
    last_four: str
    number_hash: bytes
    member_id: MemberId | None
    """None where nobody we know holds it: then whoever has it in hand."""
    held_by: HeldBy
    currency: CurrencyCode
    controls: Controls
    uses_left: int
    spent_minor: int
    expires_at: datetime
    funding: tuple[SourceId, ...]
    """Sources in the order in which they pay."""
    created_at: datetime
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)
    programme_id: ProgrammeId | None = None
    batch_id: CardBatchId | None = None
    """The agent's batch it came in (PP-4)."""
    face_value_minor: int | None = None
    """What it was bought for, or will be sold for."""
    name: str = ""
    pin_hash: bytes | None = None
    """Keyed hash over number and PIN: with a new number a new PIN is due."""
    pin_failures: int = 0
    tell_of_use: bool = False
    """Whether its holder wants to hear of each use (WA-3)."""
    is_held: bool = False
    """Whether somebody has a holder token for it: who claimed it, or its buyer who uses it."""
    vault_card_id: VaultCardId | None = None
    """The real card that a registered one is; `number_hash` and `last_four` are that one's."""
    own_source: SourceId | None = None
    """What stays in `funding` in any order: a balance of its own, or the real card of a registered one."""


class CardUse(msgspec.Struct, frozen=True):
    """What a batch of decisions leaves of a card."""

    id: CardId
    uses_left: int
    spent_minor: int
    pin_failures: int
    state: CardState


class CardFace(msgspec.Struct, frozen=True):
    """What a shop asks for. `expiry` is YYMM as printed; the card's own `expires_at` may end it earlier."""

    number: Secret
    expiry: str
    cvv: Secret


class Order(msgspec.Struct, frozen=True):
    """What cards are asked for; all cards of one order are alike but for their numbers.

    `funding` has been checked by the wallet: the member's own, active, and of this currency.
    `expires_at` None means the programme's usual lifetime.
    """

    partition_id: PartitionId
    member_id: MemberId | None
    currency: CurrencyCode
    controls: Controls
    funding: tuple[SourceId, ...]
    expires_at: datetime | None = None
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)


class Registration(msgspec.Struct, frozen=True):
    """A real card to be registered; the wallet has checked that it is the member's own (PR-1)."""

    partition_id: PartitionId
    member_id: MemberId
    currency: CurrencyCode
    vault_card_id: VaultCardId
    number: Secret
    source_id: SourceId
    """Where it is linked, which is what pays when no points do."""
    expires_at: datetime
    """The first moment at which the real card is over."""
    name: str = ""


class StoredValueOrder(msgspec.Struct, frozen=True):
    """What cards with balances of their own are asked for; all of one order are alike but for their numbers.

    What restricts spending (`controls`) is what the programme says at this moment (PP-15).
    """

    partition_id: PartitionId
    kind: CardKind
    programme_id: ProgrammeId
    currency: CurrencyCode
    controls: Controls
    expires_at: datetime
    state: CardState = CardState.ACTIVE
    member_id: MemberId | None = None
    batch_id: CardBatchId | None = None
    face_value_minor: int | None = None
    name: str = ""
    tell_of_use: bool = False
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)


class RequestKey(msgspec.Struct, frozen=True):
    """What makes an order safe to repeat: same key and fingerprint, same cards."""

    key: str
    fingerprint: bytes


def row_keys(request: RequestKey, count: int) -> list[str]:
    """A key for each card of an order: the database holds each to one."""
    return [f"{request.key}/{index}" for index in range(count)]


class Issued(msgspec.Struct, frozen=True):
    """The answer to an order. `repeated` says that an earlier request with the same key made the cards."""

    cards: Sequence[Card]
    repeated: bool = False

    @property
    def card(self) -> Card:
        """The card of an order for one."""
        return self.cards[0]


class ClaimLink(msgspec.Struct, frozen=True):
    """A link by which one other person may take a card over (OT-8); its token is kept as a keyed hash."""

    token_hash: bytes
    partition_id: PartitionId
    card_id: CardId
    created_at: datetime
    expires_at: datetime
    claimed_at: datetime | None = None
    withdrawn_at: datetime | None = None


class Viewer(StrEnum):
    """Who looks at a card, or wants to do something with it."""

    MEMBER = "member"
    RECIPIENT = "recipient"
    OPERATOR = "operator"


class Sight(msgspec.Struct, frozen=True):
    """What a viewer may see of a card. Nothing about a recipient is ever shown, since nothing is stored."""

    number: bool
    owner: bool
    """The member's id, and what the member wrote on the card (`metadata`)."""
    funding: bool
    payments: bool
    """Where, when and how the card was used."""
