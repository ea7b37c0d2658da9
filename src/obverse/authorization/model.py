"""An authorization: the decision on one payment, made of one leg per funding source."""

from collections.abc import Sequence
from datetime import datetime
from enum import IntFlag, StrEnum
from typing import Final

import msgspec

from obverse.kit.ids import (
    AccountId,
    ActionId,
    AuthorizationId,
    CardId,
    MerchantId,
    PartitionId,
    SourceId,
    TransferId,
)
from obverse.kit.money import Money
from obverse.kit.secret import Secret
from obverse.merchants.model import Merchant
from obverse.points.model import Rate
from obverse.wallet.model import SourceKind


class Entry(StrEnum):
    """How the number got to the merchant."""

    ONLINE = "online"
    CHIP = "chip"
    CONTACTLESS = "contactless"
    SWIPE = "swipe"
    BARCODE = "barcode"
    TYPED = "typed"
    METERED = "metered"
    """By a session that charges while it runs (PP-7)."""


class Purpose(StrEnum):
    """What a request wants of a card."""

    PURCHASE = "purchase"
    LOAD = "load"
    """Pay money in: cash that an agent has taken at its till (WA-6)."""
    ACTIVATION = "activation"
    """Sell an agent's card: pay its face value in, and make it good (PP-4)."""
    INQUIRY = "inquiry"
    """Ask what the card still holds; nothing is moved."""


LOADS: Final = frozenset({Purpose.LOAD, Purpose.ACTIVATION})
"""What pays money in."""


class Rule(IntFlag):
    """Every rule the engine asks, in the order in which a failure is named.

    The bits are stored with the authorization, so that member and operator can be told each rule's answer
    for ever after (PF-9, PF-11). Bits are never reused.
    """

    MERCHANT_ACTIVE = 1
    KNOWN_CARD = 2
    CARD_DETAILS = 4
    CARD_STATE = 8
    EXPIRY = 16
    SINGLE_USE = 32
    MERCHANT_LOCK = 64
    CATEGORY_LOCK = 128
    CURRENCY = 256
    PER_PAYMENT_LIMIT = 512
    AMOUNT_LIMIT = 1024
    FUNDING_ACTIVE = 2048
    FUNDS = 4096
    STAND_IN_ACCEPTED = 8192
    PIN = 16384
    SERVICE = 32768
    STORED_VALUE = 65536
    """Stored value must not buy stored value (PP-8)."""
    AGENT = 131072
    """Only an agent sells cards and takes cash for them."""
    CHARGEABLE = 262144
    CHARGE_UNIT = 524288
    CEILING = 1048576
    ACTIVATABLE = 2097152
    CODE = 4194304
    """A payment code that was made and is good, where not too many are being guessed (PC-7, P10)."""
    PROOF = 8388608
    """From an amount on, a code alone does not do (PC-5)."""
    TENDER = 16777216
    """What the holder has picked is the card's."""
    TENDER_AMOUNT = 33554432
    """No more was picked than is to be paid."""
    QUOTE = 67108864
    """The rates that were shown still hold."""
    POINTS_ACCEPTED = 134217728
    """The merchant takes the points that were picked, and their issuer is active (PR-10)."""
    POINTS_MINIMUM = 268435456
    POINTS_MAXIMUM = 536870912
    """No more units than the issuer lets one payment take."""
    POINTS_BALANCE = 1073741824


