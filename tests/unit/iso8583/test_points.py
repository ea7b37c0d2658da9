"""DE 63: two readings of the same documented bytes, ours and the sandbox till's, and whatever may come."""

import json
import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.factories.iso8583 import purchase

from obverse.authorization.model import Decline, Tender
from obverse.networks.iso8583 import FormatError, decode, encode
from obverse.networks.iso8583.messages import PaymentMessage, parse
from obverse.networks.iso8583.points import (
    AccountShown,
    PartKind,
    PartShown,
    Picked,
    read_picked,
    write_accounts,
    write_parts,
    write_reason,
)
from obverse.points.model import Rate
from obverse.sandbox.errors import BrokenFrame
from obverse.sandbox.terminal.points import Account, Part, Pick, PointsField, picks_field, read_points

ROOT = Path(__file__).parents[3]
VECTORS = {
    vector["name"]: vector["fields"]
    for vector in json.loads((ROOT / "tests" / "vectors" / "iso8583.json").read_text())
}
QUOTE = "7Q2KMX4TZ9AB"
ACCOUNTS = [
    AccountShown(1, "SKY", "miles", 20_000, 10_000, Rate(2, 1)),
    AccountShown(2, "COFFEE", "stamps", 340, 3_400, Rate(1, 10)),
    AccountShown(3, "BOOKS", "points", None, None, Rate(1, 1), "slow"),
]
PARTS = [
    PartShown(PartKind.POINTS, 5_000, "S00017", "SKY", "miles", 10_000, Rate(2, 1)),
    PartShown(PartKind.POINTS, 3_400, "8841", "COFFEE", "stamps", 340, Rate(1, 10)),
    PartShown(PartKind.CARD, 25_600, "C77001"),
]

TEXTS = st.text(max_size=20)
UNITS = st.none() | st.integers(0, 2**63 - 1)
RATES = st.builds(Rate, st.integers(1, 2**63 - 1), st.integers(1, 2**63 - 1))
LONG_PARTS = st.builds(
    PartShown,
    st.just(PartKind.POINTS),
    st.integers(10**11, 10**12 - 1),
    st.text(min_size=12),
    st.text(min_size=12),
    st.text(min_size=12),
    st.integers(10**14, 2**63 - 1),
    RATES,
)
PICKS = st.builds(Pick, st.integers(1, 99), st.none() | st.integers(1, 10**12 - 1))


def test_golden_accounts_are_written_by_us_and_read_by_the_till() -> None:
    text = VECTORS["points shown"]["63"]
    assert write_accounts(QUOTE, ACCOUNTS) == text
    assert read_points(text) == PointsField(
        QUOTE,
        accounts=[
            Account(1, "SKY", "miles", 20_000, 10_000, "2", ""),
            Account(2, "COFFEE", "stamps", 340, 3_400, "1/10", ""),
            Account(3, "BOOKS", "points", None, None, "1", "slow"),
        ],
        parts=[],
    )


def test_golden_picks_are_written_by_the_till_and_read_by_us() -> None:
    text = VECTORS["points picked"]["63"]
    assert picks_field([Pick(1, 5_000), Pick(2)], QUOTE) == text
    assert read_picked({"63": text}) == Picked((Tender(5_000, number=1), Tender(None, number=2)), QUOTE)


def test_golden_parts_are_written_by_us_and_read_by_the_till() -> None:
    text = VECTORS["a payment in three parts"]["63"]
    assert write_parts(PARTS) == text
    assert read_points(text).parts == [
        Part("P", "SKY", "miles", 10_000, 5_000, "2", "S00017"),
        Part("P", "COFFEE", "stamps", 340, 3_400, "1/10", "8841"),
        Part("C", "", "", None, 25_600, "", "C77001"),
    ]


def test_a_golden_reason_is_written_by_us_and_read_by_the_till() -> None:
    text = VECTORS["a quote that is over"]["63"]
    assert write_reason(Decline.QUOTE_EXPIRED) == text
    assert read_points(text).reason == "quote_expired"


