"""What the bank keeps. Amounts in minor units of its one currency."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Status(StrEnum):
    """How a transfer stands, as the API says it."""

    BOOKED = "booked"
    REFUSED = "refused"
    CONFLICT = "conflict"
    """The id was used for another transfer."""
    UNKNOWN = "unknown"
    """There is no transfer with this id."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`reason` is an ISO 20022 reason code and what it means."""

    status: Status
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """Pay `amount_minor` from one account to another; `end_to_end_id` travels along."""

    payer: str
    payee_bank: str
    payee: str
    payee_holder: str
    amount_minor: int
    currency: str
    reference: str
    end_to_end_id: str | None = None


@dataclass(slots=True)
class BankAccount:
    """An account, at this bank or at another one that this bank pays to and is paid from."""

    bank_code: str
    number: str
    holder: str
    balance_minor: int = 0
    closed: bool = False
    may_overdraw: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a statement: `amount_minor` above zero came in, below zero went out."""

    reference: str
    amount_minor: int
    booked_on: date
    end_to_end_id: str | None
    text: str
    other: BankAccount