class Decline(StrEnum):
    """Why a payment was declined: stable codes for members and operators.

    Merchants see only the generic reason their door maps it to (PF-11).
    """

    UNKNOWN_MERCHANT = "unknown_merchant"
    UNKNOWN_CARD = "unknown_card"
    WRONG_DETAILS = "wrong_details"
    CARD_SUSPENDED = "card_suspended"
    CARD_CLOSED = "card_closed"
    CARD_EXPIRED = "card_expired"
    CARD_USED = "card_used"
    WRONG_MERCHANT = "wrong_merchant"
    WRONG_CATEGORY = "wrong_category"
    WRONG_CURRENCY = "wrong_currency"
    PER_PAYMENT_LIMIT = "per_payment_limit"
    AMOUNT_LIMIT = "amount_limit"
    FUNDING_INACTIVE = "funding_inactive"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    CARD_COMPANY_DECLINED = "card_company_declined"
    CARD_COMPANY_UNAVAILABLE = "card_company_unavailable"
    CARD_COMPANY_LATE = "card_company_late"
    NOT_ACCEPTED_HERE = "not_accepted_here"
    CARD_INACTIVE = "card_inactive"
    WRONG_PIN = "wrong_pin"
    PIN_LOCKED = "pin_locked"
    WRONG_SERVICE = "wrong_service"
    STORED_VALUE_NOT_ALLOWED = "stored_value_not_allowed"
    NOT_AN_AGENT = "not_an_agent"
    NOT_CHARGEABLE = "not_chargeable"
    CHARGE_UNIT = "charge_unit"
    BALANCE_CEILING = "balance_ceiling"
    NOT_ACTIVATABLE = "not_activatable"
    NOT_REGISTERED = "card_not_registered"
    """A number of somebody else's card that no member has registered (PR-2)."""
    UNKNOWN_CODE = "unknown_code"
    CODE_USED = "code_used"
    CODE_EXPIRED = "code_expired"
    TOO_MANY_GUESSES = "too_many_guesses"
    PROOF_NEEDED = "proof_needed"
    TENDER_INVALID = "tender_invalid"
    TENDER_TOO_LARGE = "tender_too_large"
    QUOTE_EXPIRED = "quote_expired"
    POINTS_NOT_ACCEPTED = "points_not_accepted"
    POINTS_BELOW_MINIMUM = "points_below_minimum"
    POINTS_ABOVE_MAXIMUM = "points_above_maximum"
    INSUFFICIENT_POINTS = "insufficient_points"
    POINTS_ISSUER_DECLINED = "points_issuer_declined"
    POINTS_ISSUER_UNAVAILABLE = "points_issuer_unavailable"
    POINTS_ISSUER_LATE = "points_issuer_late"
    REVERSED = "reversed"
    """A reversal came first, or has undone the payment since."""
    KEY_REUSED = "key_reused"
    """The same request key came with a different payment."""


class Status(StrEnum):
    PROCESSING = "processing"
    APPROVED = "approved"
    DECLINED = "declined"
    REVERSED = "reversed"
    EXPIRED = "expired"
    """Approved, never captured, and released by time."""


class ActionKind(StrEnum):
    """What is done to a payment after its approval. Settlement adds up those that move a merchant's money."""

    CAPTURE = "capture"
    RELEASE = "release"
    """What was not captured was given back: by the merchant, by a final capture, or by time."""
    REFUND = "refund"
    REVERSAL = "reversal"
    """All that was captured was taken back with the payment itself."""
    DISPUTE = "dispute"
    """The member has the money for as long as nobody has decided, but may not spend it."""
    DISPUTE_LOST = "dispute_lost"
    """Lost by the merchant, who pays."""
    DISPUTE_WON = "dispute_won"
    """Won by the merchant: the member pays after all."""
    LOAD = "load"
    """Money that a merchant has taken for the programme, and owes it."""
    LOAD_REVERSAL = "load_reversal"


class LegStatus(StrEnum):
    HELD = "held"
    """On-us money reserved while the other legs are asked."""
    SENT = "sent"
    """Asked of a card company; no answer yet."""
    APPROVED = "approved"
    DECLINED = "declined"
    UNKNOWN = "unknown"
    """No answer came in time: it may have happened, so it is being reversed."""
    REVERSING = "reversing"
    REVERSED = "reversed"


class Tender(msgspec.Struct, frozen=True):
    """One pick of the holder's: a source, by its id or by the number it was shown under, and how much of it.

    `number` counts the points accounts of the card from 1, as a quote and a till show them.
    """

    amount_minor: int | None
    """None: as much as there is and is needed."""
    number: int | None = None
    source_id: SourceId | None = None


class AuthorizationRequest(msgspec.Struct, frozen=True):
    """One payment as a door understood it.

    `number` is that of a card, or a payment code, which stands for one (PC-5).

    `request_key` is the same for every repeat of the same request (ISO 8583: DE 7, 11, 32, 37, 41; REST:
    key holder, route and Idempotency-Key), so that a repeat finds the first answer. `expiry` is YYMM.
    `capture` asks for the money at once (ISO 8583 0200) instead of holding it.
    `merchant` is None where the door knows no such merchant.
    `partial` takes less where the balance is short. `holder_matches` says whether a filled form names the
    card's holder (WA-8); None where there was none. `reported` tells of a decision that was made elsewhere
    on our behalf (WA-9): what is there is taken whatever the rules say, under their `approval_code`.
    `tender` is what the holder has picked, in this order; the card's other sources but for points pay the
    rest. `quote` names rates and balances that were shown before (PR-4). `holder_proved` says that a
    passkey's assertion came with it.
    """

    request_key: str
    number: Secret
    expiry: str | None
    cvv: Secret | None
    amount: Money
    merchant: Merchant | None
    terminal: str | None
    entry: Entry
    capture: bool = False
    pin: Secret | None = None
    partial: bool = False
    purpose: Purpose = Purpose.PURCHASE
    holder_matches: bool | None = None
    reported: bool = False
    approval_code: str | None = None
    tender: tuple[Tender, ...] = ()
    quote: str | None = None
    holder_proved: bool = False
    rrn: str | None = None
    """The terminal's own reference (DE 37), for points issuers that tell its VAN (PR-7)."""


