"""PIN blocks of both formats: opened under the right key for the right card, else not at all (P11)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.factories.iso8583 import (
    NUMBER,
    PIN_KEY,
    PIN_KEY_AES,
    SECURITY,
    encipher_tdes,
    purchase,
    with_pin,
)

from obverse.kit.errors import CannotStart
from obverse.kit.secret import Secret
from obverse.networks.iso8583 import FormatError, encode
from obverse.networks.iso8583.errors import PinBlockRefused
from obverse.networks.iso8583.messages import PaymentMessage, parse
from obverse.networks.iso8583.pin_blocks import PinBlock, PinFormat, PinKeys

KEYS = PinKeys.checked(Secret(PIN_KEY), Secret(PIN_KEY_AES))
TRIPLE = "0123456789ABCDEFFEDCBA98765432101123456789ABCDEF"


def block_of(message: object) -> PinBlock:
    assert isinstance(message, PaymentMessage)
    assert message.pin_block is not None
    return message.pin_block


@pytest.mark.parametrize("format_", list(PinFormat))
@pytest.mark.parametrize("pin", ["1234", "123456", "000000000000"])
def test_a_pin_comes_out_as_it_was_typed(format_: PinFormat, pin: str) -> None:
    block = block_of(parse(encode(with_pin(purchase(), pin, format_))))
    assert block.format is format_
    assert KEYS.open(block, Secret(NUMBER)) == Secret(pin)


def test_pr12_a_pin_beside_a_real_cards_number_is_its_banks_and_left_alone() -> None:
    ours = PinKeys(Secret(PIN_KEY), own_bin=NUMBER[:6])
    banks = PinBlock(PinFormat.TDES, Secret("0123456789ABCDEF"))
    assert ours.open(banks, Secret("9530101234567896")) is None
    with pytest.raises(PinBlockRefused):
        ours.open(banks, Secret(NUMBER))


@pytest.mark.parametrize(
    ("number", "pin", "text"),
    [
        ("5544332211009966", "1234", "041277CDDEEFF669"),
        ("43219876543210987", "1234", "0412AC89ABCDEF67"),
    ],
)
def test_clear_blocks_of_format_0_as_others_print_them(number: str, pin: str, text: str) -> None:
    enciphered = encipher_tdes(bytes.fromhex(TRIPLE), bytes.fromhex(text))
    block = PinBlock(PinFormat.TDES, Secret(enciphered.hex()))
    assert PinKeys(tdes=Secret(TRIPLE)).open(block, Secret(number)) == Secret(pin)


def test_format_4_of_the_librarys_example() -> None:
    block = PinBlock(PinFormat.AES, Secret("E4BE5B623AF7E006AC319E5B93544564"))
    keys = PinKeys(aes=Secret("00112233445566778899AABBCCDDEEFF"))
    assert keys.open(block, Secret("1234567890123456")) == Secret("1234")


@pytest.mark.parametrize("format_", list(PinFormat))
@pytest.mark.parametrize(
    ("keys", "number"),
    [
        (PinKeys(Secret("FEDCBA98765432100123456789ABCDEF"), Secret("FF" * 16)), NUMBER),
        (KEYS, "9410129876543210"),
        (PinKeys(), NUMBER),
    ],
    ids=["another key", "another card", "no key"],
)
def test_what_does_not_open_is_refused_without_a_word_of_what_it_held(
    format_: PinFormat, keys: PinKeys, number: str
) -> None:
    block = block_of(parse(encode(with_pin(purchase(), "1234", format_))))
    with pytest.raises(PinBlockRefused) as caught:
        keys.open(block, Secret(number))
    assert caught.value.__context__ is None
    assert "1234" not in repr(caught.value)


@given(st.binary(min_size=8, max_size=8), st.binary(min_size=16, max_size=16))
def test_p15_any_block_opens_to_digits_or_is_refused(short: bytes, long: bytes) -> None:
    for format_, raw in ((PinFormat.TDES, short), (PinFormat.AES, long)):
        try:
            pin = KEYS.open(PinBlock(format_, Secret(raw.hex())), Secret(NUMBER))
        except PinBlockRefused:
            continue
        assert pin.reveal().isdecimal()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"53": None}, "53"),
        ({"53": "0000000000000000"}, "53"),
        ({"53": SECURITY[PinFormat.AES]}, "53"),
        ({"52": "0123456789ABCDEX"}, "52"),
        ({"52": None, "110": "00" * 16}, "53"),
        ({"110": "00" * 16}, "53"),
        ({"52": None, "53": SECURITY[PinFormat.AES], "110": "00" * 15}, "110"),
        ({"52": None, "53": SECURITY[PinFormat.AES], "110": "xx" * 16}, "110"),
    ],
    ids=[
        "not announced", "announced as nothing", "announced as the other", "no hexadecimal digits",
        "in the wrong field", "twice", "too short", "long, and no digits",
    ],
)  # fmt: skip
def test_a_block_that_is_none_is_refused_by_its_field(changes: dict[str, str | None], field: str) -> None:
    fields = {k: v for k, v in {**with_pin(purchase(), "1234"), **changes}.items() if v is not None}
    with pytest.raises(FormatError) as caught:
        parse(encode(fields))
    assert caught.value.field == field


@pytest.mark.parametrize("key", ["", "0123", "xx" * 16, "00" * 20], ids=["empty", "short", "letters", "odd"])
def test_a_key_that_is_none_is_one_clear_line(key: str) -> None:
    with pytest.raises(CannotStart, match=r"^OBVERSE_PIN_KEY is wrong: .*32 or 48 hexadecimal digits\.$"):
        PinKeys.checked(Secret(key), None)
    with pytest.raises(CannotStart, match="OBVERSE_PIN_KEY_AES"):
        PinKeys.checked(None, Secret(key))
