"""PP-1: what may be ordered, and what a line that may not is told."""

import random
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace
from tests.factories.orders import a_buyer, a_gift
from tests.factories.programmes import some_terms

from obverse.cards.pin_rules import is_weak
from obverse.kit.errors import InvalidRequest, ObverseError
from obverse.kit.ids import ProgrammeId
from obverse.kit.money import KRW, CurrencyCode, Money
from obverse.kit.secret import Secret
from obverse.orders import Line, NotGiftable, ProgrammeNotSold
from obverse.orders.rules import checked_buyer, checked_gift, drawn_pins, quote
from obverse.programmes import ProgrammeState

EVERYDAY = some_terms()
CLOSED = replace(EVERYDAY, id=ProgrammeId(UUID(int=8)), state=ProgrammeState.CLOSED)
OWN_USE = replace(EVERYDAY, id=ProgrammeId(UUID(int=9)), giftable=False)
DOLLARS = replace(EVERYDAY, id=ProgrammeId(UUID(int=10)), currency=CurrencyCode("USD"))
KNOWN = {each.id: each for each in (EVERYDAY, CLOSED, OWN_USE, DOLLARS)}
SEVEN = replace(EVERYDAY, denominations=(*EVERYDAY.denominations, 200_000))


def line(denomination: int = 5_000, count: int = 1, programme=EVERYDAY, gift=None) -> Line:
    return Line(programme.id, denomination, count, gift)


def test_pp1_a_quote_adds_up() -> None:
    priced = quote([line(5_000, 3), line(10_000, 2)], KNOWN)

    assert (priced.total, priced.pieces) == (Money(35_000, KRW), 5)


def test_pp1_all_six_denominations_99_times_each_can_be_ordered() -> None:
    priced = quote([line(each, 99) for each in EVERYDAY.denominations], KNOWN)

    assert priced.pieces == 594


@pytest.mark.parametrize(
    ("lines", "refusal", "param"),
    [
        pytest.param([], InvalidRequest, "lines", id="nothing"),
        pytest.param([line(count=0)], InvalidRequest, "lines[0].count", id="0 pieces"),
        pytest.param([line(), line(10_000, 100)], InvalidRequest, "lines[1].count", id="100 pieces"),
        pytest.param(
            [line(5_000, 60), line(5_000, 40)], InvalidRequest, "lines[1].count", id="100 in two lines"
        ),
        pytest.param([line(7_000)], InvalidRequest, "lines[0].denomination", id="denomination not sold"),
        pytest.param(
            [line(), line(programme=CLOSED)], ProgrammeNotSold, "lines[1].programme", id="programme closed"
        ),
        pytest.param(
            [Line(ProgrammeId(UUID(int=1)), 5_000, 1)],
            ProgrammeNotSold,
            "lines[0].programme",
            id="no such programme",
        ),
        pytest.param(
            [line(), line(programme=DOLLARS)], ProgrammeNotSold, "lines[1].programme", id="two currencies"
        ),
        pytest.param(
            [line(programme=OWN_USE, gift=a_gift())], NotGiftable, "lines[0].gift", id="not to be given"
        ),
    ],
)
def test_pp1_a_line_that_cannot_be_ordered_is_named(
    lines: list[Line], refusal: type[ObverseError], param: str
) -> None:
    with pytest.raises(refusal) as refused:
        quote(lines, KNOWN)

    assert refused.value.param == param


def test_pp1_a_seventh_denomination_is_too_many() -> None:
    with pytest.raises(InvalidRequest) as refused:
        quote([line(each) for each in SEVEN.denominations], {SEVEN.id: SEVEN})

    assert refused.value.param == "lines[6].denomination"


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        pytest.param({"mail": Secret("nobody")}, "buyer.mail", id="no mail address"),
        pytest.param({"mail": Secret("a@b.example\r\nBcc: c@d.example")}, "buyer.mail", id="two lines"),
        pytest.param({"phone": Secret("12")}, "buyer.phone", id="no phone number"),
        pytest.param({"name": Secret(" ")}, "buyer.name", id="no name"),
        pytest.param({"occupation": Secret("x" * 201)}, "buyer.occupation", id="too long"),
    ],
)
def test_pp2_a_buyer_can_be_reached(changes: dict[str, Secret], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        checked_buyer(a_buyer(**changes))

    assert refused.value.param == param


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        pytest.param({"mail": "@"}, "gift.mail", id="no mail address"),
        pytest.param({"sender": Secret("\u202eevil")}, "gift.sender", id="a name that turns the text around"),
        pytest.param({"message": Secret("x" * 301)}, "gift.message", id="a long message"),
    ],
)
def test_pp3_a_gift_says_to_whom_and_by_whom(changes: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        checked_gift(a_gift(**changes))

    assert refused.value.param == param


def test_pp2_pins_are_drawn_at_random_and_never_weak() -> None:
    drawn = [pin.reveal() for pin in drawn_pins(20_000, random.Random(4).randbytes)]

    assert all(len(pin) == 6 and pin.isdigit() and not is_weak(pin) for pin in drawn)
    assert len(set(drawn)) > 19_500
    firsts = [sum(pin[0] == digit for pin in drawn) for digit in "0123456789"]
    assert 1_800 < min(firsts) <= max(firsts) < 2_200


def test_pp2_a_weak_pin_is_drawn_again() -> None:
    weak, strong = (123_456).to_bytes(4, "big"), (482_913).to_bytes(4, "big")
    drawn = iter([weak, strong])

    (pin,) = drawn_pins(1, lambda _: next(drawn))

    assert pin == Secret("482913")
