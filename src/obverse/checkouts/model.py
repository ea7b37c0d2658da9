"""An order as the member left it with us."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from obverse.kit.ids import AuthorizationId, CardId, CheckoutId, MemberId, MerchantId
from obverse.kit.money import Money
from obverse.kit.secret import Secret


class CheckoutState(StrEnum):
    KEPT = "kept"
    """Waits for the mall's request."""
    MATCHED = "matched"
    """The mall's request fits; the engine has not answered yet."""
    PAID = "paid"
    DECLINED = "declined"
    """The engine has said no: the member may check out again, with another card."""
    WITHDRAWN = "withdrawn"
    """Taken back by the member, or replaced by a newer one of theirs."""
    EXPIRED = "expired"
    VOID = "void"
    """Too many requests did not match."""


class Item(msgspec.Struct, frozen=True, order=True):
    """One line of an order; `unit_minor` in minor units of the order's currency."""

    name: str
    quantity: int
    unit_minor: int


class Order(msgspec.Struct, frozen=True):
    """What is bought: all that a mall's request is compared with."""

    reference: str
    total: Money
    items: Sequence[Item]


class Checkout(msgspec.Struct, frozen=True):
    """A kept order, in canonical form, with the card that its member has picked."""

    id: CheckoutId
    merchant_id: MerchantId
    member_id: MemberId
    card_id: CardId
    order: Order
    state: CheckoutState
    created_at: datetime
    expires_at: datetime
    mismatches: int = 0
    authorization_id: AuthorizationId | None = None
    request_key: str | None = None
    """Of the mall's request that has matched, where it came with one."""


class Kept(msgspec.Struct, frozen=True):
    """A checkout with the token by which the wallet program follows it. `repeated`: it was kept before."""

    checkout: Checkout
    session: Secret
    repeated: bool = False
