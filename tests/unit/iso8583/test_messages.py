"""What is read out of a request, and what its answer carries."""

from datetime import UTC, datetime

import pytest
from tests.factories.iso8583 import NUMBER, capture, echo_test, purchase, reversal

from obverse.authorization.model import Entry, Purpose
from obverse.kit.money import KRW, Money
from obverse.kit.secret import Secret
from obverse.networks.iso8583 import FormatError, decode, encode
from obverse.networks.iso8583.additional import subelements, write_subelements
from obverse.networks.iso8583.messages import (
    CaptureMessage,
    NetworkMessage,
    PaymentMessage,
    ReportMessage,
    ReversalMessage,
    answer,
    parse,
    refusal,
)
from obverse.networks.iso8583.origins import year_of

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEY = "iso:20261120093000:000001:941000:TERM0001:000000000001"


def test_a_payment_is_read() -> None:
    message = parse(encode(purchase()))
    assert isinstance(message, PaymentMessage)
    assert message.number == Secret(NUMBER)
    assert message.cvv == Secret("123")
    assert message.expiry == "2911"
    assert message.amount == Money(34_000, KRW)
    assert message.entry is Entry.ONLINE
    assert not message.capture
    assert message.origin.request_key(NOON) == KEY


def test_a_message_never_shows_its_number() -> None:
    assert NUMBER not in repr(parse(encode(purchase())))


def test_what_a_card_may_lack_may_be_absent() -> None:
    message = parse(encode(purchase(DE14=None, DE48=None, DE22=None, DE37=None, DE12=None)))
    assert isinstance(message, PaymentMessage)
    assert (message.expiry, message.cvv, message.entry) == (None, None, Entry.TYPED)
    assert message.origin.request_key(NOON).endswith(":TERM0001:")


@pytest.mark.parametrize(
    ("mti", "captured"),
    [
        ("0100", False),
        ("0101", False),
        ("0120", False),
        ("0121", False),
        ("0200", True),
        ("0201", True),
    ],
)
def test_the_message_type_says_whether_to_capture(mti: str, captured: bool) -> None:
    message = parse(encode(purchase(mti)))
    assert isinstance(message, PaymentMessage)
    assert message.capture is captured


@pytest.mark.parametrize(
    ("code", "entry"),
    [
        ("010", Entry.TYPED),
        ("020", Entry.SWIPE),
        ("901", Entry.SWIPE),
        ("030", Entry.BARCODE),
        ("051", Entry.CHIP),
        ("071", Entry.CONTACTLESS),
        ("810", Entry.ONLINE),
        ("100", Entry.ONLINE),
        ("000", Entry.TYPED),
        ("zzz", Entry.TYPED),
    ],
)
def test_the_entry_mode_tells_how_the_number_was_read(code: str, entry: Entry) -> None:
    message = parse(encode(purchase(DE22=code)))
    assert isinstance(message, PaymentMessage)
    assert message.entry is entry


@pytest.mark.parametrize("mti", ["0400", "0401", "0420", "0421"])
def test_a_reversal_names_the_request_key_of_its_original(mti: str) -> None:
    message = parse(encode(reversal(purchase(), mti)))
    assert isinstance(message, ReversalMessage)
    assert message.original.request_key(NOON) == KEY


@pytest.mark.parametrize("mti", ["0220", "0221"])
def test_a_capture_names_the_request_key_of_its_original(mti: str) -> None:
    message = parse(encode(capture(purchase(), mti, DE4="000000010000")))
    assert isinstance(message, CaptureMessage)
    assert message.original.request_key(NOON) == KEY
    assert message.amount.amount_minor == 10_000


@pytest.mark.parametrize(
    ("mti", "code", "purpose", "capture"),
    [
        ("0100", "310000", Purpose.INQUIRY, False),
        ("0101", "313000", Purpose.INQUIRY, False),
        ("0200", "310000", Purpose.INQUIRY, False),
        ("0200", "210000", Purpose.LOAD, True),
        ("0201", "280000", Purpose.ACTIVATION, True),
        ("0200", "003000", Purpose.PURCHASE, True),
    ],
)
def test_the_processing_code_says_what_is_wanted(
    mti: str, code: str, purpose: Purpose, capture: bool
) -> None:
    amount = "000000000000" if purpose is Purpose.INQUIRY else "000000034000"
    message = parse(encode(purchase(mti, DE3=code, DE4=amount)))
    assert isinstance(message, PaymentMessage)
    assert (message.purpose, message.capture) == (purpose, capture)


