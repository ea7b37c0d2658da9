"""Orders: what is bought, by whom, and what has become of each card in it."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from obverse.cards import Card, CardFace
from obverse.kit.ids import CardId, LetterId, OrderId, PartitionId, ProgrammeId
from obverse.kit.money import CurrencyCode, Money
from obverse.kit.secret import Sealed, Secret
from obverse.letters import Language
from obverse.programmes import Programme
from obverse.sales import How, Sale


class OrderState(StrEnum):
    UNPAID = "unpaid"
    """Waits for its payment; nothing is allocated (PP-2)."""
    PAID = "paid"
    """Its cards are being allocated; `done` says how many are."""
    ALLOCATED = "allocated"
    DECLINED = "declined"
    """Its payment was."""
    LAPSED = "lapsed"
    """Nobody paid in time."""
    CANCELLED = "cancelled"
    """As a whole, before it was paid or afterwards."""


class OrderKind(StrEnum):
    LINES = "lines"
    """Picked by denomination: some for oneself, some as gifts."""
    BULK = "bulk"
    """A company's list: each line a gift."""


class PieceState(StrEnum):
    ORDERED = "ordered"
    READY = "ready"
    """Has a card, which is inactive until its buyer sets it up or somebody claims it."""
    SET_UP = "set_up"
    """The buyer uses it (PP-3)."""
    GIVEN = "given"
    """The mail with its claim link is out."""
    UNDELIVERED = "undelivered"
    """That mail came back: the address is to be corrected."""
    CANCELLED = "cancelled"


GIFTS: Final = frozenset({PieceState.GIVEN, PieceState.UNDELIVERED})


class Design(StrEnum):
    """What the gift mail looks like."""

    PLAIN = "plain"
    BIRTHDAY = "birthday"
    THANKS = "thanks"
    CONGRATULATIONS = "congratulations"
    SEASON = "season"


class Gift(msgspec.Struct, frozen=True, kw_only=True):
    """Who gets a card, and what the mail says (PP-3). Sealed at rest: it names people."""

    mail: Secret
    sender: Secret
    """The sender's name, as the recipient reads it."""
    name: Secret | None = None
    """The recipient's."""
    design: Design = Design.PLAIN
    message: Secret | None = None


class Line(msgspec.Struct, frozen=True):
    """`count` cards of one denomination; with a `gift`, each goes to this recipient in a mail of its own."""

    programme_id: ProgrammeId
    denomination_minor: int
    count: int
    gift: Gift | None = None


class BulkTerms(msgspec.Struct, frozen=True):
    """What holds for all lines of a company's list."""

    sender: Secret
    """Whom recipients read as the sender."""
    programme_id: ProgrammeId | None = None
    """For lines that name none."""


class PricedLine(msgspec.Struct, frozen=True):
    """A line as it is sold: its programme's terms are those of this moment."""

    line: Line
    programme: Programme
    amount: Money


class Quote(msgspec.Struct, frozen=True):
    """What an order would cost."""

    lines: Sequence[PricedLine]
    total: Money

    @property
    def pieces(self) -> int:
        """How many cards."""
        return sum(priced.line.count for priced in self.lines)


class Buyer(msgspec.Struct, frozen=True, kw_only=True):
    """Who orders (PP-2). Sealed at rest, as one."""

    name: Secret
    phone: Secret
    mail: Secret
    address: Secret | None = None
    occupation: Secret | None = None


class OrderWish(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody without an account asks for, and how they pay: by card or by bank transfer."""

    buyer: Buyer
    lines: Sequence[Line]
    how: How
    language: Language


class BulkWish(msgspec.Struct, frozen=True, kw_only=True):
    """The same by a company: `file` is its list as CSV."""

    buyer: Buyer
    file: Secret
    terms: BulkTerms
    how: How
    language: Language


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order as stored. Its payment is its sale's; amounts in minor units of `currency`."""

    id: OrderId
    partition_id: PartitionId
    state: OrderState
    kind: OrderKind
    language: Language
    currency: CurrencyCode
    total_minor: int
    back_minor: int = 0
    """What went back to where it came from."""
    pieces: int
    done: int = 0
    """How many of its pieces have cards."""
    buyer: Sealed
    fingerprint: bytes
    created_at: datetime
    paid_at: datetime | None = None
    allocated_at: datetime | None = None


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """One card of an order; `at` is its place in it, from 1."""

    order_id: OrderId
    at: int
    programme_id: ProgrammeId
    amount_minor: int
    state: PieceState
    card_id: CardId | None = None
    pin: Sealed | None = None
    """What was drawn for it, until its buyer has chosen another."""
    gift: Sealed | None = None
    letter_id: LetterId | None = None
    """The newest letter with its claim link."""
    sent_key: str | None = None
    """The key of the request that had it sent again (P6)."""


class Placed(msgspec.Struct, frozen=True):
    """An order with its payment, as its buyer sees it. `token` is filled in the answer to the request that
    made it and in that to its repeats."""

    order: Order
    sale: Sale
    token: Secret | None = None
    repeated: bool = False


class PieceSight(msgspec.Struct, frozen=True):
    """A piece as its buyer sees it: the gift it is, and the card that it has.

    Of one that `is_claimed` the buyer sees no card any more: it is its recipient's.
    """

    piece: Piece
    gift: Gift | None
    card: Card | None
    is_claimed: bool = False


class Revealed(msgspec.Struct, frozen=True):
    """A card's face and PIN; no PIN where the buyer has chosen one."""

    at: int
    face: CardFace
    pin: Secret | None
