"""Cards that an agent sells: made in batches, counted, and reconciled with the ledger (PP-4)."""

import hmac
from datetime import datetime
from enum import StrEnum
from itertools import count
from typing import Final

import msgspec

from obverse.cards.pin_rules import PIN_LENGTH_MAX, is_weak
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import CardBatchId, CardId, MerchantId, PartitionId, ProgrammeId
from obverse.kit.money import CurrencyCode
from obverse.kit.secret import Sealed, Secret
from obverse.programmes.model import Programme

COUNT_MAX: Final = 100_000
"""Cards in one batch."""


class BatchState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    """What was not sold is worth nothing any more."""


class BatchWish(msgspec.Struct, frozen=True):
    """What is to be made for an agent: `count` cards alike, worth nothing until each is sold."""

    programme_id: ProgrammeId
    merchant_id: MerchantId
    count: int
    denomination_minor: int


class CardBatch(msgspec.Struct, frozen=True):
    """A batch as stored. `seed` is what its PINs are drawn from, until the one list was fetched."""

    id: CardBatchId
    partition_id: PartitionId
    programme_id: ProgrammeId
    merchant_id: MerchantId
    state: BatchState
    count: int
    face_value_minor: int
    currency: CurrencyCode
    seed: Sealed | None
    exported_at: datetime | None
    created_at: datetime


class BatchCount(msgspec.Struct, frozen=True):
    """How a batch stands, in cards and minor units.

    `activated_minor` is what the cards say was sold, `ledger_minor` what the ledger says was paid in for
    them; the two are the same, or something is wrong.
    """

    made: int
    unsold: int
    activated: int
    voided: int
    """Closed before they were sold."""
    activated_minor: int
    ledger_minor: int


class MadeCard(msgspec.Struct, frozen=True):
    """A line of the maker's list: what is printed on a card and under its scratch field."""

    card_id: CardId
    number: Secret
    expiry: str
    """YYMM."""
    cvv: Secret
    pin: Secret


def check_wish(wish: BatchWish, programme: Programme) -> None:
    """Refuse what cannot be made or sold. Raises `InvalidRequest`."""
    if not 1 <= wish.count <= COUNT_MAX:
        raise InvalidRequest(f"A batch has 1 to {COUNT_MAX} cards.", "count")
    if wish.denomination_minor not in programme.denominations:
        raise InvalidRequest("This programme has no such denomination.", "denomination")


def pin_of(seed: Secret, serial: int) -> Secret:
    """The PIN under the scratch field of the card with this serial; never one that is easily guessed."""
    for turn in count():
        digest = hmac.digest(seed.reveal().encode(), f"pin:{serial}:{turn}".encode(), "sha256")
        # 64 bits over a million: every PIN is as likely as any other, to within one in 10**13.
        digits = f"{int.from_bytes(digest[:8], 'big') % 10**PIN_LENGTH_MAX:0{PIN_LENGTH_MAX}d}"
        if not is_weak(digits):
            return Secret(digits)
    raise AssertionError("count() does not end")
