"""The messages a merchant sends, made without touching a socket: payments, repeats and reversals."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from obverse.kit.secret import Secret
from obverse.sandbox.terminal.pin_pad import PinPad
from obverse.sandbox.wire import Message, additional_data, original_data

ENTRY_MODES: Final = {
    "typed": "010",
    "swipe": "020",
    "barcode": "030",
    "chip": "050",
    "contactless": "070",
    "online": "810",
}
"""DE 22."""

PURCHASE: Final = "000000"
BALANCE: Final = "310000"
DEPOSIT: Final = "210000"
ACTIVATION: Final = "280000"
REFUND: Final = "200000"
"""DE 3."""
TAKES_PARTIAL: Final = "000000000001"
"""DE 60, whose last digit says that less than the amount will do."""

_SECRET: Final = ("48", "52", "53", "110")
_KEPT_IN_REVERSAL: Final = ("3", "4", "12", "13", "32", "37", "41", "42", "43", "49")


@dataclass(frozen=True, slots=True)
class Shop:
    """Whose terminal this is: DE 32, 42, 41, 43, 18 and 49."""

    acquirer_id: str
    merchant_no: str
    terminal: str
    name: str = "Corner shop"
    category: str = "5411"
    currency: str = "410"
    """ISO 4217 numeric."""


@dataclass(frozen=True, slots=True)
class CardEntry:
    """A card as a customer shows it; `expiry` is YYMM, and missing where only number and PIN are typed."""

    number: Secret
    expiry: str | None
    cvv: Secret | None = None
    pin: Secret | None = None

    def fields(self, pad: PinPad | None = None) -> Message:
        """DE 2, 14, 48, and the PIN as the pad enciphers it: what a merchant may send and must not keep."""
        shown = {"2": self.number.reveal()}
        if self.expiry is not None:
            shown["14"] = self.expiry
        if self.cvv is not None:
            shown["48"] = additional_data({"92": self.cvv.reveal()})
        if self.pin is not None:
            shown |= (pad or PinPad()).fields(self.number, self.pin)
        return shown


def purchase(
    shop: Shop,
    amount_minor: int,
    entry: str,
    moment: datetime,
    stan: str,
    *,
    capture: bool = False,
    code: str = PURCHASE,
) -> Message:
    """A request for approval (0100), or for the money at once (0200), still without the card.

    With another processing code (DE 3) it asks for a balance, or pays money in. Raises `KeyError` for an
    entry that is not in `ENTRY_MODES`.
    """
    return _message("0200" if capture else "0100", shop, moment, stan) | {
        "3": code,
        "4": f"{amount_minor:012d}",
        "18": shop.category,
        "22": ENTRY_MODES[entry],
        "25": "00",
    }


def repeat(message: Message) -> Message:
    """The same request once more, marked as a repeat (0101)."""
    return message | {"t": message["t"][:3] + "1"}


def reversal(
    shop: Shop, original: Message, number: Secret, moment: datetime, stan: str, *, advice: bool = False
) -> Message:
    """The message that takes `original` back (0400; as an advice 0420)."""
    kept = {name: original[name] for name in _KEPT_IN_REVERSAL if name in original}
    own = _message("0420" if advice else "0400", shop, moment, stan)
    return own | kept | {"2": number.reveal(), "90": original_data(original)}


def refund(shop: Shop, original: Message, amount_minor: int, moment: datetime, stan: str) -> Message:
    """The message that gives (part of) a sale back (0200, 20xxxx)."""
    kept = {name: original[name] for name in ("2", *_KEPT_IN_REVERSAL) if name in original}
    asked = {"3": REFUND, "4": f"{amount_minor:012d}", "90": original_data(original)}
    return _message("0200", shop, moment, stan) | kept | asked


def report(request: Message, approval_code: str) -> Message:
    """What was approved in somebody's absence, for them to know (0220): no original, but a code of ours."""
    told = {name: value for name, value in request.items() if name not in _SECRET}
    return told | {"t": "0220", "38": approval_code, "39": "00"}


def upload(
    shop: Shop, sale: Message, approval_code: str, amount_minor: int, batch: str, moment: datetime, stan: str,
    *, refund: bool = False,
) -> Message:  # fmt: skip
    """A sale of the day once more, to be paid (0320): under its own reference, with its approval code."""
    return _message("0320", shop, moment, stan) | {
        "2": sale["2"],
        "3": "200000" if refund else "000000",
        "4": f"{amount_minor:012d}",
        "37": sale["37"],
        "38": approval_code,
        "60": batch,
    }


def totals(
    shop: Shop,
    sales: Sequence[int],
    refunds: Sequence[int],
    batch: str,
    bin_: str,
    moment: datetime,
    stan: str,
) -> Message:
    """What the terminal has in its batch for cards of this BIN (0500), in minor units."""
    net = sum(sales) - sum(refunds)
    message = _message("0500", shop, moment, stan) | {
        "50": shop.currency,
        "60": batch,
        "74": f"{len(refunds):010d}",
        "76": f"{len(sales):010d}",
        "86": f"{sum(refunds):016d}",
        "88": f"{sum(sales):016d}",
        "97": f"{'C' if net < 0 else 'D'}{abs(net):016d}",
        "100": bin_,
    }
    del message["3"], message["49"]
    return message


def echo(moment: datetime, stan: str) -> Message:
    """Is the far end alive? (0800, DE 70 = 301)"""
    return {"t": "0800", "7": f"{moment:%m%d%H%M%S}", "11": stan, "70": "301"}


def _message(message_type: str, shop: Shop, moment: datetime, stan: str) -> Message:
    return {
        "t": message_type,
        "3": "000000",
        "7": f"{moment:%m%d%H%M%S}",
        "11": stan,
        "12": f"{moment:%H%M%S}",
        "13": f"{moment:%m%d}",
        "32": shop.acquirer_id,
        "37": f"{moment.year % 10}{moment:%j%H}{stan}",
        "41": shop.terminal.ljust(8),
        "42": shop.merchant_no.ljust(15),
        "43": shop.name[:40].ljust(40),
        "49": shop.currency,
    }
