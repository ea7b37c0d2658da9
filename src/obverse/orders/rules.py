"""What may be ordered, given and cancelled. No I/O, no clock."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import msgspec
from msgspec.structs import replace

from obverse.cards import Card, CardState
from obverse.cards.pin_rules import is_weak
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import ProgrammeId, first_id_of
from obverse.kit.money import AMOUNT_MINOR_MAX, Money
from obverse.kit.secret import Secret
from obverse.letters import check_mail_address, check_phone_number
from obverse.orders.errors import (
    NotGiftable,
    OrderNotOpen,
    PieceNotOpen,
    ProgrammeNotSold,
    SentJustNow,
    TooManyOrders,
)
from obverse.orders.model import (
    GIFTS,
    Buyer,
    Gift,
    Line,
    Order,
    OrderState,
    Piece,
    PieceState,
    PricedLine,
    Quote,
)
from obverse.programmes import Programme, ProgrammeState
from obverse.wallet import LotBalance

COUNT_MAX: Final = 99
"""Cards of one denomination in an order (PP-1)."""
DENOMINATIONS_MAX: Final = 6
BULK_LINES_MAX: Final = 20_000
NAME_LENGTH_MAX: Final = 60
TEXT_LENGTH_MAX: Final = 200
MESSAGE_LENGTH_MAX: Final = 300

ORIGIN_WINDOW: Final = timedelta(hours=1)
ATTEMPTS_PER_ORIGIN_MAX: Final = 30

LINK_LIFETIME: Final = timedelta(days=3_650)
"""A gift can be claimed as long as its card is good: no link ends before."""

SEND_AGAIN_AFTER: Final = timedelta(minutes=1)
"""Between two mails about one gift: nobody's mailbox is to be filled by way of ours."""

_PIN_DIGITS: Final = 6


# what is ordered -------------------------------------------------------------------------------------------


def quote(lines: Sequence[Line], programmes: Mapping[ProgrammeId, Programme]) -> Quote:
    """What these lines cost (PP-1). Raises `InvalidRequest`, `ProgrammeNotSold`, `NotGiftable`, each with the
    line's name."""
    if not lines:
        raise InvalidRequest("Order at least one card.", "lines")
    priced = [_price(line, programmes, f"lines[{i}]") for i, line in enumerate(lines)]
    _check_currencies(priced)
    counts: Counter[tuple[ProgrammeId, int]] = Counter()
    for i, line in enumerate(lines):
        counts[line.programme_id, line.denomination_minor] += line.count
        if counts[line.programme_id, line.denomination_minor] > COUNT_MAX:
            raise InvalidRequest(f"Of one denomination, 1 to {COUNT_MAX} in an order.", f"lines[{i}].count")
        if len(counts) > DENOMINATIONS_MAX:
            raise InvalidRequest(
                f"At most {DENOMINATIONS_MAX} denominations in an order.", f"lines[{i}].denomination"
            )
    return _quoted(priced)


def quote_bulk(lines: Sequence[Line], programmes: Mapping[ProgrammeId, Programme]) -> Quote:
    """What a company's list costs, whose lines have been checked one by one. Raises `InvalidRequest`."""
    priced = [_price(line, programmes, "file") for line in lines]
    _check_currencies(priced)
    return _quoted(priced)


def _quoted(priced: Sequence[PricedLine]) -> Quote:
    total = Money(sum(p.amount.amount_minor for p in priced), priced[0].programme.currency)
    if total.amount_minor > AMOUNT_MINOR_MAX:
        raise InvalidRequest("That is more than one payment may be.", "lines")
    return Quote(priced, total)


def _price(line: Line, programmes: Mapping[ProgrammeId, Programme], param: str) -> PricedLine:
    if not 1 <= line.count <= COUNT_MAX:
        raise InvalidRequest(f"Of one denomination, 1 to {COUNT_MAX} in an order.", f"{param}.count")
    programme = programmes.get(line.programme_id)
    if programme is None or programme.state is not ProgrammeState.ACTIVE:
        raise ProgrammeNotSold(f"{param}.programme")
    if line.denomination_minor not in programme.denominations:
        raise InvalidRequest("The programme has no cards of this denomination.", f"{param}.denomination")
    if line.gift is not None and not programme.giftable:
        raise NotGiftable(f"{param}.gift")
    return PricedLine(line, programme, Money(line.denomination_minor * line.count, programme.currency))


def _check_currencies(priced: Sequence[PricedLine]) -> None:
    for i, each in enumerate(priced):
        if each.programme.currency != priced[0].programme.currency:
            raise ProgrammeNotSold(f"lines[{i}].programme")


def checked_buyer(buyer: Buyer) -> Buyer:
    """The buyer with mail and phone in the form in which they are used. Raises `InvalidRequest` (PP-2)."""
    _check_text(buyer.name, NAME_LENGTH_MAX, "buyer.name")
    for text, param in ((buyer.address, "buyer.address"), (buyer.occupation, "buyer.occupation")):
        if text is not None:
            _check_text(text, TEXT_LENGTH_MAX, param)
    mail = check_mail_address(buyer.mail, "buyer.mail")
    return replace(buyer, mail=mail, phone=check_phone_number(buyer.phone, "buyer.phone"))


