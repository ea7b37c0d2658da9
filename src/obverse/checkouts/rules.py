"""When two orders are the same, and what a kept one may still become. No I/O, no clock."""

import unicodedata
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from obverse.authorization import Authorization, Status
from obverse.checkouts.errors import (
    CheckoutExists,
    CheckoutExpired,
    CheckoutMismatch,
    CheckoutNotFound,
    CheckoutVoid,
)
from obverse.checkouts.model import Checkout, CheckoutState, Item, Order
from obverse.kit.errors import InvalidRequest, KeyReused, ObverseError
from obverse.kit.ids import AuthorizationId

LIFETIME: Final = timedelta(minutes=15)
MISMATCHES_MAX: Final = 3
ITEMS_MAX: Final = 100

_ANSWERS: Final = frozenset({CheckoutState.KEPT, CheckoutState.MATCHED, CheckoutState.PAID})
_GONE: Final = frozenset({CheckoutState.WITHDRAWN, CheckoutState.EXPIRED, CheckoutState.VOID})


def canonical(order: Order) -> Order:
    """The one way to write this order: names in NFC without superfluous blanks, lines in order.

    Two programs list the same cart, and nothing else about it may differ. Raises `InvalidRequest` where the
    lines do not add up to the total.
    """
    items = sorted(Item(_plain(item.name), item.quantity, item.unit_minor) for item in order.items)
    if sum(item.quantity * item.unit_minor for item in items) != order.total.amount_minor:
        raise InvalidRequest("total is not the sum of the items.", "total")
    if not all(item.name for item in items):
        raise InvalidRequest("Every item has a name.", "items.name")
    return Order(order.reference, order.total, items)


def _plain(name: str) -> str:
    """
    >>> _plain(" Green  tea ")
    'Green tea'
    """
    return " ".join(unicodedata.normalize("NFC", name).split())


def difference(kept: Order, asked: Order) -> str | None:
    """The first kind of field in which two canonical orders differ; None where they are the same."""
    if asked.total.currency != kept.total.currency:
        return "currency"
    if len(asked.items) != len(kept.items):
        return "items"
    pairs = list(zip(asked.items, kept.items, strict=True))
    for field, name in (("name", "name"), ("quantity", "quantity"), ("unit_minor", "unit_amount")):
        if any(getattr(one, field) != getattr(other, field) for one, other in pairs):
            return f"items.{name}"
    return "total" if asked.total != kept.total else None


def settled(checkout: Checkout, now: datetime) -> Checkout:
    """The checkout as time leaves it."""
    late = checkout.state is CheckoutState.KEPT and checkout.expires_at <= now
    return replace(checkout, state=CheckoutState.EXPIRED) if late else checkout


def same_again(newest: Checkout, new: Checkout) -> bool:
    """Whether `new` is the newest one once more, by somebody who has pressed the button twice (P6)."""
    alike = (newest.member_id, newest.card_id, newest.order) == (new.member_id, new.card_id, new.order)
    return alike and newest.state in _ANSWERS and new.created_at < newest.expires_at


def is_forgotten(checkout: Checkout, now: datetime) -> bool:
    """Whether nobody has noted in all its time what came of a request that has matched."""
    return checkout.state is CheckoutState.MATCHED and checkout.expires_at <= now


def make_way(newest: Checkout, new: Checkout) -> Checkout:
    """What becomes of the newest checkout when its member leaves another order. Raises `CheckoutExists`."""
    if newest.state is CheckoutState.KEPT and newest.member_id == new.member_id:
        return replace(newest, state=CheckoutState.WITHDRAWN)
    if is_forgotten(newest, new.created_at):
        return replace(newest, state=CheckoutState.VOID)  # whoever asked for it has never come back
    if newest.state in (CheckoutState.KEPT, CheckoutState.MATCHED):
        raise CheckoutExists
    return newest


def match(
    checkout: Checkout | None, asked: Order, request_key: str | None
) -> tuple[Checkout | None, ObverseError | None]:
    """Compare the mall's order with the kept one, as time has left it.

    Returns the checkout as it is afterwards, and why the mall is refused. What has matched before is
    compared again, but no longer spoiled.
    """
    if checkout is None or checkout.state is CheckoutState.WITHDRAWN:
        return checkout, CheckoutNotFound()
    if checkout.state in _GONE:
        return checkout, CheckoutVoid() if checkout.state is CheckoutState.VOID else CheckoutExpired()
    differs = difference(checkout.order, asked)
    waits = checkout.state is CheckoutState.KEPT
    if differs is None:
        matched = replace(checkout, state=CheckoutState.MATCHED, request_key=request_key)
        return matched if waits else checkout, None
    if request_key is not None and request_key == checkout.request_key:
        return checkout, KeyReused()
    if not waits:
        return checkout, CheckoutMismatch(differs)
    count = checkout.mismatches + 1
    state = CheckoutState.VOID if count >= MISMATCHES_MAX else CheckoutState.KEPT
    return replace(checkout, mismatches=count, state=state), CheckoutMismatch(differs)


def conclude(payment: Authorization) -> tuple[CheckoutState, AuthorizationId | None]:
    """What the payment makes of its checkout; one that is still being decided leaves it matched."""
    if payment.status is Status.PROCESSING:
        return CheckoutState.MATCHED, None
    state = CheckoutState.DECLINED if payment.status is Status.DECLINED else CheckoutState.PAID
    return state, payment.id