@pytest.mark.parametrize(
    ("mti", "code", "amount", "field"),
    [
        ("0100", "210000", "000000010000", "3"),
        ("0100", "280000", "000000010000", "3"),
        ("0120", "310000", "000000000000", "3"),
        ("0220", "210000", "000000010000", "3"),
        ("0100", "310000", "000000010000", "4"),
    ],
    ids=["cash, only asked", "a sale, only asked", "a question as advice", "cash as advice", "a price"],
)
def test_what_cannot_be_wanted_like_this_is_refused(mti: str, code: str, amount: str, field: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse(encode(purchase(mti, DE3=code, DE4=amount, DE38="VAN123")))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("abilities", "partial"),
    [
        ("000000000001", True),
        ("000000000003", True),
        ("000000000002", False),
        ("000000000000", False),
        ("000017", False),
        (None, False),
    ],
    ids=["yes", "yes, an estimate", "an estimate", "no", "a batch number", "silent"],
)
def test_a_terminal_says_whether_it_can_take_less(abilities: str | None, partial: bool) -> None:
    message = parse(encode(purchase() | ({"60": abilities} if abilities else {})))
    assert isinstance(message, PaymentMessage)
    assert message.partial is partial


def test_an_advice_without_an_original_reports_what_somebody_else_decided() -> None:
    message = parse(encode(purchase("0220", DE38="VAN123", DE39="00")))
    assert isinstance(message, ReportMessage)
    assert (message.approval_code, message.amount.amount_minor) == ("VAN123", 34_000)
    assert message.origin.request_key(NOON) == KEY


def test_an_advice_with_an_original_is_a_completion_whatever_else_it_has() -> None:
    assert isinstance(parse(encode(capture(purchase(), DE38="VAN123"))), CaptureMessage)


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"DE38": None}, "38"), ({"DE38": "      "}, "38"), ({"DE39": "05"}, "39")],
    ids=["no code of theirs", "a blank one", "they declined"],
)
def test_a_report_that_says_too_little_is_refused(changes: dict[str, str | None], field: str) -> None:
    given = {"DE38": "VAN123"} | changes
    fields = purchase("0220") | {name[2:]: value for name, value in given.items() if value is not None}
    with pytest.raises(FormatError) as caught:
        parse(encode(fields))
    assert caught.value.field == field


def test_a_reversal_of_a_repeat_finds_the_first_request() -> None:
    message = parse(encode(reversal(purchase("0101"))))
    assert isinstance(message, ReversalMessage)
    assert message.original.request_key(NOON) == KEY


def test_a_network_message_is_read() -> None:
    message = parse(encode(echo_test()))
    assert isinstance(message, NetworkMessage)
    assert message.network_code == "301"