def test_every_example_of_the_page_is_a_golden_one() -> None:
    page = (ROOT / "docs" / "messages" / "points.md").read_text()
    shown = re.findall(r"^DE 63 (.+)$", page, re.MULTILINE)
    assert shown == [fields["63"] for fields in VECTORS.values() if "63" in fields]
    assert VECTORS["points shown"]["54"] in page


@given(st.lists(PICKS, max_size=10), st.none() | st.just(QUOTE))
def test_whatever_a_till_picks_is_read_as_it_was_meant(picks: list[Pick], quote: str | None) -> None:
    field = {"63": text} if (text := picks_field(picks, quote)) else {}
    message = parse(encode(purchase() | field))
    assert isinstance(message, PaymentMessage)
    assert message.picked == Picked(
        tuple(Tender(pick.amount_minor, number=pick.number) for pick in picks), quote
    )


@given(st.lists(st.builds(AccountShown, st.integers(1, 99), TEXTS, TEXTS, UNITS, UNITS, st.none() | RATES)))
def test_whatever_issuers_call_themselves_a_till_can_show_it(accounts: list[AccountShown]) -> None:
    accounts = accounts[:10]
    text = write_accounts(QUOTE, accounts)
    assert len(text) <= 999
    sent = encode(purchase() | {"63": text})
    shown = read_points(decode(sent)["63"]).accounts
    assert [each.number for each in shown] == [each.number for each in accounts]
    for told, given_ in zip(shown, accounts, strict=True):
        assert told.rate in ("", str(given_.rate))
        assert told.units == (None if given_.units is None else min(given_.units, 10**15 - 1))


@given(st.lists(LONG_PARTS, min_size=10, max_size=10))
def test_ten_parts_at_their_longest_fit_into_one_field(parts: list[PartShown]) -> None:
    text = write_parts(parts)
    assert len(text) <= 999
    read = read_points(decode(encode(purchase() | {"63": text}))["63"]).parts
    assert [part.amount_minor for part in read] == [part.amount_minor for part in parts]


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "03",
        "03x61|5000",
        "03991|5000",
        "0305|5000",
        "03060|5000",
        "03041|-5",
        "03031|0",
        "03051|ALL",
        "03161|1000000000000",
        "0307100|500",
        "01047Q2K",
        "0112" + "a" * 12,
        "0112" + QUOTE + "0112" + QUOTE,
        "0513quote_expired",
        "0418C||||25600||C77001",
        "99000",
        "0300",
    ],
    ids=[
        "half a tag", "no length", "a length in letters", "cut short", "no number", "number nought",
        "less than nothing", "nothing", "all in capitals", "more than DE 4 can say", "number 100",
        "a short quote", "a quote in small letters", "two quotes", "a reason", "a part", "another tag",
        "an empty pick",
    ],
)  # fmt: skip
def test_p15_what_is_no_pick_is_refused_by_its_field(text: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse(encode(purchase() | {"63": text}))
    assert caught.value.field == "63"


@given(st.text(st.characters(min_codepoint=0, max_codepoint=127), max_size=999))
def test_p15_any_bytes_are_picks_or_a_format_error_to_us_and_a_broken_frame_to_the_till(text: str) -> None:
    with suppress(FormatError):
        read_picked({"63": text})
    with suppress(BrokenFrame):
        read_points(text)


def test_only_purchases_pick_so_another_use_of_the_field_elsewhere_stays_ignored() -> None:
    message = parse(encode(purchase(DE3="310000", DE4="000000000000") | {"63": "whatever"}))
    assert isinstance(message, PaymentMessage)
    assert message.picked == Picked()


@pytest.mark.parametrize(
    "decline",
    [
        Decline.UNKNOWN_CODE,
        Decline.CODE_USED,
        Decline.CODE_EXPIRED,
        Decline.TOO_MANY_GUESSES,
        Decline.UNKNOWN_CARD,
        Decline.WRONG_DETAILS,
        None,
    ],
)
def test_p17_no_reason_is_given_to_a_guess(decline: Decline | None) -> None:
    assert write_reason(decline) == ""
