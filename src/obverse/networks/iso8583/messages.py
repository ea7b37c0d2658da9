"""Typed messages: what a door reads out of the fields, and how answers and requests are written."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Final

from obverse.authorization.model import Entry
from obverse.kit.money import Money
from obverse.kit.secret import Secret
from obverse.networks.iso8583.batches import (
    BATCH_UPLOADS,
    RECONCILIATIONS,
    ReconciliationMessage,
    UploadMessage,
    read_reconciliation,
    read_upload,
)
from obverse.networks.iso8583.codec import Fields, decode, encode
from obverse.networks.iso8583.errors import FormatError
from obverse.networks.iso8583.fields import (
    DE2_CARD_NUMBER,
    DE3_PROCESSING_CODE,
    DE4_AMOUNT,
    DE7_TRANSMITTED_AT,
    DE11_STAN,
    DE12_LOCAL_TIME,
    DE13_LOCAL_DATE,
    DE14_EXPIRY,
    DE22_ENTRY_MODE,
    DE32_ACQUIRER,
    DE37_RRN,
    DE38_APPROVAL_CODE,
    DE39_RESPONSE_CODE,
    DE41_TERMINAL,
    DE42_MERCHANT,
    DE48_ADDITIONAL_DATA,
    DE49_CURRENCY,
    DE70_NETWORK_CODE,
    DE90_ORIGINAL,
    DE95_REPLACEMENT_AMOUNTS,
    MATCHING,
    MTI,
    SUBELEMENT_CVV,
)
from obverse.networks.iso8583.reading import (
    read_amount,
    read_digits,
    read_merchant_no,
    read_number,
    read_text,
)

PAYMENTS: Final = frozenset({"0100", "0101", "0120", "0121", "0200", "0201"})
CAPTURES: Final = frozenset({"0220", "0221"})
REFUNDS: Final = frozenset({"0200", "0201"})
REFUND: Final = "20"
"""DE 3, first two digits: goods come back."""
REVERSALS: Final = frozenset({"0400", "0401", "0420", "0421"})
NETWORK: Final = frozenset({"0800", "0801"})

_ECHOED: Final = (
    DE2_CARD_NUMBER,
    DE3_PROCESSING_CODE,
    DE4_AMOUNT,
    DE7_TRANSMITTED_AT,
    DE11_STAN,
    DE12_LOCAL_TIME,
    DE13_LOCAL_DATE,
    DE32_ACQUIRER,
    DE37_RRN,
    DE41_TERMINAL,
    DE42_MERCHANT,
    DE49_CURRENCY,
    DE70_NETWORK_CODE,
)

_ENTRIES: Final = {
    "01": Entry.TYPED,
    "02": Entry.SWIPE,
    "03": Entry.BARCODE,
    "05": Entry.CHIP,
    "07": Entry.CONTACTLESS,
    "10": Entry.ONLINE,
    "80": Entry.SWIPE,
    "81": Entry.ONLINE,
    "90": Entry.SWIPE,
    "91": Entry.CONTACTLESS,
    "95": Entry.CHIP,
}
"""DE 22, first two digits. What is absent or not listed counts as typed, the least trusted way."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who sent a request and which one it is: the parts that every repeat has in common."""

    transmitted_at: str
    """DE 7, MMDDhhmmss in UTC: the year is not on the wire."""
    stan: str
    acquirer: str
    terminal: str
    rrn: str

    def request_key(self, now: datetime) -> str:
        """The key under which a payment is stored, and found by its repeats and its reversal (P6, P8)."""
        year = year_of(self.transmitted_at, now)
        return f"iso:{year}{self.transmitted_at}:{self.stan}:{self.acquirer}:{self.terminal}:{self.rrn}"


@dataclass(frozen=True, slots=True)
class PaymentMessage:
    """0100, 0120: authorize; 0200: authorize and capture at once. A last digit of 1 marks a repeat."""

    fields: Fields = field(repr=False)
    origin: Origin
    number: Secret
    expiry: str | None
    """YYMM."""
    cvv: Secret | None
    amount: Money
    merchant_no: str
    entry: Entry
    capture: bool


@dataclass(frozen=True, slots=True)
class CaptureMessage:
    """0220: the sale that `original` authorized has been completed, for `amount`; the rest is released."""

    fields: Fields = field(repr=False)
    origin: Origin
    original: Origin
    number: Secret
    amount: Money


