"""A code drawn: Code 128 for lasers, QR for cameras (PC-9)."""

from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import segno
import zxingcpp

from obverse.sandbox.phone.emv import payload

_MODULE: Final = 4
"""Pixels of the narrowest bar, and of a QR module's side."""
_WHITE: Final = 255


@dataclass(frozen=True, slots=True, repr=False)
class Picture:
    """A drawing as a page shows it (`svg`) and as light leaves the screen: a byte for each pixel, by rows."""

    svg: str
    width: int
    height: int
    pixels: bytes


def barcode(digits: str) -> Picture:
    """The digits as Code 128: pairs of them in one symbol, so that nineteen fit across a phone."""
    drawn = zxingcpp.create_barcode(digits, zxingcpp.BarcodeFormat.Code128)
    image: Any = zxingcpp.write_barcode_to_image(drawn, scale=_MODULE)
    pixels = memoryview(image)
    height, width = pixels.shape or (0, 0)
    return Picture(zxingcpp.write_barcode_to_svg(drawn, scale=_MODULE), width, height, bytes(pixels))


def qr_code(digits: str) -> Picture:
    """The same digits in EMVCo's payload as a QR code that survives a scratched screen (level M)."""
    drawn = segno.make_qr(payload(digits), error="m")
    svg = BytesIO()
    drawn.save(svg, kind="svg", scale=_MODULE)
    width, height = drawn.symbol_size(scale=_MODULE)
    rows = drawn.matrix_iter(scale=_MODULE)
    pixels = b"".join(bytes(0 if dark else _WHITE for dark in row) for row in rows)
    return Picture(svg.getvalue().decode(), int(width), int(height), pixels)
