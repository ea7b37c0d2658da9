"""What a phone draws is read back from its pixels, and nothing else is taken for a code (PC-9)."""

import pytest
import segno
from hypothesis import given, settings
from hypothesis import strategies as st

from obverse.sandbox.phone import NothingSeen, Picture, Scanner
from obverse.sandbox.phone.emv import digits, payload
from obverse.sandbox.phone.pictures import barcode, qr_code


@settings(max_examples=20)
@given(st.from_regex("[0-9]{19}", fullmatch=True))
def test_bars_and_square_of_one_code_are_read_as_the_same_digits(code: str) -> None:
    scanner = Scanner()
    assert scanner.read(barcode(code)) == code
    assert scanner.read(qr_code(code)) == payload(code)
    assert scanner.digits(qr_code(code)) == scanner.digits(barcode(code)) == digits(payload(code)) == code


def a_square(text: str) -> Picture:
    drawn = segno.make_qr(text)
    width, height = drawn.symbol_size(scale=4)
    pixels = b"".join(bytes(0 if dark else 255 for dark in row) for row in drawn.matrix_iter(scale=4))
    return Picture("", int(width), int(height), pixels)


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(Picture("", 200, 100, bytes([255]) * 20_000), id="a screen that is off"),
        pytest.param(a_square("https://pay.example"), id="a link"),
        pytest.param(a_square(payload("9410121234567890123")[4:]), id="half a payload"),
    ],
)
def test_a_till_takes_nothing_else_for_a_code(picture: Picture) -> None:
    with pytest.raises(NothingSeen):
        Scanner().digits(picture)
