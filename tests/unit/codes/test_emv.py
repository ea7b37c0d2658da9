"""What scanners read: digits, or EMVCo's payload around them; and nothing that is neither (PC-9)."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.codes import digits_of
from obverse.codes.emv import AID, pan_of
from obverse.kit.errors import InvalidRequest
from obverse.sandbox.phone import emv as wallet

CODE = "9410121234567890123"
EXAMPLE = (
    "hQVDUFYwMWETTwegAAAAVVVVUAhQcm9kdWN0MWETTwegAAAAZmZmUAhQcm9kdWN0MmJJWggSNFZ4kBI0WF8gDkNBUkRIT0xERVIvRU1W"
    "Xy0IcnVlc2RlZW5kIZ8QBwYBCgMAAACfJghYT9OF+iNLzJ82AgABnzcEbVjvEw=="
)
"""The example that the specification gives (EMV QRCPS Consumer-Presented Mode)."""

_PAN = "5A0A9410121234567890123F"
_OURS = f"4F08{AID.hex()}"


def payload(*objects: str, begin: str = "85054350563031") -> str:
    return b64encode(bytes.fromhex(begin + "".join(objects))).decode()


def template(tag: str, *objects: str) -> str:
    inner = "".join(objects)
    return f"{tag}{len(inner) // 2:02X}{inner}"


OTHER = template("61", "4F07A0000000555555", "5A081234567890123458")


@given(st.text("0123456789", min_size=12, max_size=19))
def test_what_a_wallet_writes_is_read_back_whatever_the_digits(digits: str) -> None:
    assert digits_of(wallet.payload(digits)).reveal() == digits
    assert digits_of(digits).reveal() == digits


def test_the_example_of_the_specification_is_read_as_it_says() -> None:
    assert pan_of(EXAMPLE, bytes.fromhex("A0000000555555")) == "1234567890123458"


@pytest.mark.parametrize(
    "scanned",
    [
        pytest.param(payload(OTHER, template("61", _OURS, _PAN)), id="another application before ours"),
        pytest.param(payload(template("61", _OURS), template("62", _PAN)), id="the PAN in common"),
        pytest.param(payload(template("6181", _OURS, _PAN)), id="a length in two bytes"),
        pytest.param(payload(template("61", "9F2502012F", _OURS, _PAN)), id="a tag of two bytes"),
    ],
)
def test_our_application_is_found_in_whatever_else_a_wallet_puts_there(scanned: str) -> None:
    assert digits_of(scanned).reveal() == CODE


@pytest.mark.parametrize(
    "scanned",
    [
        pytest.param("", id="nothing"),
        pytest.param("94101212345", id="too few digits"),
        pytest.param("9" * 20, id="too many digits"),
        pytest.param("٩" * 19, id="digits of another script"),
        pytest.param("https://pay.example/941012", id="a link"),
        pytest.param("00020101021229300012D156000000000510A93FO3230Q", id="a merchant's own QR"),
        pytest.param("A" * 513 + "=", id="longer than any QR of a wallet"),
        pytest.param(payload(), id="no application"),
        pytest.param(payload(OTHER), id="another wallet's"),
        pytest.param(EXAMPLE, id="the specification's example, which is not ours"),
        pytest.param(payload(template("61", _OURS, _PAN), begin="85054350563032"), id="another version"),
        pytest.param(payload(template("61", _OURS, _PAN), begin=""), id="no version"),
        pytest.param(payload(template("61", _OURS, _PAN) * 2), id="our application twice"),
        pytest.param(payload(template("61", _OURS, _PAN, _PAN)), id="two PANs"),
        pytest.param(payload(template("61", _OURS, "5A049410121F")), id="a PAN that is too short"),
        pytest.param(payload(template("61", _OURS, "5A0A941012ABCD567890123F")), id="letters in the PAN"),
        pytest.param(payload(template("61", _OURS, "5A0B9410121234567890123FFF")), id="a byte of filling"),
        pytest.param(payload(template("61", _OURS, "5A0A94101212")), id="an object that is cut off"),
        pytest.param(payload("61FF" + _OURS), id="a length that is none"),
        pytest.param(payload("61" + "80" + _OURS), id="an indefinite length"),
        pytest.param(payload("61"), id="a tag without a length"),
        pytest.param(payload("9F"), id="half a tag"),
        pytest.param(wallet.payload(CODE)[:-3], id="base64 that is cut off"),
    ],
)
def test_anything_else_is_refused_and_not_repeated(scanned: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        digits_of(scanned)
    assert refused.value.param == "code"
    assert scanned == "" or scanned not in str(refused.value)


def _broken(noise: bytes, at: int) -> bytes:
    whole = bytes.fromhex("85054350563031" + template("61", _OURS, _PAN))
    return whole[:at] + noise + whole[at:]


HOSTILE = st.one_of(
    st.text(max_size=600),
    st.binary(max_size=400).map(lambda raw: b64encode(raw).decode()),
    st.builds(_broken, st.binary(max_size=60), st.integers(0, 40)).map(lambda raw: b64encode(raw).decode()),
)


@given(HOSTILE)
def test_p15_hostile_readings_are_refused_or_read_and_never_break_anything(scanned: str) -> None:
    try:
        digits = digits_of(scanned).reveal()
    except InvalidRequest:
        return
    assert 12 <= len(digits) <= 19
    assert digits.isdigit()
