"""Typed messages: what a door reads out of the fields, and how answers and requests are written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from obverse.authorization.model import Entry, Purpose
from obverse.kit.money import Money
from obverse.kit.secret import Secret
from obverse.networks.iso8583.additional import subelements, takes_partial
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
from obverse.networks.iso8583.origins import Origin, read_original, read_own, read_trace
from obverse.networks.iso8583.pin_blocks import PinBlock, read_pin_block
from obverse.networks.iso8583.points import Picked, read_picked
from obverse.networks.iso8583.reading import (
    read_amount,
    read_digits,
    read_merchant_no,
    read_number,
    read_text,
)

PAYMENTS: Final = frozenset({"0100", "0101", "0120", "0121", "0200", "0201"})
ADVICES: Final = frozenset({"0220", "0221"})
"""With DE 90 a completion; without, a decision that was made elsewhere on our behalf."""
FINANCIAL: Final = frozenset({"0200", "0201"})
QUESTIONS: Final = FINANCIAL | {"0100", "0101"}
_APPROVED: Final = "00"
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

_PURPOSES: Final = {
    "00": (Purpose.PURCHASE, PAYMENTS | ADVICES),
    "21": (Purpose.LOAD, FINANCIAL),
    "28": (Purpose.ACTIVATION, FINANCIAL),
    "31": (Purpose.INQUIRY, QUESTIONS),
}
"""DE 3, first two digits: what is wanted, and the message types by which it may be asked for."""

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
class PaymentMessage:
    """0100, 0120: authorize; 0200: authorize and capture at once. A last digit of 1 marks a repeat.

    Its `purpose` may be another: to pay money in, to sell an agent's card, or to ask for a balance.
    """

    fields: Fields = field(repr=False)
    origin: Origin
    number: Secret
    expiry: str | None
    """YYMM."""
    cvv: Secret | None
    pin_block: PinBlock | None
    amount: Money
    merchant_no: str
    entry: Entry
    capture: bool
    purpose: Purpose
    partial: bool
    """Whether the terminal can take less than it asks for."""
    picked: Picked
    """What of the card's points is to pay (PR-5)."""


@dataclass(frozen=True, slots=True)
class ReportMessage:
    """0220 without DE 90: somebody has approved this on our behalf while we were away (WA-9)."""

    fields: Fields = field(repr=False)
    origin: Origin
    number: Secret
    expiry: str | None
    amount: Money
    merchant_no: str
    entry: Entry
    approval_code: str
    """Theirs, by which the merchant knows it."""


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
    | ReportMessage
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
    """Write the answer to a request: its matching fields, DE 39, DE 38 when approved, and what is `extra`.

    What is `extra` takes the place of what would be repeated: a part that is approved that of what was asked.
    """
    fields = {MTI: answer_mti(request[MTI])}
    for number in _ECHOED:
        if number in request:
            fields[number] = request[number]
    if extra is not None:
        fields |= extra
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


def _typed(fields: Fields) -> Message:
    mti = fields[MTI]
    if mti in FINANCIAL and read_digits(fields, DE3_PROCESSING_CODE).startswith(REFUND):
        return RefundMessage(
            fields, read_own(fields), read_original(fields), read_number(fields), read_amount(fields)
        )
    if mti in PAYMENTS:
        return _payment(fields)
    if mti in ADVICES and DE90_ORIGINAL in fields:
        return CaptureMessage(
            fields, read_own(fields), read_original(fields), read_number(fields), read_amount(fields)
        )
    if mti in ADVICES:
        return _report(fields)
    if mti in REVERSALS:
        return _reversal(fields)
    if mti in BATCH_UPLOADS:
        return read_upload(fields)
    if mti in RECONCILIATIONS:
        return read_reconciliation(fields)
    if mti in NETWORK:
        read_trace(fields)
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
        origin=read_own(fields),
        original=read_original(fields),
        number=read_number(fields),
        amount=amount,
        kept_minor=kept_minor,
        merchant_no=read_merchant_no(fields),
    )


def _payment(fields: Fields) -> PaymentMessage:
    purpose = _purpose(fields)
    origin = read_own(fields)
    cvv = None
    if DE48_ADDITIONAL_DATA in fields:
        cvv = subelements(fields[DE48_ADDITIONAL_DATA]).get(SUBELEMENT_CVV)
    amount = read_amount(fields)
    if purpose is Purpose.INQUIRY and amount.amount_minor:
        raise FormatError(DE4_AMOUNT)
    return PaymentMessage(
        fields=fields,
        origin=origin,
        number=read_number(fields),
        expiry=_expiry(fields),
        cvv=None if cvv is None else Secret(cvv),
        pin_block=read_pin_block(fields),
        amount=amount,
        merchant_no=read_merchant_no(fields),
        entry=_entry(fields),
        capture=purpose is not Purpose.INQUIRY and fields[MTI].startswith("02"),
        purpose=purpose,
        partial=takes_partial(fields),
        picked=read_picked(fields) if purpose is Purpose.PURCHASE else Picked(),
    )


def _report(fields: Fields) -> ReportMessage:
    if _purpose(fields) is not Purpose.PURCHASE:
        raise FormatError(DE3_PROCESSING_CODE)
    if fields.get(DE39_RESPONSE_CODE, _APPROVED) != _APPROVED:
        raise FormatError(DE39_RESPONSE_CODE)  # what they declined has moved nothing, and need not be told
    return ReportMessage(
        fields=fields,
        origin=read_own(fields),
        number=read_number(fields),
        expiry=_expiry(fields),
        amount=read_amount(fields),
        merchant_no=read_merchant_no(fields),
        entry=_entry(fields),
        approval_code=read_text(fields, DE38_APPROVAL_CODE),
    )


def _purpose(fields: Fields) -> Purpose:
    wanted = _PURPOSES.get(read_digits(fields, DE3_PROCESSING_CODE)[:2])
    if wanted is None or fields[MTI] not in wanted[1]:
        raise FormatError(DE3_PROCESSING_CODE)
    return wanted[0]


def _expiry(fields: Fields) -> str | None:
    return read_digits(fields, DE14_EXPIRY) if DE14_EXPIRY in fields else None


def _entry(fields: Fields) -> Entry:
    return _ENTRIES.get(fields.get(DE22_ENTRY_MODE, "")[:2], Entry.TYPED)
