"""Which real cards may be linked, and which sources may stand behind a card. No I/O, no clock."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from itertools import count
from typing import Final
from uuid import uuid5

import msgspec
from msgspec.structs import replace

from obverse.cards.model import Card, Order
from obverse.cards.rules import FUNDING_MAX
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import AccountId, MemberId, PartitionId, SourceId
from obverse.kit.money import AMOUNT_MINOR_MAX, CurrencyCode, Money
from obverse.ledger.model import Account, AccountKind
from obverse.vault.numbers import is_card_number
from obverse.wallet.errors import SourceNotActive, SourceNotFound
from obverse.wallet.model import (
    CardDetails,
    CardWish,
    Draining,
    Funding,
    Lot,
    LotBalance,
    LotKind,
    Source,
    SourceKind,
    SourceState,
)

FOR_NEW_CARDS: Final = frozenset({SourceKind.LINKED_CARD, SourceKind.CREDIT_LINE})
"""What stands behind a one-time number unless its member names sources: a balance is its own card's."""


def check_card_details(details: CardDetails, own_bin: str, now: datetime) -> None:
    """Refuse what cannot be a linked card, before its card company is troubled.

    Our own numbers are refused too: a stand-in behind a stand-in would let a payment ask itself.
    Raises `InvalidRequest` with the field's name, never its value.
    """
    number = details.number.reveal()
    if not is_card_number(number):
        raise InvalidRequest("That is not a card number.", "card_number")
    if number.startswith(own_bin):
        raise InvalidRequest("That is one of our own numbers. Give a card of a card company.", "card_number")
    if not 1 <= details.exp_month <= 12:
        raise InvalidRequest("A month is 1 to 12.", "exp_month")
    if not (now.year, now.month) <= (details.exp_year, details.exp_month) <= (now.year + 20, 12):
        raise InvalidRequest("The card has expired, or expires too far ahead.", "exp_year")
    if not _are_digits(details.cvv.reveal(), 3, 4):
        raise InvalidRequest("A CVV has 3 or 4 digits.", "cvv")
    if not _are_digits(details.birth_date.reveal(), 6, 6):
        raise InvalidRequest("A birth date has six digits: YYMMDD.", "birth_date")


def _are_digits(text: str, length_min: int, length_max: int) -> bool:
    return length_min <= len(text) <= length_max and text.isascii() and text.isdigit()


def check_credit_limit(limit: Money, currency: CurrencyCode) -> None:
    """Refuse a limit that is no amount, or not of the programme's `currency`: what the platform owes
    merchants is kept in that one, and no transfer changes money. Raises `InvalidRequest`."""
    if not 1 <= limit.amount_minor <= AMOUNT_MINOR_MAX:
        raise InvalidRequest(f"A limit must be between 1 and {AMOUNT_MINOR_MAX}.", "limit")
    if limit.currency != currency:
        raise InvalidRequest(f"Credit is given in {currency}, the currency of this programme.", "currency")


def order_for(member_id: MemberId, wish: CardWish, sources: Sequence[Source]) -> Order:
    """The wish as an order against the member's `sources`, which are not empty. Raises as `funding_for`."""
    funding = funding_for(sources, wish.funding)
    return Order(
        partition_id=funding[0].partition_id,
        member_id=member_id,
        currency=funding[0].currency,
        controls=wish.controls,
        funding=tuple(source.id for source in funding),
        expires_at=wish.expires_at,
        metadata=wish.metadata,
    )


def funding_for(
    sources: Iterable[Source], wanted: Sequence[SourceId] | None, param: str = "funding"
) -> tuple[Source, ...]:
    """The sources that will stand behind a card, in the order in which they pay; `param` has named them.

    `sources` are the member's own. Nothing wanted means every active one of the first one's currency.
    Raises `SourceNotFound` for what is not the member's own or was removed, `SourceNotActive`,
    `InvalidRequest`.
    """
    own = {source.id: source for source in sources if source.state is not SourceState.REMOVED}
    if wanted is None:
        return _every_active(own.values())
    if not wanted:
        raise InvalidRequest("A card needs at least one funding source.", param)
    if not all(id_ in own for id_ in wanted):
        raise SourceNotFound(param)
    chosen = tuple(own[id_] for id_ in wanted)
    if any(source.state is not SourceState.ACTIVE for source in chosen):
        raise SourceNotActive
    if any(source.kind is SourceKind.BANK_ACCOUNT for source in chosen):
        raise InvalidRequest("A bank account charges cards; it does not pay by itself.", param)
    if any(source.kind is SourceKind.STORED_BALANCE for source in chosen):
        # By another number it could be spent where its programme does not allow, or after it was given away.
        raise InvalidRequest("A card's own balance is spent with that card.", param)
    if len({source.currency for source in chosen}) > 1:
        raise InvalidRequest("All funding sources of a card must have the same currency.", param)
    return chosen


