"""ISO 8583 (1987, ASCII) as Obverse speaks it: framing, codec, typed messages, response codes.

Shared by the acquirer door (as a server) and the card company network (as a client). Nothing here does
I/O: bytes go in, values come out. Described field by field in docs/iso8583.md.
"""

from obverse.networks.iso8583.codec import decode, encode
from obverse.networks.iso8583.errors import FormatError, FramingError
from obverse.networks.iso8583.framing import MESSAGE_BYTES_MAX, Frame, FrameReader, frame

__all__ = [
    "MESSAGE_BYTES_MAX",
    "FormatError",
    "Frame",
    "FrameReader",
    "FramingError",
    "decode",
    "encode",
    "frame",
]
