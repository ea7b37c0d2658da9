"""What the card company knows: cards and holds."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from obverse.kit.secret import Secret


class Code(StrEnum):
    """DE 39, as this issuer uses it."""

    APPROVED = "00"
    WRONG_BIRTH_DATE = "05"
    WRONG_CURRENCY = "12"
    INVALID_AMOUNT = "13"
    UNKNOWN_CARD = "14"
    REVERSED_BEFORE = "21"
    FORMAT_ERROR = "30"
    OVER_LIMIT = "51"
    WRONG_EXPIRY = "54"
    BLOCKED = "62"
    WRONG_CVV = "63"
    KEY_REUSED = "94"


@dataclass(frozen=True, slots=True)
class RealCard:
    """A real card. `expiry` is YYMM, `birth_date` YYMMDD, `limit_minor` what it may owe at any time."""

    number: Secret
    expiry: str
    cvv: Secret
    birth_date: str
    limit_minor: int
    billing_account: str
    currency: str = "410"
    """ISO 4217 numeric."""
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A payment or a zero-amount check as this issuer understood it."""

    key: tuple[str, ...]
    number: str
    amount_minor: int
    currency: str
    expiry: str
    is_check: bool
    cvv: str | None
    birth_date: str | None
    merchant: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Money reserved for one approved payment, until it is released by a reversal."""

    amount_minor: int
    approval_code: str
    merchant: str
    held_at: datetime
    released_at: datetime | None = None