def checked_gift(gift: Gift, param: str = "gift") -> Gift:
    """The gift with its address in the form in which it is used. Raises `InvalidRequest`."""
    _check_text(gift.sender, NAME_LENGTH_MAX, f"{param}.sender")
    if gift.name is not None:
        _check_text(gift.name, NAME_LENGTH_MAX, f"{param}.name")
    if gift.message is not None:
        _check_text(gift.message, MESSAGE_LENGTH_MAX, f"{param}.message")
    return replace(gift, mail=check_mail_address(gift.mail, f"{param}.mail"))


def checked_lines(lines: Sequence[Line]) -> list[Line]:
    """These lines with their gifts checked. Raises `InvalidRequest` with the line's name."""
    return [
        replace(line, gift=checked_gift(line.gift, f"lines[{i}].gift")) if line.gift is not None else line
        for i, line in enumerate(lines)
    ]


def _check_text(text: Secret, length_max: int, param: str) -> None:
    plain = text.reveal()
    if not 1 <= len(plain.strip()) <= length_max or not plain.isprintable():
        raise InvalidRequest(f"Give 1 to {length_max} printable characters, on one line.", param)


def check_room(from_this_origin: int) -> None:
    """Whether an address may order after so many tries within an hour. Raises `TooManyOrders`."""
    if from_this_origin > ATTEMPTS_PER_ORIGIN_MAX:
        raise TooManyOrders


def fingerprint(*said: object) -> Secret:
    """All that a request says, for a keyed hash: the same key with anything else is another request (P6)."""
    encoded = msgspec.json.encode(said, enc_hook=_revealed, order="deterministic")
    return Secret(sha256(encoded).hexdigest())


def _revealed(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    return str(value)


def pieces_of(order: Order, lines: Iterable[Line]) -> list[tuple[Piece, Gift | None]]:
    """One piece for each card, in the order of the lines."""
    cards = [line for line in lines for _ in range(line.count)]
    return [
        (
            Piece(
                order_id=order.id,
                at=at,
                programme_id=line.programme_id,
                amount_minor=line.denomination_minor,
                state=PieceState.ORDERED,
            ),
            line.gift,
        )
        for at, line in enumerate(cards, 1)
    ]


# PINs ------------------------------------------------------------------------------------------------------


def drawn_pins(count: int, random_bytes: Callable[[int], bytes]) -> list[Secret]:
    """PINs drawn at random, each equally likely among those that are not weak (PP-2)."""
    pins: list[Secret] = []
    while len(pins) < count:
        drawn = random_bytes(4 * (count - len(pins)))
        for start in range(0, len(drawn), 4):
            value = int.from_bytes(drawn[start : start + 4], "big")
            # Beyond the last multiple of a million the first numbers would be likelier.
            pin = f"{value % 10**_PIN_DIGITS:0{_PIN_DIGITS}d}"
            if value < 2**32 // 10**_PIN_DIGITS * 10**_PIN_DIGITS and not is_weak(pin):
                pins.append(Secret(pin))
    return pins


# what may become of it -------------------------------------------------------------------------------------


def check_open(order: Order) -> None:
    """Whether anything may be done about this order's cards. Raises `OrderNotOpen` before they are there."""
    if order.state is not OrderState.ALLOCATED:
        raise OrderNotOpen


def check_set_up(piece: Piece, card: Card) -> None:
    """Whether the buyer may use this card themselves, or set its PIN anew. Raises `PieceNotOpen`."""
    own = piece.state in (PieceState.READY, PieceState.SET_UP)
    if not own or card.member_id is not None or card.state is CardState.CLOSED:
        raise PieceNotOpen(piece.at)


def check_give(piece: Piece, card: Card, now: datetime) -> None:
    """Whether a mail with a new claim link may go out for this card. Raises `PieceNotOpen`, `SentJustNow`."""
    if (piece.state is not PieceState.READY and piece.state not in GIFTS) or is_claimed(piece, card):
        raise PieceNotOpen(piece.at)
    # Its id tells when the newest letter was written.
    sent = piece.letter_id if piece.state is PieceState.GIVEN else None
    if sent is not None and sent > first_id_of(now - SEND_AGAIN_AFTER):
        raise SentJustNow


def check_unused(piece: Piece, card: Card, lots: Sequence[LotBalance]) -> None:
    """Only a card that nobody else has, and of which nothing was used, goes back. Raises `PieceNotOpen`."""
    elsewhere = is_claimed(piece, card) or card.member_id is not None or card.state is CardState.CLOSED
    in_it = sum(lot.available_minor for lot in lots)
    whole = in_it == piece.amount_minor and not any(lot.held_minor for lot in lots)
    if elsewhere or not whole:
        raise PieceNotOpen(piece.at)


def is_claimed(piece: Piece, card: Card) -> bool:
    """Whether a gift's recipient has taken it: from then on it is none of the buyer's business."""
    return piece.state in GIFTS and (card.is_held or card.member_id is not None)


def after_cancel(order: Order, back_minor: int) -> Order:
    """The order after this much of it went back; with the last of it, it is cancelled."""
    back = order.back_minor + back_minor
    state = OrderState.CANCELLED if back == order.total_minor else order.state
    return replace(order, back_minor=back, state=state)