class Leg(msgspec.Struct, frozen=True):
    """One funding source's share. Off-us legs carry what their card company needs to find them again."""

    position: int
    source_id: SourceId
    kind: SourceKind
    amount_minor: int
    status: LegStatus
    debit_account_id: AccountId
    credit_account_id: AccountId
    transfer_id: TransferId | None = None
    network_ref: str | None = None
    response_code: str | None = None
    network_approval: str | None = None
    captured_minor: int = 0
    released_minor: int = 0
    refunded_minor: int = 0
    disputed_minor: int = 0
    """In an open dispute; once that is lost by the merchant it counts as refunded."""
    dispute_hold_id: TransferId | None = None
    """The hold that keeps a provisional credit from being spent."""
    units: int | None = None
    """What a leg of issuer's points takes in units, at `rate`, which is kept for refunds (PR-6)."""
    rate: Rate | None = None
    units_back: int = 0
    """Units that went back, or are on their way."""

    @property
    def open_minor(self) -> int:
        """Neither captured nor released: what is still held."""
        return self.amount_minor - self.captured_minor - self.released_minor

    @property
    def refundable_minor(self) -> int:
        """Captured, and neither given back nor in dispute."""
        return self.captured_minor - self.refunded_minor - self.disputed_minor


class Authorization(msgspec.Struct, frozen=True):
    """The stored decision. `declines` are values, not errors: somebody at a till is waiting for one."""

    partition_id: PartitionId
    id: AuthorizationId
    request_key: str
    fingerprint: bytes
    status: Status
    decline: Decline | None
    failed_rules: Rule
    approval_code: str | None
    card_id: CardId | None
    merchant_id: MerchantId | None
    terminal: str | None
    entry: Entry
    category: str | None
    amount: Money
    captured_minor: int
    captured_at_once: bool
    deadline_at: datetime | None
    created_at: datetime
    legs: Sequence[Leg] = ()
    answered_again: bool = False
    """A repeat was told of the approval, so that nobody may undo it for the first answer's being lost."""
    repeated: bool = False
    """Whether this is the earlier answer to a request that came again. Told to the asker, not stored (P6)."""
    released_minor: int = 0
    refunded_minor: int = 0
    disputed_minor: int = 0
    expired_minor: int = 0
    """What of the released part time has released, and not its merchant."""
    purpose: Purpose = Purpose.PURCHASE
    requested_minor: int | None = None
    """What was asked for, where less was approved."""
    balance_minor: int | None = None
    """What the card had left when this was decided; None where nothing is stored on it."""
    reported: bool = False

    @property
    def open_minor(self) -> int:
        """Neither captured nor released: what is still held for the merchant."""
        return self.amount.amount_minor - self.captured_minor - self.released_minor

    @property
    def refundable_minor(self) -> int:
        """Captured, and neither given back nor in dispute."""
        return self.captured_minor - self.refunded_minor - self.disputed_minor


class Action(msgspec.Struct, frozen=True):
    """One step after an approval. `parts` is how much of it each leg carries, in the order of the legs.

    `to_present` says that card companies have to be told of it in the next clearing file, `to_invoice` that
    points issuers have to find it on their next invoice.
    """

    id: ActionId
    authorization_id: AuthorizationId
    merchant_id: MerchantId
    kind: ActionKind
    amount: Money
    parts: Sequence[int]
    request_key: str
    asked: str
    """What a repeat with this key has to ask for as well; see `rules.asked`."""
    to_present: bool
    created_at: datetime
    to_invoice: bool = False


class LegPlan(msgspec.Struct, frozen=True):
    """What one source would pay."""

    source_id: SourceId
    kind: SourceKind
    amount_minor: int
    debit_account_id: AccountId
    credit_account_id: AccountId
    units: int | None = None
    rate: Rate | None = None


class Decision(msgspec.Struct, frozen=True):
    """The engine's answer before anything is moved: every rule's answer and the exact split (PF-9)."""

    failed_rules: Rule
    decline: Decline | None
    legs: Sequence[LegPlan] = ()
    to_ask: frozenset[SourceId] = frozenset()
    """Points accounts whose balances have to be known before this can be decided."""
