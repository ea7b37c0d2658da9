"""How the card company reads a message and decides it; no sockets, no clock."""

from obverse.sandbox.card_company.model import Code, Hold, Item, RealCard, Reason, Request
from obverse.sandbox.wire import Message, key_of, read_additional_data

_NEEDED = ("2", "4", "7", "11", "14", "49")


def read(message: Message) -> Request | None:
    """A 0100/0200 as a request; None where a field is missing or is not what it should be."""
    extra = read_additional_data(message.get("48", ""))
    if extra is None or not all(message.get(name, "").isdigit() for name in _NEEDED):
        return None
    return Request(
        key=key_of(message),
        number=message["2"],
        amount_minor=int(message["4"]),
        currency=message["49"],
        expiry=message["14"],
        is_check=message.get("25") == "51",
        cvv=extra.get("92"),
        birth_date=extra.get("61"),
        merchant=message.get("43", message.get("42", "")).strip(),
    )


def decide(request: Request, card: RealCard | None, *, held_minor: int, month: str) -> Code:
    """The response code for a payment that was not seen before.

    `held_minor` is what this card already owes, `month` the present one as YYMM. A check of the details moves
    nothing, so it alone may have amount zero, and it alone is told which detail was wrong.
    """
    if card is None:
        return Code.UNKNOWN_CARD
    if request.expiry != card.expiry or card.expiry < month:
        return Code.WRONG_EXPIRY
    if card.blocked:
        return Code.BLOCKED
    if request.currency != card.currency:
        return Code.WRONG_CURRENCY
    if request.cvv is not None and request.cvv != card.cvv.reveal():
        return Code.WRONG_CVV
    if request.is_check:
        return _decide_check(request, card)
    if request.amount_minor == 0:
        return Code.INVALID_AMOUNT
    return Code.APPROVED if held_minor + request.amount_minor <= card.limit_minor else Code.OVER_LIMIT


def _decide_check(request: Request, card: RealCard) -> Code:
    if request.amount_minor:
        return Code.INVALID_AMOUNT
    if request.cvv is None:
        return Code.WRONG_CVV
    return Code.APPROVED if request.birth_date == card.birth_date else Code.WRONG_BIRTH_DATE


def judge(item: Item, card: RealCard | None, hold: Hold | None, *, seen: bool) -> Reason | None:
    """Why a presentment is not taken, or None; `hold` is the payment that it names by its approval code."""
    if card is None:
        return Reason.UNKNOWN_CARD
    if item.currency != card.currency:
        return Reason.WRONG_CURRENCY
    if seen:
        return Reason.DUPLICATE
    if hold is None or hold.released_at is not None:
        return Reason.NO_APPROVAL
    charged_minor = hold.charged_minor - hold.credited_minor
    if item.is_credit:
        return Reason.MORE_THAN_CHARGED if item.amount_minor > charged_minor else None
    return Reason.MORE_THAN_APPROVED if charged_minor + item.amount_minor > hold.ceiling_minor else None
