"""Merchants as the engine and the doors see them, and the applications of those who want to be one."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from obverse.kit.ids import AccountId, ApiKeyId, ApplicationId, MerchantId, PointsIssuerId
from obverse.kit.secret import Sealed, Secret

ACCEPTED_AT_FIRST: Final = frozenset({"one_time"})
"""The kinds of stand-ins that a merchant takes where nothing else was agreed."""


class MerchantState(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"
    """Takes no payments until it is resumed; captures, refunds and what it is owed go on."""
    CLOSED = "closed"
    """Takes no payments ever again; what it is owed stays owed."""


class FeePlan(msgspec.Struct, frozen=True):
    """What the platform keeps of a capture: a share in hundredths of a percent, and a fixed amount."""

    basis_points: int = 0
    fixed_minor: int = 0


class Rhythm(StrEnum):
    """How often a merchant is paid."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    NEVER = "never"
    """The programme's own, whose payments leave in another way: settlement passes it by."""


class BankAccount(msgspec.Struct, frozen=True):
    """A bank account in the clear: on its way in, or on its way to the bank."""

    bank_code: str
    number: Secret
    holder: str


class SealedAccount(msgspec.Struct, frozen=True):
    """A bank account as it is stored and shown: the number sealed, its last four besides."""

    bank_code: str
    holder: str
    last_four: str
    number: Sealed


class PayoutTerms(msgspec.Struct, frozen=True):
    """Where a merchant's money goes, and how often; without an account it stays owed."""

    rhythm: Rhythm = Rhythm.DAILY
    account: SealedAccount | None = None


class Merchant(msgspec.Struct, frozen=True):
    """An online mall, a content site or a shop.

    `acquirer_id` and `merchant_no` are ISO 8583 DE 32 and DE 42, by which the acquirer door knows it;
    `terminals` are its DE 41 values. `account_id` is its payable account in the ledger.
    """

    id: MerchantId
    name: str
    category: str
    """ISO 18245 merchant category code."""
    acquirer_id: str
    merchant_no: str
    terminals: tuple[str, ...]
    account_id: AccountId
    state: MerchantState
    created_at: datetime
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)
    accepts: frozenset[str] = ACCEPTED_AT_FIRST
    """The kinds of cards it takes, as the cards' room names them."""
    fee_plan: FeePlan = FeePlan()
    payout: PayoutTerms = PayoutTerms()
    is_agent: bool = False
    """Whether it sells cards and takes cash for them at its tills (PP-4, WA-6)."""
    accepts_points: frozenset[PointsIssuerId] = frozenset()
    """The points issuers whose points it takes (PR-10)."""
    code_proof_from_minor: int | None = None
    """From this amount on a payment code needs a PIN or a passkey besides (PC-5); None: the platform's."""


class Details(msgspec.Struct, frozen=True):
    """What an applicant says of itself; what it takes and pays, the operator says."""

    name: str
    category: str
    acquirer_id: str
    merchant_no: str
    terminals: tuple[str, ...] = ()
    rhythm: Rhythm = Rhythm.DAILY
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)
    contact: str = ""
    """Whom to ask, and where: mail, telephone."""


class Terms(msgspec.Struct, frozen=True):
    """What an operator grants a merchant."""

    fee_plan: FeePlan = FeePlan()
    accepts: frozenset[str] = ACCEPTED_AT_FIRST
    is_agent: bool = False


class ApplicationState(StrEnum):
    SUBMITTED = "submitted"
    APPROVED = "approved"
    REJECTED = "rejected"


class Application(msgspec.Struct, frozen=True):
    """Somebody who wants to be a merchant. `merchant_id` is what it will be if it is approved."""

    id: ApplicationId
    merchant_id: MerchantId
    details: Details
    state: ApplicationState
    created_at: datetime
    account: SealedAccount | None = None
    """Where it wants to be paid; forgotten if it is rejected."""
    reason: str | None = None
    """Why it was rejected, for the applicant to read."""
    decided_at: datetime | None = None
    key_id: ApiKeyId | None = None
    """The first key, once the applicant has fetched it."""


class MerchantChange(msgspec.Struct, frozen=True):
    """What an operator changes of a merchant; what is unset, or None, stays as it is.

    Only `code_proof_from_minor` may become None, the platform's amount.
    """

    name: str | None = None
    category: str | None = None
    terminals: tuple[str, ...] | None = None
    accepts: frozenset[str] | None = None
    fee_plan: FeePlan | None = None
    is_agent: bool | None = None
    accepts_points: frozenset[PointsIssuerId] | None = None
    code_proof_from_minor: int | UnsetType | None = UNSET


class Decision(msgspec.Struct, frozen=True):
    """Who decides, and why: it goes into the audit log."""

    actor: str
    reason: str
