"""What can be wrong with bytes from the wire. No error carries the message, only what an answer needs."""

from collections.abc import Mapping

from obverse.kit.errors import ObverseError


class FramingError(ObverseError):
    """The byte stream cannot be cut into messages any more; only closing the connection helps."""

    code = "iso8583_framing_error"


class FormatError(ObverseError):
    """One message breaks the specification at `field`; the stream around it is whole.

    `mti` and `matching` are what could be read of the message type and of the fields by which the sender
    matches an answer (DE 7, 11, 32, 37, 41), so that it can be told "format error". Nothing else is kept:
    the message may hold a card number.
    """

    code = "iso8583_format_error"

    def __init__(self, field: str, mti: str = "", matching: Mapping[str, str] | None = None) -> None:
        self.param = f"DE{field}"
        self.field = field
        self.mti = mti
        self.matching = matching or {}
        super().__init__(f"Field {field} is missing or malformed.")


class PinBlockRefused(ObverseError):
    """A PIN block does not open: another key, another card number, or damage. It counts as no attempt."""

    code = "pin_block_refused"

    def __init__(self) -> None:
        super().__init__("The PIN block cannot be opened.")
