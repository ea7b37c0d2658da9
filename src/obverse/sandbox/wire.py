"""ISO 8583 (1987, ASCII) on a stream: framing, fields, and how an answer finds its request.

The platform has its own reading of the same standard in `obverse.networks.iso8583`. This one is written apart
from it on purpose; only the codec (pyiso8583, held to outside vectors in tests/vectors) is common to both.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import iso8583
from iso8583.specs import default_ascii as SPEC  # noqa: N812  (a constant, named in lower case there)

from obverse.sandbox.errors import BrokenFrame

Message = dict[str, str]
"""`"t"` is the message type, `"2"`..`"128"` are the data elements, as pyiso8583 has them."""

LENGTH_MAX: Final = 4096
"""No message of ours comes near; a longer length prefix is an attack or a stray client."""

_STRUCTURE: Final = ("h", "p", "1")
"""Header and bitmaps: they say which fields there are, and are none themselves."""

_TPDU_ID: Final = 0x60
_TPDU_LENGTH: Final = 5
_ECHOED: Final[tuple[str, ...]] = ("2", "3", "4", "7", "11", "12", "13", "32", "37", "41", "42", "49", "70")
AVAILABLE: Final = "02"
REQUESTED: Final = "57"
"""Types of amounts in DE 54."""
_KEY_FIELDS: Final[tuple[str, ...]] = ("7", "11", "32", "37", "41")


@dataclass(frozen=True, slots=True)
class Frame:
    """One message as it stood on the wire; `tpdu` is the optional 5-byte address in front of it."""

    message: Message
    tpdu: bytes = b""


async def read_frame(reader: asyncio.StreamReader) -> Frame | None:
    """Read one frame; None when the far end hung up between two frames.

    Raises `BrokenFrame` for anything else that is not a whole message.
    """
    try:
        length = int.from_bytes(await reader.readexactly(2), "big")
        if not 0 < length <= LENGTH_MAX:
            raise BrokenFrame("length")
        body = await reader.readexactly(length)
    except asyncio.IncompleteReadError as cut:
        if cut.partial or cut.expected != 2:
            raise BrokenFrame("cut short") from None
        return None
    return parse(body)


def parse(body: bytes) -> Frame:
    """Read the bytes behind the length prefix. Raises `BrokenFrame`."""
    tpdu = body[:_TPDU_LENGTH] if body[:1] == bytes([_TPDU_ID]) else b""
    try:
        decoded, _ = iso8583.decode(body[len(tpdu) :], SPEC)
    except iso8583.DecodeError as error:
        raise BrokenFrame(f"field {error.field}") from None  # the error itself carries the whole message
    return Frame({name: value for name, value in decoded.items() if name not in _STRUCTURE}, tpdu)


def to_bytes(frame: Frame) -> bytes:
    """Write a frame with its length prefix. Raises `BrokenFrame` for fields that do not fit."""
    try:
        encoded, _ = iso8583.encode(dict(frame.message), SPEC)
    except iso8583.EncodeError as error:
        raise BrokenFrame(f"field {error.field}") from None
    body = frame.tpdu + bytes(encoded)
    return len(body).to_bytes(2, "big") + body


def answer_to(request: Frame, code: str, extra: Mapping[str, str] | None = None) -> Frame:
    """The answer to `request`: its message type plus 10, its trace fields echoed, DE 39 set to `code`.

    A repeat (0101, 0421) is answered like its original (0110, 0430). TPDU addresses are swapped.
    """
    message = request.message
    answer = {name: message[name] for name in _ECHOED if name in message}
    answer["t"] = answer_type(message["t"])
    answer["39"] = code
    answer.update(extra or {})
    return Frame(answer, swap_addresses(request.tpdu))


def answer_type(message_type: str) -> str:
    """The message type of the answer; a repeat is answered like its original.

    >>> answer_type("0100"), answer_type("0101"), answer_type("0420")
    ('0110', '0110', '0430')
    """
    return message_type[:2] + str(int(message_type[2]) + 1) + "0"


def swap_addresses(tpdu: bytes) -> bytes:
    """The TPDU of the answer: what came from the one goes back to it.

    >>> swap_addresses(bytes.fromhex("6000018002")).hex()
    '6080020001'
    """
    return tpdu[:1] + tpdu[3:5] + tpdu[1:3]


def is_answer(message: Message) -> bool:
    return message["t"][2] in "13"


def key_of(message: Message) -> tuple[str, ...]:
    """What a request and its answer have in common: message class and DE 7, 11, 32, 37, 41 as present."""
    return (message["t"][:2], *(message.get(name, "") for name in _KEY_FIELDS))


def belongs(answer: Message, request: Message) -> bool:
    """Whether an answer with the right key also speaks of the same card and amount.

    A late answer may meet another member's request that happens to carry the same key. One that approves a
    part says in DE 54 of how much.
    """
    about = answer | {"4": asked} if (asked := amounts(answer).get(REQUESTED)) else answer
    return all(about[name] == request.get(name) for name in ("2", "4") if name in about)


def amounts(message: Message) -> dict[str, str]:
    """DE 54: twelve digits by type of amount; of several accounts the first, which is the card as a whole.

    >>> amounts({"54": "0002410C0000000123000057410C000000034000"})
    {'57': '000000034000', '02': '000000012300'}
    """
    text = message.get("54", "")
    last_first = reversed(range(0, len(text), 20))
    return {text[at + 2 : at + 4]: text[at + 8 : at + 20] for at in last_first}


def same_request(one: Message, other: Message) -> bool:
    """Whether two messages are one request, sent once or repeated (0100 and 0101)."""
    return {**one, "t": one["t"][:3]} == {**other, "t": other["t"][:3]}


def original_key(reversal: Message) -> tuple[str, ...] | None:
    """The key of the payment a 0400/0420 wants undone, rebuilt from DE 90; None where DE 90 is missing.

    DE 90 is: original type (4), STAN (6), DE 7 (10), acquirer (11), forwarder (11).
    """
    original = reversal.get("90", "")
    if len(original) != 42 or not original.isdigit():
        return None
    trace = {"t": original[:4], "11": original[4:10], "7": original[10:20]}
    return key_of(trace | {name: reversal[name] for name in ("32", "37", "41") if name in reversal})


def original_data(request: Message) -> str:
    """DE 90 of the reversal of `request`."""
    acquirer = request.get("32", "").rjust(11, "0")
    return request["t"][:3] + "0" + request["11"] + request["7"] + acquirer + "0" * 11


def additional_data(subelements: Mapping[str, str]) -> str:
    """DE 48 as a row of tag (2), length (2), value.

    >>> additional_data({"92": "123", "61": "900101"})
    '92031236106900101'
    """
    return "".join(f"{tag}{len(value):02d}{value}" for tag, value in subelements.items())


def read_additional_data(text: str) -> dict[str, str] | None:
    """The subelements of DE 48, or None where the lengths do not add up.

    >>> read_additional_data("92031236106900101")
    {'92': '123', '61': '900101'}
    """
    found: dict[str, str] = {}
    while text:
        head, length = text[:2], text[2:4]
        if len(head) < 2 or not length.isdigit() or len(length) < 2 or len(text) < 4 + int(length):
            return None
        found[head] = text[4 : 4 + int(length)]
        text = text[4 + int(length) :]
    return found
