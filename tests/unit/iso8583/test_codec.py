"""The short cut through the codec and pyiso8583, which is the reference, never disagree."""

import iso8583
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from iso8583.specs import default_ascii
from tests.factories.iso8583 import echo_test, purchase, reversal

from obverse.networks.iso8583 import FormatError, codec

ASCII = st.characters(min_codepoint=0, max_codepoint=127)


def _values(number: str) -> st.SearchStrategy[str]:
    spec = default_ascii[number]
    shortest = 0 if spec["len_type"] else spec["max_len"]
    return st.text(ASCII, min_size=shortest, max_size=spec["max_len"])


@st.composite
def messages(draw: st.DrawFn) -> dict[str, str]:
    """Any message of the specification: any fields, any ASCII in them."""
    numbers = draw(st.sets(st.integers(2, 128).filter(lambda n: n != 65), max_size=12))
    return {"t": draw(st.text(ASCII, min_size=4, max_size=4))} | {
        str(n): draw(_values(str(n))) for n in sorted(numbers)
    }


def _reference_decode(raw: bytes) -> dict[str, str] | str:
    """The fields, or the number of the field that is wrong."""
    try:
        fields, _ = iso8583.decode(raw, default_ascii)
    except iso8583.DecodeError as error:
        return error.field
    except KeyError:
        return "65"
    return {number: value for number, value in fields.items() if number not in ("p", "1")}


def _reference_encode(fields: dict[str, str]) -> bytes | str:
    try:
        return bytes(iso8583.encode(dict(fields), default_ascii)[0])
    except iso8583.EncodeError as error:
        return error.field


@given(messages())
@settings(max_examples=400)
def test_every_message_is_written_and_read_as_the_reference_does_it(fields: dict[str, str]) -> None:
    raw = codec.encode(fields)
    assert raw == _reference_encode(fields)
    assert codec.decode(raw) == _reference_decode(raw) == fields


@given(messages(), st.data())
@settings(max_examples=400)
def test_every_misfit_field_is_named_as_the_reference_names_it(
    fields: dict[str, str], data: st.DataObject
) -> None:
    number = data.draw(st.sampled_from(sorted(fields)))
    fields[number] = data.draw(st.text(max_size=1100))
    expected = _reference_encode(fields)
    if isinstance(expected, bytes):
        assert codec.encode(fields) == expected
    else:
        with pytest.raises(FormatError) as caught:
            codec.encode(fields)
        assert caught.value.field == expected


@given(messages(), st.data())
@settings(max_examples=600)
def test_bent_messages_are_taken_or_refused_as_the_reference_does(
    fields: dict[str, str], data: st.DataObject
) -> None:
    raw = bytearray(codec.encode(fields))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    _assert_agrees(bytes(raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw))


@given(st.binary(max_size=300))
@settings(max_examples=400)
def test_noise_is_refused_as_the_reference_does(raw: bytes) -> None:
    _assert_agrees(raw)


def _assert_agrees(raw: bytes) -> None:
    expected = _reference_decode(raw)
    if isinstance(expected, dict):
        assert codec.decode(raw) == expected
    else:
        with pytest.raises(FormatError) as caught:
            codec.decode(raw)
        assert caught.value.field == expected


@pytest.mark.parametrize(
    "fields",
    [purchase(), reversal(purchase()), echo_test()],
    ids=["payment", "reversal", "network"],
)
def test_ordinary_messages_take_the_short_cut(fields: dict[str, str]) -> None:
    raw = codec._encode_ordinary(fields)
    assert raw is not None
    assert codec._decode_ordinary(raw) == fields


def test_an_error_keeps_nothing_of_the_message_but_its_matching_fields() -> None:
    raw = codec.encode(purchase()).replace(b"9203123", b"92031\xff3")
    with pytest.raises(FormatError) as caught:
        codec.decode(raw)
    error = caught.value
    assert error.mti == "0100"
    assert set(error.matching) == {"7", "11", "32", "37", "41"}
    assert error.__cause__ is None
    assert error.__context__ is None
    assert "9410121234567893" not in repr(vars(error)) + str(error)
