"""Cutting a stream into messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.networks.iso8583 import MESSAGE_BYTES_MAX, Frame, FrameReader, FramingError, frame

BODIES = st.lists(st.binary(min_size=1, max_size=200).filter(lambda body: body[0] != 0x60), max_size=6)


def _read_all(reader: FrameReader) -> list[Frame]:
    return list(iter(reader.next_frame, None))


@given(BODIES, st.data())
def test_messages_come_out_whole_however_the_stream_is_torn(bodies: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(frame(body) for body in bodies)
    reader = FrameReader()
    found: list[Frame] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        reader.feed(stream[:size])
        stream = stream[size:]
        found += _read_all(reader)
    assert found == [Frame(body, b"") for body in bodies]
    assert not reader.waiting


def test_a_transport_header_is_answered_with_its_addresses_swapped() -> None:
    reader = FrameReader()
    reader.feed(frame(b"0800", tpdu=bytes.fromhex("6000030001")))
    assert reader.next_frame() == Frame(b"0800", bytes.fromhex("6000010003"))


@pytest.mark.parametrize(
    "stream",
    [b"\xff\xff", b"\x10\x01", b"\x00\x00", b"\x00\x03\x60\x00\x01"],
    ids=["65535", "one too many", "empty", "half a transport header"],
)
def test_a_length_that_no_message_has_is_refused(stream: bytes) -> None:
    reader = FrameReader()
    reader.feed(stream)
    with pytest.raises(FramingError):
        reader.next_frame()


def test_the_longest_message_is_taken() -> None:
    reader = FrameReader()
    body = b"0" * MESSAGE_BYTES_MAX
    reader.feed(frame(body))
    assert reader.next_frame() == Frame(body, b"")


def test_part_of_a_message_is_waited_for() -> None:
    reader = FrameReader()
    reader.feed(frame(b"0800")[:3])
    assert reader.next_frame() is None
    assert reader.waiting
