"""What a scanner reads off a phone: the digits of a code, or the QR payload that wraps them.

The payload is EMVCo's for QR codes that consumers present (EMV QRCPS Consumer-Presented Mode, version 1.1):
BER-TLV in base64, `85` with the format's name, then a template `61` for each application, and in `62` what
they have in common. A code is the PAN (`5A`) of our application. Both readings name the same code (PC-9).
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Final

from obverse.kit.errors import InvalidRequest
from obverse.kit.secret import Secret

AID: Final = bytes.fromhex("F04F425645525345")
"""Our application: `F` begins identifiers that nobody assigns (ISO/IEC 7816-5); then `OBVERSE` in ASCII."""

PAYLOAD_LENGTH_MAX: Final = 512
"""Characters of base64. Ours has 56; the specification's own example, with two applications, has 168."""
DIGITS_MIN: Final = 12
DIGITS_MAX: Final = 19

_FORMAT_TAG: Final = 0x85
_FORMAT: Final = b"CPV01"
_APPLICATION_TAG: Final = 0x61
_COMMON_TAG: Final = 0x62
_AID_TAG: Final = 0x4F
_PAN_TAG: Final = 0x5A
_MORE_TAG_BITS: Final = 0x1F
_LONG: Final = 0x80
_LENGTH_BYTES_MAX: Final = 2


def digits_of(scanned: str, param: str = "code") -> Secret:
    """The digits of the code that was scanned, from a bar code or a QR code.

    Whether they are a code of ours is the engine's to say. Raises `InvalidRequest`.
    """
    if _are_digits(scanned):
        return Secret(scanned)
    try:
        return Secret(pan_of(scanned))
    except _NotReadable:
        raise InvalidRequest("That is neither a code nor an EMV payload with one.", param) from None


def pan_of(payload: str, aid: bytes = AID) -> str:
    """The PAN of an application in a payload: its own or, where it has none, the one in common.

    Raises `ValueError` for what is no such payload; nothing of it is in the message.
    """
    objects = _objects(_decoded(payload))
    if next(objects, None) != (_FORMAT_TAG, _FORMAT):
        raise _NotReadable
    own, common = None, None
    for tag, value in objects:
        if tag == _APPLICATION_TAG:
            template = _template(value)
            if template.get(_AID_TAG) == aid:
                if own is not None:
                    raise _NotReadable
                own = template
        elif tag == _COMMON_TAG:
            common = _template(value)
    if own is None:
        raise _NotReadable
    return _digits(own.get(_PAN_TAG) or (common or {}).get(_PAN_TAG))


class _NotReadable(ValueError):
    """Not an EMV payload with a code of our application."""


def _decoded(payload: str) -> bytes:
    if len(payload) > PAYLOAD_LENGTH_MAX or not payload.isascii():
        raise _NotReadable
    try:
        return base64.b64decode(payload, validate=True)
    except binascii.Error:
        raise _NotReadable from None


def _template(value: bytes) -> dict[int, bytes]:
    template: dict[int, bytes] = {}
    for tag, inner in _objects(value):
        if tag in template:
            raise _NotReadable  # two readers could take different ones
        template[tag] = inner
    return template


def _objects(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The objects of one level (ISO/IEC 8825-1), in their order; raises at the first that is broken."""
    at = 0
    while at < len(data):
        tag, at = _tag(data, at)
        length, at = _length(data, at)
        if at + length > len(data):
            raise _NotReadable
        yield tag, data[at : at + length]
        at += length


def _tag(data: bytes, at: int) -> tuple[int, int]:
    """A tag of one byte or two: EMV has no longer ones."""
    tag = data[at]
    if tag & _MORE_TAG_BITS != _MORE_TAG_BITS:
        return tag, at + 1
    if at + 1 >= len(data) or data[at + 1] & _LONG:
        raise _NotReadable
    return tag << 8 | data[at + 1], at + 2


def _length(data: bytes, at: int) -> tuple[int, int]:
    if at >= len(data):
        raise _NotReadable
    first = data[at]
    if first < _LONG:
        return first, at + 1
    size = first - _LONG
    end = at + 1 + size
    if not 1 <= size <= _LENGTH_BYTES_MAX or end > len(data):
        raise _NotReadable
    return int.from_bytes(data[at + 1 : end], "big"), end


def _digits(pan: bytes | None) -> str:
    """Compressed numeric: two digits a byte, filled up with F at the end (EMV Book 3, section 4.3)."""
    digits = (pan or b"").hex().rstrip("f")
    if not _are_digits(digits) or len(digits) // 2 + len(digits) % 2 != len(pan or b""):
        raise _NotReadable
    return digits


def _are_digits(text: str) -> bool:
    return DIGITS_MIN <= len(text) <= DIGITS_MAX and text.isascii() and text.isdigit()
