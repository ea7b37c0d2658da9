"""The sandbox's own reading of ISO 8583."""

import asyncio
import traceback

import pytest
from tests.factories.sandbox import CARD_NUMBER, a_payment, a_reversal

from obverse.sandbox.errors import BrokenFrame
from obverse.sandbox.wire import (
    Frame,
    answer_to,
    belongs,
    is_answer,
    key_of,
    original_key,
    parse,
    read_additional_data,
    read_frame,
    same_request,
    to_bytes,
)

TPDU = bytes.fromhex("6000018002")


async def read(raw: bytes) -> Frame | None:
    reader = asyncio.StreamReader()
    reader.feed_data(raw)
    reader.feed_eof()
    return await read_frame(reader)


@pytest.mark.parametrize("tpdu", [b"", TPDU], ids=["without TPDU", "with TPDU"])
async def test_what_is_written_is_read_again(tpdu: bytes) -> None:
    frame = Frame(a_payment(), tpdu)
    assert await read(to_bytes(frame)) == frame


async def test_an_end_between_two_messages_is_no_error() -> None:
    assert await read(b"") is None


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00",
        b"\x00\x00",
        b"\xff\xff" + b"0" * 100,
        b"\x00\x20" + b"0100",
        b"\x00\x04" + b"0100",
        b"\x00\x14" + b"0100" + b"Z" * 16,
        to_bytes(Frame(a_payment()))[:-1],
    ],
    ids=["half a length", "no length", "too long", "half a message", "no bitmap", "bad bitmap", "one short"],
)
async def test_anything_else_is_a_broken_frame(raw: bytes) -> None:
    with pytest.raises(BrokenFrame):
        await read(raw)


def test_p11_the_complaint_about_a_broken_message_does_not_carry_it() -> None:
    raw = to_bytes(Frame(a_payment()))[2:] + b"tail"
    with pytest.raises(BrokenFrame) as caught:
        parse(raw)
    assert CARD_NUMBER not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(BrokenFrame) as caught:
        to_bytes(Frame(a_payment(**{"41": "too long a terminal"})))
    assert CARD_NUMBER not in "".join(traceback.format_exception(caught.value))


def test_an_answer_echoes_the_trace_and_swaps_the_addresses() -> None:
    answer = answer_to(Frame(a_payment(), TPDU), "00", {"38": "ABC123"})
    assert answer.tpdu.hex() == "6080020001"
    assert (answer.message["t"], answer.message["39"], answer.message["38"]) == ("0110", "00", "ABC123")
    assert key_of(answer.message) == key_of(a_payment())
    assert belongs(answer.message, a_payment())
    assert is_answer(answer.message)
    assert not {"14", "48"} & answer.message.keys()


def test_an_answer_about_another_card_does_not_belong() -> None:
    answer = answer_to(Frame(a_payment()), "00").message
    assert not belongs(answer, a_payment(**{"2": "9410121234567893"}))
    assert not belongs(answer, a_payment(**{"4": "000000000001"}))


def test_a_repeat_is_the_same_request_and_another_amount_is_not() -> None:
    assert same_request(a_payment(), a_payment(t="0101"))
    assert not same_request(a_payment(), a_payment(**{"4": "000000000001"}))


def test_a_reversal_names_its_original() -> None:
    assert original_key(a_reversal(a_payment())) == key_of(a_payment())
    assert original_key(a_payment()) is None
    assert original_key(a_reversal(a_payment()) | {"90": "x" * 42}) is None


@pytest.mark.parametrize("text", ["9", "92", "9203", "920312", "92xx123", "921"])
def test_additional_data_whose_lengths_do_not_add_up_is_refused(text: str) -> None:
    assert read_additional_data(text) is None
