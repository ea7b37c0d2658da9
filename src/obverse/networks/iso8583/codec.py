"""Bytes to fields and back, by pyiso8583's `default_ascii`.

pyiso8583 is the reference. It is written for every dialect, and would take about half of the time that one
payment may cost; so the ordinary message takes a short cut over a plan made once per bitmap. The short cut
only ever says "here is the result" or "ask the reference": whatever is not plainly right is decided, and
named, by pyiso8583. A property test holds the two together. See docs/decisions/004-iso8583-codec.md.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

import iso8583
from iso8583.specs import default_ascii

from obverse.networks.iso8583.errors import FormatError
from obverse.networks.iso8583.fields import MATCHING, MTI

Fields = Mapping[str, str]
"""Decoded text by data element number, and the message type under `MTI`."""

_SPEC: Final[Mapping[str, Mapping[str, Any]]] = default_ascii
_HEX: Final = frozenset("0123456789ABCDEFabcdef")
_BITMAPS_KEPT: Final = 1024
_LENGTHS: Final = {digits: [f"{n:0{digits}d}" for n in range(10**digits)] for digits in (2, 3)}


class _Field(NamedTuple):
    number: str
    length_digits: int
    """0 for a field of fixed size."""
    size: int
    """Of a fixed field, or at most."""


def decode(raw: bytes) -> dict[str, str]:
    """Read one message.

    Raises `FormatError` naming the first field that is wrong, with what was read before it.
    """
    fields = _decode_ordinary(raw)
    return _decode_by_reference(raw) if fields is None else fields


def encode(fields: Fields) -> bytes:
    """Write one message. Raises `FormatError` naming a field that does not fit the specification."""
    raw = _encode_ordinary(fields)
    return _encode_by_reference(fields) if raw is None else raw


def _decode_ordinary(raw: bytes) -> dict[str, str] | None:
    try:
        text = raw.decode("ascii")
    except UnicodeDecodeError:
        return None
    at = 36 if text[4:5] > "7" else 20
    plan = _reading_plan(text[4:at])
    if plan is None:
        return None
    fields = {MTI: text[:4]}
    for number, length_digits, size in plan:
        if length_digits:
            length = text[at : at + length_digits]
            if not length.isdecimal():
                return None
            at += length_digits
            if (given := int(length)) > size:
                return None
            size = given
        fields[number] = text[at : at + size]
        at += size
    return fields if at == len(text) else None


@lru_cache(_BITMAPS_KEPT)
def _reading_plan(bitmap: str) -> tuple[_Field, ...] | None:
    """The fields a bitmap announces, in order; None where the reference has to decide."""
    if len(bitmap) not in (16, 32) or not _HEX.issuperset(bitmap):
        return None
    bits = int(bitmap, 16)
    last = len(bitmap) * 4
    if (bits >> (last - 1) & 1) != (last == 128):
        return None
    return _plan([n for n in range(2, last + 1) if bits >> (last - n) & 1])


def _plan(numbers: list[int]) -> tuple[_Field, ...] | None:
    if 65 in numbers:
        return None
    return tuple(_Field(str(n), _SPEC[str(n)]["len_type"], _SPEC[str(n)]["max_len"]) for n in numbers)


def _encode_ordinary(fields: Fields) -> bytes | None:
    layout = _writing_plan(tuple(fields))
    if layout is None or len(fields[MTI]) != 4:
        return None
    bitmap, plan = layout
    parts = [fields[MTI], bitmap]
    for number, length_digits, size in plan:
        value = fields[number]
        length = len(value)
        if length_digits:
            if length > size:
                return None
            parts.append(_LENGTHS[length_digits][length])
        elif length != size:
            return None
        parts.append(value)
    try:
        return "".join(parts).encode("ascii")
    except UnicodeEncodeError:
        return None


@lru_cache(_BITMAPS_KEPT)
def _writing_plan(keys: tuple[str, ...]) -> tuple[str, tuple[_Field, ...]] | None:
    """Bitmap and fields in order for this set of keys; None where the reference has to decide."""
    numbers = sorted(int(key) for key in keys if key in _SPEC and key.isdecimal())
    plan = _plan(numbers)
    if plan is None or MTI not in keys or len(numbers) + 1 != len(keys) or numbers[:1] == [1]:
        return None
    last = 128 if numbers and numbers[-1] > 64 else 64
    bits = sum(1 << (last - n) for n in numbers) | (1 << 127 if last == 128 else 0)
    return f"{bits:0{last // 4}X}", plan


def _decode_by_reference(raw: bytes) -> dict[str, str]:
    try:
        fields, _ = iso8583.decode(raw, _SPEC)
    except iso8583.DecodeError as error:
        failed, read = error.field, error.doc_dec
    except KeyError:
        failed, read = "65", {}  # a third bitmap: fields 129 and up are in no specification of ours
    else:
        fields.pop("p")
        fields.pop("1", None)
        return fields
    # Raised here, outside the handler, so that the error does not drag the raw message along as its context.
    matching = {number: read[number] for number in MATCHING if number in read and number != failed}
    raise FormatError(failed, "" if failed == MTI else read.get(MTI, ""), matching)


def _encode_by_reference(fields: Fields) -> bytes:
    try:
        raw, _ = iso8583.encode(dict(fields), _SPEC)
    except iso8583.EncodeError as error:
        failed = error.field
    else:
        return bytes(raw)
    raise FormatError(failed)