@dataclass(frozen=True, slots=True)
class RefundMessage:
    """0200 with processing code 20: give back `amount` of the sale that `original` paid."""

    fields: Fields = field(repr=False)
    origin: Origin
    original: Origin
    number: Secret
    amount: Money


@dataclass(frozen=True, slots=True)
class ReversalMessage:
    """0400, 0420: whatever became of `original`, undo it, but for what DE 95 says is to be kept of it."""

    fields: Fields = field(repr=False)
    origin: Origin
    original: Origin
    number: Secret
    amount: Money
    kept_minor: int
    merchant_no: str


@dataclass(frozen=True, slots=True)
class NetworkMessage:
    """0800: sign-on, sign-off or echo test."""

    fields: Fields = field(repr=False)
    network_code: str
    """DE 70."""


Message = (
    PaymentMessage
    | CaptureMessage
    | RefundMessage
    | ReversalMessage
    | UploadMessage
    | ReconciliationMessage
    | NetworkMessage
)


def parse(raw: bytes) -> Message:
    """Read one request.

    Raises `FormatError` when a field is missing or malformed, or the message type is none we take.
    """
    fields = decode(raw)
    try:
        return _typed(fields)
    except FormatError as error:
        failed = error.field
    matching = {number: fields[number] for number in MATCHING if number in fields}
    raise FormatError(failed, fields[MTI], matching)


def answer(
    request: Fields,
    response_code: str,
    approval_code: str | None = None,
    extra: Mapping[str, str] | None = None,
) -> bytes:
    """Write the answer to a request: its matching fields, DE 39, DE 38 when approved, and what is `extra`."""
    fields = {MTI: answer_mti(request[MTI]), **(extra or {})}
    for number in _ECHOED:
        if number in request:
            fields[number] = request[number]
    if approval_code is not None:
        fields[DE38_APPROVAL_CODE] = approval_code
    fields[DE39_RESPONSE_CODE] = response_code
    return encode(fields)


def refusal(error: FormatError, response_code: str) -> bytes | None:
    """The answer to a message that could not be read; None where too little of it could.

    It takes a request's message type, DE 7 and DE 11 for the sender to know what is refused. An answer is
    never answered: two hosts would go on for ever.
    """
    known = {DE7_TRANSMITTED_AT, DE11_STAN} <= error.matching.keys()
    if not known or not is_request(error.mti):
        return None
    return answer({MTI: error.mti, **error.matching}, response_code)


def is_request(mti: str) -> bool:
    """Whether this is a 1987 request or advice, or a repeat of one, of any class."""
    return len(mti) == 4 and mti.isdecimal() and mti[0] == "0" and mti[2] in "024" and mti[3] in "01"


def answer_mti(mti: str) -> str:
    """The answer's type: 0100 and 0101 give 0110, 0420 and 0421 give 0430."""
    return f"{mti[:2]}{int(mti[2]) + 1}0"


def year_of(transmitted_at: str, now: datetime) -> int:
    """The year that puts DE 7 (MMDDhhmmss) nearest to `now`; of two equally near, the earlier.

    Raises `FormatError` when there is no such day or time in any of them.
    """
    moments = _moments(transmitted_at, now.year)
    if not moments:
        raise FormatError(DE7_TRANSMITTED_AT)
    return min(moments, key=lambda moment: abs(moment - now)).year


@lru_cache(1024)
def _moments(transmitted_at: str, year: int) -> tuple[datetime, ...]:
    """What DE 7 may mean around this year. Kept, because a thousand messages share each second."""
    found = []
    for candidate in (year - 1, year, year + 1):
        with suppress(ValueError):
            found.append(datetime.strptime(f"{candidate}{transmitted_at}Z", "%Y%m%d%H%M%S%z"))
    return tuple(found)


def subelements(text: str) -> dict[str, str]:
    """Read DE 48: tag (2 digits), length (2 digits), value, as often as it goes. Raises `FormatError`."""
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        tag, length = text[at : at + 2], text[at + 2 : at + 4]
        end = at + 4 + int(length) if (tag + length).isdecimal() and len(length) == 2 else len(text) + 1
        if end > len(text) or tag in found:
            raise FormatError(DE48_ADDITIONAL_DATA)
        found[tag] = text[at + 4 : end]
        at = end
    return found


