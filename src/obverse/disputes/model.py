"""A dispute: somebody contests a charge, its merchant answers, an operator decides."""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from obverse.cards import HeldBy
from obverse.kit.ids import AuthorizationId, CardId, DisputeId, MemberId, MerchantId
from obverse.kit.money import Money


class Reason(StrEnum):
    """What is wrong with the charge."""

    NOT_RECOGNISED = "not_recognised"
    NOT_RECEIVED = "not_received"
    NOT_AS_DESCRIBED = "not_as_described"
    WRONG_AMOUNT = "wrong_amount"
    CHARGED_TWICE = "charged_twice"
    REFUND_MISSING = "refund_missing"


class State(StrEnum):
    """Where a dispute stands; docs/disputes.md has the table of moves."""

    OPENING = "opening"
    """Noted; the engine has not credited the amount yet."""
    REFUSED = "refused"
    """Nothing was left to dispute when the engine came to it. Shown to nobody."""
    OPEN = "open"
    """The merchant may answer."""
    ANSWERED = "answered"
    UNANSWERED = "unanswered"
    """The time to answer has passed."""
    CLOSING = "closing"
    """Somebody has ended it; the engine has not moved the money yet."""
    CLOSED = "closed"


class Outcome(StrEnum):
    MERCHANT_PAYS = "merchant_pays"
    MEMBER_PAYS = "member_pays"


class Party(StrEnum):
    """Who may end a dispute."""

    HOLDER = "holder"
    """Whoever holds the card, member or recipient: withdraws."""
    MERCHANT = "merchant"
    """Accepts."""
    OPERATOR = "operator"
    """Decides."""


class Terms(msgspec.Struct, frozen=True):
    """How long after its capture a charge may be disputed, and how long its merchant may take to answer."""

    window: timedelta
    answer_time: timedelta


class Complaint(msgspec.Struct, frozen=True):
    """What somebody holds against a charge; `amount_minor` None contests all that is left of it."""

    amount_minor: int | None
    reason: Reason
    statement: str


class Dispute(msgspec.Struct, frozen=True):
    """A dispute as stored. `opened_by` says who held the card; `member_id` is who pays for it either way."""

    id: DisputeId
    authorization_id: AuthorizationId
    card_id: CardId
    merchant_id: MerchantId
    member_id: MemberId | None
    opened_by: HeldBy
    amount: Money
    reason: Reason
    statement: str
    state: State
    answer_due_at: datetime
    answer: str | None
    outcome: Outcome | None
    ended_by: Party | None
    ended_at: datetime | None
    request_key: str
    fingerprint: bytes
    created_at: datetime


class Opened(msgspec.Struct, frozen=True):
    """The answer to a complaint. `repeated` says that an earlier request with the same key opened it."""

    dispute: Dispute
    repeated: bool = False


class Ending(msgspec.Struct, frozen=True):
    """How somebody wants a dispute to end."""

    by: Party
    outcome: Outcome


class Document(msgspec.Struct, frozen=True):
    """A merchant's evidence without its content; numbered from 1 within its dispute."""

    dispute_id: DisputeId
    number: int
    name: str
    media_type: str
    size_bytes: int
    digest: bytes
    created_at: datetime