@pytest.mark.parametrize("number", ["2", "3", "4", "7", "11", "32", "41", "42", "49"])
def test_a_payment_without_a_mandatory_field_is_refused_by_its_number(number: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse(encode(purchase(**{f"DE{number}": None})))
    assert caught.value.field == number


@pytest.mark.parametrize("number", ["2", "4", "7", "11", "32", "41", "42", "49", "90"])
def test_a_reversal_without_a_mandatory_field_is_refused_by_its_number(number: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse(encode(reversal(purchase(), **{f"DE{number}": None})))
    assert caught.value.field == number


@pytest.mark.parametrize(
    ("number", "value"),
    [
        ("2", "94101212345"),
        ("2", "9410ABCDEFGH"),
        ("3", "990000"),
        ("3", "210000"),
        ("3", "280000"),
        ("4", "00000003400 "),
        ("4", "-00000034000"),
        ("7", "11200930 0"),
        ("11", "A00001"),
        ("14", "29/1"),
        ("32", ""),
        ("37", "000000\x0000001"),
        ("41", "        "),
        ("41", "TERM\x0000 "),
        ("42", " " * 15),
        ("48", "92"),
        ("48", "9204123"),
        ("48", "92xx123"),
        ("48", "92031239203123"),
        ("49", "000"),
        ("49", "KRW"),
    ],
)
def test_a_malformed_field_is_refused_by_its_number(number: str, value: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse(encode(purchase(**{f"DE{number}": value.ljust(10, "0") if number == "7" else value})))
    assert caught.value.field == number
    assert caught.value.matching.get("11") is not None


@pytest.mark.parametrize(
    ("transmitted_at", "now", "year"),
    [
        ("1120093000", "2026-11-20 09:30:01", 2026),
        ("1231235959", "2026-12-31 23:59:59", 2026),
        ("1231235959", "2027-01-01 00:00:01", 2026),
        ("0101000000", "2026-12-31 23:59:59", 2027),
        ("0101000000", "2027-01-01 00:00:00", 2027),
        ("1201000000", "2027-03-01 00:00:00", 2026),
        ("0522000000", "2026-11-19 00:00:00", 2026),
        ("0515000000", "2026-11-20 00:00:00", 2027),
        ("0229120000", "2027-11-01 00:00:00", 2028),
        ("0229120000", "2028-02-29 12:00:00", 2028),
    ],
    ids=[
        "now",
        "just before midnight",
        "sent last year",
        "sent by a clock ahead",
        "midnight",
        "months ago",
        "half a year ago",
        "more than half a year ago is next year",
        "leap day, next year",
        "leap day",
    ],
)
def test_the_year_is_the_one_that_puts_the_time_nearest(transmitted_at: str, now: str, year: int) -> None:
    assert year_of(transmitted_at, datetime.fromisoformat(now).replace(tzinfo=UTC)) == year


@pytest.mark.parametrize(
    "transmitted_at", ["0229120000", "1301000000", "0001000000", "1120246000", "1120093060"]
)
def test_a_time_that_does_not_exist_is_refused(transmitted_at: str) -> None:
    with pytest.raises(FormatError):
        year_of(transmitted_at, datetime(2026, 11, 20, tzinfo=UTC))


def test_a_repeat_after_new_year_has_the_same_key() -> None:
    message = parse(encode(purchase(DE7="1231235959")))
    assert isinstance(message, PaymentMessage)
    before = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    after = datetime(2027, 1, 1, 0, 2, tzinfo=UTC)
    assert message.origin.request_key(before) == message.origin.request_key(after)


def test_an_answer_echoes_what_the_sender_matches_by() -> None:
    request = purchase("0101")
    fields = decode(answer(request, "00", "A1B2C3"))
    assert fields.pop("t") == "0110"
    assert (fields.pop("38"), fields.pop("39")) == ("A1B2C3", "00")
    echoed = {"2", "3", "4", "7", "11", "12", "13", "32", "37", "41", "42", "49"}
    assert fields == {number: request[number] for number in echoed}


def test_what_an_answer_says_by_itself_takes_the_place_of_what_it_would_repeat() -> None:
    fields = decode(answer(purchase(), "10", "A1B2C3", {"4": "000000010000", "54": "0002410C000000000000"}))
    assert (fields["4"], fields["54"], fields["38"]) == ("000000010000", "0002410C000000000000", "A1B2C3")


@pytest.mark.parametrize(
    ("request_mti", "answer_mti"),
    [
        ("0100", "0110"),
        ("0101", "0110"),
        ("0121", "0130"),
        ("0201", "0210"),
        ("0221", "0230"),
        ("0401", "0410"),
        ("0421", "0430"),
        ("0800", "0810"),
    ],
)
def test_answers_have_the_type_of_their_request(request_mti: str, answer_mti: str) -> None:
    assert decode(answer(purchase(request_mti), "00"))["t"] == answer_mti


@pytest.mark.parametrize(
    ("mti", "matching", "answered"),
    [
        ("0100", {"7": "1120093000", "11": "000001"}, True),
        ("0300", {"7": "1120093000", "11": "000001"}, True),
        ("0100", {"7": "1120093000"}, False),
        ("0110", {"7": "1120093000", "11": "000001"}, False),
        ("", {}, False),
        ("01zz", {"7": "1120093000", "11": "000001"}, False),
    ],
    ids=["request", "another class", "no trace number", "an answer", "nothing", "no type"],
)
def test_a_format_error_is_answered_only_to_a_known_request(
    mti: str, matching: dict[str, str], answered: bool
) -> None:
    reply = refusal(FormatError("4", mti, matching), "30")
    assert (reply is not None) == answered
    if reply is not None:
        assert decode(reply)["39"] == "30"


def test_additional_data_is_read_as_it_was_written() -> None:
    values = {"92": "123", "61": "900101"}
    assert subelements(write_subelements(values)) == values