def write_subelements(values: Mapping[str, str]) -> str:
    """Write DE 48.

    >>> write_subelements({"92": "123"})
    '9203123'
    """
    return "".join(f"{tag}{len(value):02d}{value}" for tag, value in values.items())


def original_data(mti: str, transmitted_at: str, stan: str, acquirer: str) -> str:
    """Write DE 90: which message is meant. No forwarding institution.

    >>> original_data("0100", "1120093000", "000001", "941000")
    '010000000111200930000000094100000000000000'
    """
    return f"{mti}{stan}{transmitted_at}{acquirer:0>11}{'0' * 11}"


def _typed(fields: Fields) -> Message:
    mti = fields[MTI]
    if mti in REFUNDS and read_digits(fields, DE3_PROCESSING_CODE).startswith(REFUND):
        return RefundMessage(
            fields, _own(fields), _original(fields), read_number(fields), read_amount(fields)
        )
    if mti in PAYMENTS:
        return _payment(fields)
    if mti in CAPTURES:
        return CaptureMessage(
            fields, _own(fields), _original(fields), read_number(fields), read_amount(fields)
        )
    if mti in REVERSALS:
        return _reversal(fields)
    if mti in BATCH_UPLOADS:
        return read_upload(fields)
    if mti in RECONCILIATIONS:
        return read_reconciliation(fields)
    if mti in NETWORK:
        _origin_digits(fields)
        return NetworkMessage(fields, read_digits(fields, DE70_NETWORK_CODE))
    raise FormatError(MTI)


def _reversal(fields: Fields) -> ReversalMessage:
    amount, kept_minor = read_amount(fields), 0
    if DE95_REPLACEMENT_AMOUNTS in fields:
        kept = fields[DE95_REPLACEMENT_AMOUNTS][:12]
        if not kept.isdecimal() or int(kept) >= amount.amount_minor:
            raise FormatError(DE95_REPLACEMENT_AMOUNTS)
        kept_minor = int(kept)
    return ReversalMessage(
        fields=fields,
        origin=_own(fields),
        original=_original(fields),
        number=read_number(fields),
        amount=amount,
        kept_minor=kept_minor,
        merchant_no=read_merchant_no(fields),
    )


def _payment(fields: Fields) -> PaymentMessage:
    if not read_digits(fields, DE3_PROCESSING_CODE).startswith("00"):
        raise FormatError(DE3_PROCESSING_CODE)
    transmitted_at, stan = _origin_digits(fields)
    cvv = None
    if DE48_ADDITIONAL_DATA in fields:
        cvv = subelements(fields[DE48_ADDITIONAL_DATA]).get(SUBELEMENT_CVV)
    return PaymentMessage(
        fields=fields,
        origin=_origin(fields, transmitted_at, stan),
        number=read_number(fields),
        expiry=read_digits(fields, DE14_EXPIRY) if DE14_EXPIRY in fields else None,
        cvv=None if cvv is None else Secret(cvv),
        amount=read_amount(fields),
        merchant_no=read_merchant_no(fields),
        entry=_ENTRIES.get(fields.get(DE22_ENTRY_MODE, "")[:2], Entry.TYPED),
        capture=fields[MTI].startswith("02"),
    )


def _origin(fields: Fields, transmitted_at: str, stan: str) -> Origin:
    return Origin(
        transmitted_at,
        stan,
        read_digits(fields, DE32_ACQUIRER),
        read_text(fields, DE41_TERMINAL),
        read_text(fields, DE37_RRN) if DE37_RRN in fields else "",
    )


def _own(fields: Fields) -> Origin:
    """Which message this is itself, for one that is about another."""
    return _origin(fields, *_origin_digits(fields))


def _original(fields: Fields) -> Origin:
    """The payment that a reversal or capture means: DE 90 names it, DE 32, 37 and 41 are its own.

    The institutions inside DE 90 are not looked at; many senders leave them zero.
    """
    _origin_digits(fields)
    original = read_digits(fields, DE90_ORIGINAL)
    return _origin(fields, transmitted_at=original[10:20], stan=original[4:10])


def _origin_digits(fields: Fields) -> tuple[str, str]:
    return read_digits(fields, DE7_TRANSMITTED_AT), read_digits(fields, DE11_STAN)
