"""Messages in a TCP stream: a 2-byte big-endian length, an optional 5-byte TPDU, the message.

A TPDU is an old transport header: 0x60, destination (2 bytes), source (2 bytes). Whoever sends one gets it
back with the addresses swapped. An ISO 8583 message in ASCII starts with the digit 0 (0x30), so the first
byte tells whether there is one.
"""

from typing import Final, NamedTuple

from obverse.networks.iso8583.errors import FramingError

MESSAGE_BYTES_MAX: Final = 4096
"""TPDU included. The longest message that any field list of ours can make is well below 2 KB."""

_LENGTH_BYTES: Final = 2
_TPDU_ID: Final = 0x60
_TPDU_BYTES: Final = 5


class Frame(NamedTuple):
    """One message as received. `reply_tpdu` is what its answer starts with: empty, or swapped addresses."""

    body: bytes
    reply_tpdu: bytes


def frame(body: bytes, tpdu: bytes = b"") -> bytes:
    """Put the length and, where there is one, the TPDU in front of a message."""
    return (len(tpdu) + len(body)).to_bytes(_LENGTH_BYTES, "big") + tpdu + body


class FrameReader:
    """Cuts a byte stream into messages; bytes in, frames out, no I/O.

    Frames are taken one by one, so that a connection with enough in flight can leave the rest here.
    """

    __slots__ = ("_at", "_data")

    def __init__(self) -> None:
        self._data = b""
        self._at = 0

    def feed(self, data: bytes) -> None:
        """Add what the socket gave."""
        rest = self._data[self._at :]
        self._data = rest + data if rest else data
        self._at = 0

    @property
    def waiting(self) -> bool:
        """Whether bytes are left that `next_frame` has not given out: part of a message, or more."""
        return self._at < len(self._data)

    def next_frame(self) -> Frame | None:
        """The next whole message, or None until more bytes come.

        Raises `FramingError` as soon as a length is read that no message can have: waiting for the rest would
        let a stranger fill our memory, or find the next message in the middle of this one.
        """
        start = self._at + _LENGTH_BYTES
        if len(self._data) < start:
            return None
        length = self._data[self._at] << 8 | self._data[self._at + 1]
        if not 0 < length <= MESSAGE_BYTES_MAX:
            raise FramingError(f"A message of {length} bytes; at most {MESSAGE_BYTES_MAX} are taken.")
        end = start + length
        if len(self._data) < end:
            return None
        self._at = end
        if self._data[start] != _TPDU_ID:
            return Frame(self._data[start:end], b"")
        if length < _TPDU_BYTES:
            raise FramingError("A transport header of less than five bytes.")
        return Frame(self._data[start + _TPDU_BYTES : end], _swap(self._data[start : start + _TPDU_BYTES]))


def _swap(tpdu: bytes) -> bytes:
    return tpdu[:1] + tpdu[3:5] + tpdu[1:3]
