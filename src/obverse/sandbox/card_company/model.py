"""What the card company knows: cards, holds, and what was presented for them."""

from collections.abc import Sequence
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
    """Money reserved for one approved payment, until it is charged, or released by a reversal.

    `charged_minor` and `credited_minor` are what was presented for it. `is_closed` once the last presentment
    has come: what it left over is free.
    """

    amount_minor: int
    approval_code: str
    merchant: str
    held_at: datetime
    released_at: datetime | None = None
    charged_minor: int = 0
    credited_minor: int = 0
    is_closed: bool = False

    @property
    def open_minor(self) -> int:
        """Still reserved."""
        if self.released_at is not None or self.is_closed:
            return 0
        return max(0, self.amount_minor - self.charged_minor)

    @property
    def ceiling_minor(self) -> int:
        """What may be charged for it at most, credits deducted."""
        return min(self.amount_minor, self.charged_minor) if self.is_closed else self.amount_minor


class Reason(StrEnum):
    """Why a presentment is not taken: the error code of PDS 0005."""

    UNKNOWN_CARD = "0001"
    NO_APPROVAL = "0002"
    MORE_THAN_APPROVED = "0003"
    DUPLICATE = "0004"
    WRONG_CURRENCY = "0005"
    MORE_THAN_CHARGED = "0006"


class FileReason(StrEnum):
    """Why a whole file is not taken."""

    WRONG_TOTALS = "0901"
    UNREADABLE = "0902"


@dataclass(frozen=True, slots=True)
class Item:
    """One presentment as this issuer read it; `number` is its place in the file (DE 71)."""

    number: int
    card_number: str
    is_credit: bool
    amount_minor: int
    currency: str
    approval_code: str
    arn: str
    merchant: str
    is_final: bool


@dataclass(frozen=True, slots=True)
class BillLine:
    """What a cardholder reads on the bill; credits are negative."""

    amount_minor: int
    merchant: str
    approval_code: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Bill:
    """What a cardholder was charged, has paid, and owes."""

    lines: Sequence[BillLine]
    paid_minor: int

    @property
    def total_minor(self) -> int:
        return sum(line.amount_minor for line in self.lines)

    @property
    def owed_minor(self) -> int:
        return self.total_minor - self.paid_minor