def reordered(card: Card, sources: Iterable[Source], wanted: Sequence[SourceId]) -> tuple[SourceId, ...]:
    """What a card will be funded with, in this order, if its member may want that.

    `sources` are the member's own. What is the card's own stays in it; a card that was somebody else's gift
    may lie in another partition than what else its holder has, which can then not pay with it.
    Raises `SourceNotFound`, `SourceNotActive`, `InvalidRequest`.
    """
    if not 1 <= len(wanted) <= FUNDING_MAX or len(set(wanted)) != len(wanted):
        raise InvalidRequest(f"Name 1 to {FUNDING_MAX} funding sources, each once.", "sources")
    if card.own_source is not None and card.own_source not in wanted:
        raise InvalidRequest("What is the card's own stays in its funding: name it as well.", "sources")
    others = [id_ for id_ in wanted if id_ != card.own_source]
    chosen = funding_for(sources, others, "sources") if others else ()
    if any((s.partition_id, s.currency) != (card.partition_id, card.currency) for s in chosen):
        raise InvalidRequest("Not all of these sources can pay with this card.", "sources")
    return tuple(wanted)


def registrable(source: Source | None, member_id: MemberId) -> Source:
    """The source whose real card a member wants to register, if it is theirs and a card.

    Raises `SourceNotFound`, `SourceNotActive`, `InvalidRequest`.
    """
    if source is None or source.member_id != member_id or source.state is SourceState.REMOVED:
        raise SourceNotFound("source")
    if source.kind is not SourceKind.LINKED_CARD:
        raise InvalidRequest("Only a linked card can be registered.", "source")
    if source.state is not SourceState.ACTIVE:
        raise SourceNotActive
    return source


def _every_active(sources: Iterable[Source]) -> tuple[Source, ...]:
    active = [
        source for source in sources if source.state is SourceState.ACTIVE and source.kind in FOR_NEW_CARDS
    ]
    if not active:
        raise SourceNotActive
    return tuple(source for source in active if source.currency == active[0].currency)


def fingerprint(member_id: MemberId, wish: CardWish, count: int) -> bytes:
    """What tells whether two requests with one key ask for the same cards. Nothing in it is secret."""
    return sha256(msgspec.json.encode((member_id, wish, count), order="deterministic")).digest()


def lot_for(partition_id: PartitionId, funding: Funding, known: Iterable[Lot] = ()) -> Lot:
    """The lot that this money goes into: one for each kind and date, so that its id can be derived.

    `known` are lots that the balance has. One that was given away with its card is of another kind since:
    what the next holder pays in stays theirs, in a lot of its own.
    """
    taken = {lot.account_id for lot in known if lot.kind is not funding.kind}
    name = f"{funding.kind}:{funding.expires_at.isoformat()}"
    ids = (uuid5(funding.source_id, name if turn == 0 else f"{name}:{turn}") for turn in count())
    return Lot(
        account_id=next(AccountId(id_) for id_ in ids if id_ not in taken),
        partition_id=partition_id,
        source_id=funding.source_id,
        kind=funding.kind,
        currency=funding.amount.currency,
        expires_at=funding.expires_at,
    )


def lot_account(lot: Lot) -> Account:
    """The lot as an account: nobody can take out more than is in it (P4)."""
    earned = lot.kind is LotKind.EARNED
    return Account(
        partition_id=lot.partition_id,
        id=lot.account_id,
        kind=AccountKind.POINTS if earned else AccountKind.STORED_BALANCE,
        owner_id=lot.source_id,
        currency=lot.currency,
        floor_minor=0,
        rolled_up=False,
    )


def drained(balances: Sequence[LotBalance], draining: Draining) -> list[tuple[Lot, int]]:
    """How much each lot gives, the one that ends last first, to make up an amount or all there is."""
    parts = []
    rest = draining.amount_minor
    for balance in reversed(balances):
        if balance.lot.kind not in draining.kinds:
            continue
        part = balance.available_minor if rest is None else min(rest, balance.available_minor)
        if part > 0:
            parts.append((balance.lot, part))
            rest = None if rest is None else rest - part
    return parts


def less(balances: Sequence[LotBalance], parts: Sequence[tuple[Lot, int]]) -> list[LotBalance]:
    """What is left of these lots after that."""
    gone = {lot.account_id: part for lot, part in parts}
    return [replace(b, available_minor=b.available_minor - gone.get(b.lot.account_id, 0)) for b in balances]


def credit_account(source: Source, limit: Money) -> Account:
    """The member's receivable: it may go as far below zero as the credit limit reaches (OT-13)."""
    assert source.account_id is not None, "a credit line is one account"
    return Account(
        partition_id=source.partition_id,
        id=source.account_id,
        kind=AccountKind.MEMBER_RECEIVABLE,
        owner_id=source.member_id,
        currency=limit.currency,
        floor_minor=-limit.amount_minor,
        rolled_up=False,
    )
