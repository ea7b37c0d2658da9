"""Orders, and what can be wrong with a request about one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from obverse.kit.secret import Secret
from obverse.sandbox.errors import SandboxError
from obverse.sandbox.wire import Message


class Road(StrEnum):
    """How a payment travels (OT-10)."""

    CLEARING_HOUSE = "clearing_house"
    DIRECT = "direct"
    VAN = "van"
    """As JSON to a VAN (WA-9)."""
    MATCHED = "matched"
    """The wallet program has left the order with the provider; the mall names it (WA-7)."""
    POINTS_ISSUER = "points_issuer"
    """To an issuer of points, which finds the buyer's account by a card number (PR-9)."""
    CODE = "code"
    """To the provider, with a code that was scanned off a phone (PC-6)."""


class Paid(StrEnum):
    PAID = "paid"
    DECLINED = "declined"
    UNKNOWN = "unknown"
    """No answer came: repeat the checkout with the same order, or void it."""
    VOIDED = "voided"
    CANCELLED = "cancelled"
    """It was not paid, and the mall has called the purchase off (PC-6)."""


@dataclass(frozen=True, slots=True)
class Item:
    name: str
    quantity: int
    unit_amount: int


@dataclass(frozen=True, slots=True)
class Filled:
    """What the wallet program has filled into the page beside the card (WA-8): passed on, and not kept."""

    name: str
    phone: str | None = None
    mail: str | None = None


@dataclass(frozen=True, slots=True)
class Pick:
    """One thing that the buyer wants to pay with: a source by its id, or points by the number they have in a
    quote. Without an amount, as much as there is and is needed."""

    source: str | None = None
    number: int | None = None
    amount: int | None = None


@dataclass(frozen=True, slots=True)
class Picked:
    """What the buyer picked, and the quote they saw before."""

    picks: tuple[Pick, ...]
    quote: str | None = None


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a PC has scanned off a phone, and its holder's proof: a PIN, or what their passkey said."""

    code: Secret
    pin: Secret | None = None
    passkey: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """One checkout. Of the card, only the last four digits are kept; of a matched order or code, nothing."""

    id: str
    road: Road
    amount_minor: int
    last_four: str
    status: Paid = Paid.UNKNOWN
    code: str | None = None
    """Why it was not paid: DE 39 on the one road, the decline's or refusal's code on the other."""
    approval_code: str | None = None
    payment: str | None = None
    """The provider's id of the payment, on the direct road."""
    reference: str = ""
    """What the mall calls its customer, for a matched order."""
    items: tuple[Item, ...] = ()
    picked: Picked | None = None
    message: Message = field(default_factory=dict)
    """The ISO 8583 request without the card, so that it can be repeated and reversed."""


class UnknownOrder(SandboxError):
    """No order of this mall has that id."""

    def __init__(self) -> None:
        super().__init__("No such order.")


class WrongRequest(SandboxError):
    """The order cannot be repeated or voided like this; the message says why."""
