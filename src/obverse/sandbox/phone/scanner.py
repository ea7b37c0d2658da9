"""A scanner: a laser at a till, or the webcam of a PC (PC-5, PC-6). It sees pixels and nothing else."""

import zxingcpp

from obverse.sandbox.errors import SandboxError
from obverse.sandbox.phone import emv
from obverse.sandbox.phone.pictures import Picture


class NothingSeen(SandboxError):
    """There is no code in the picture that could be read."""

    def __init__(self) -> None:
        super().__init__("Nothing was read. Hold the phone closer.")


class Scanner:
    """Reads Code 128 and QR codes, whichever comes by."""

    def read(self, picture: Picture) -> str:
        """What is written in the code, as a scanner types it. Raises `NothingSeen`."""
        seen = memoryview(picture.pixels).cast("B", (picture.height, picture.width))
        found = zxingcpp.read_barcodes(seen)
        if len(found) != 1:
            raise NothingSeen
        return found[0].text

    def digits(self, picture: Picture) -> str:
        """The digits of the payment code, as a till sends them. Raises `NothingSeen`."""
        text = self.read(picture)
        if text.isdigit():
            return text
        try:
            return emv.digits(text)
        except ValueError:
            raise NothingSeen from None
