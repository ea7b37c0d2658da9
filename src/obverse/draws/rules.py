"""What may be drawn, and the merchant of the house at which it is drawn. No I/O, no clock."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from msgspec.structs import replace

from obverse.authorization import Authorization, Decline, Status
from obverse.cards import Card, CardKind, HeldBy
from obverse.draws.errors import NotDrawable, NothingToDraw
from obverse.draws.model import Draw, DrawState
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import AccountId, BankTransferId, MerchantId, PartitionId, to_text
from obverse.kit.money import CurrencyCode, Money
from obverse.ledger.model import Account, AccountKind
from obverse.merchants.model import Merchant, MerchantState, PayoutTerms, Rhythm

_HOUSE: Final = UUID("6f627665-7273-4163-8000-647261777321")
"""A namespace of our own for ids that are derived (RFC 9562, version 5)."""

HOUSE_MERCHANT: Final = MerchantId(uuid5(_HOUSE, "merchant"))
"""Where cards are drawn. What it is owed leaves as bank transfers to those who drew, never by settlement."""

CASH_CATEGORY: Final = "6010"
"""ISO 18245: cash disbursed by a financial institution."""

_REFERENCE_LETTERS: Final = 10


def house_merchant(created_at: datetime) -> Merchant:
    """The merchant at which cards are drawn.

    It is stored as closed, so that no door takes a payment for it; only this room's requests see it open.
    """
    return Merchant(
        id=HOUSE_MERCHANT,
        name="Obverse draw",
        category=CASH_CATEGORY,
        acquirer_id="0",
        merchant_no="DRAW",
        terminals=(),
        account_id=AccountId(uuid5(_HOUSE, "account")),
        state=MerchantState.ACTIVE,
        created_at=created_at,
        accepts=frozenset(kind.value for kind in CardKind),
        payout=PayoutTerms(rhythm=Rhythm.NEVER),
    )


def house_payables(partitions: Sequence[PartitionId], currency: CurrencyCode) -> list[Account]:
    """What the house owes those who draw: rolled up like every merchant's, one per partition."""
    return [
        Account(
            partition_id=partition_id,
            id=AccountId(uuid5(_HOUSE, "account")),
            kind=AccountKind.MERCHANT_PAYABLE,
            owner_id=HOUSE_MERCHANT,
            currency=currency,
            floor_minor=None,
            rolled_up=True,
        )
        for partition_id in partitions
    ]


def check_holder(card: Card) -> None:
    """Like cash: what was given away may be drawn. A member's own line may not. Raises `NotDrawable`."""
    if card.held_by is not HeldBy.RECIPIENT:
        raise NotDrawable


def drawn_minor(card: Card, wanted_minor: int | None) -> int:
    """How much to draw: what is wanted, or else the most that one payment of this card may take.

    Whether the card may, the engine decides. Raises `NothingToDraw`, and `InvalidRequest` where neither the
    wish nor the card names an amount.
    """
    if wanted_minor is not None:
        return wanted_minor
    controls = card.controls
    left = [controls.per_payment_limit_minor]
    if controls.amount_limit_minor is not None:
        left.append(controls.amount_limit_minor - card.spent_minor)
    limits = [limit for limit in left if limit is not None]
    if not limits:
        raise InvalidRequest("amount is required: this card has no limit.", "amount")
    if min(limits) <= 0:
        raise NothingToDraw
    return min(limits)


def conclude(draw: Draw, payment: Authorization) -> Draw:
    """The draw as its payment leaves it; one that still waits for a card company stays as it is.

    What was refunded before the money was ordered is not ordered; a payment undone whole is no draw.
    """
    if payment.status is Status.PROCESSING:
        return draw
    left = payment.refundable_minor if payment.status is Status.APPROVED else 0
    if left == 0:
        decline = payment.decline or Decline.REVERSED
        return replace(draw, state=DrawState.DECLINED, decline=decline, account=None)
    amount = Money(left, draw.amount.currency)
    return replace(draw, state=DrawState.ORDERED, amount=amount, account=None)


def reference(transfer_id: BankTransferId) -> str:
    """What the recipient's bank statement says: the end of the transfer's id, which is chance and leads to
    neither card nor payment (OT-8).

    >>> reference(BankTransferId(UUID("01890a5d-ac96-774b-bcce-b302099a8057")))
    'OBV-D-NK084SN02Q'
    """
    return "OBV-D-" + to_text("bank", transfer_id)[-_REFERENCE_LETTERS:].upper()
