"""What may be a PIN, what a card may be called, and how it is drawn."""

import pytest
from lxml import etree
from tests.factories.cards import a_card

from obverse.cards import CardState, pin_rules, plastic
from obverse.cards.rules import card_name
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import CardBatchId
from obverse.kit.secret import Secret
from obverse.wallet.batch_model import pin_of


@pytest.mark.parametrize("pin", ["4821", "90210", "739164"])
def test_a_pin_that_nobody_tries_first_is_taken(pin: str) -> None:
    pin_rules.check_new_pin(Secret(pin), Secret(pin))


@pytest.mark.parametrize(
    "pin",
    [
        *("0000", "1234", "9876", "7890", "0987", "1212", "123123", "777777", "345678"),
        *("123", "1234567", "12a4", "", "４８２１", "48 21", "-482"),
    ],
)
def test_weak_and_malformed_pins_are_refused(pin: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        pin_rules.check_new_pin(Secret(pin), Secret(pin))
    assert refused.value.param == "pin"
    assert len(pin) < 4 or pin not in str(refused.value)


def test_two_pins_that_differ_are_a_mistake() -> None:
    with pytest.raises(InvalidRequest) as refused:
        pin_rules.check_new_pin(Secret("4821"), Secret("4812"))
    assert refused.value.param == "pin_again"


@pytest.mark.parametrize("hint", ["it is 4821", "4-8-2-1", "４８２１", "x" * 61, "a\x07"])
def test_a_hint_neither_holds_the_pin_nor_hides_anything(hint: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        pin_rules.check_hint(hint, Secret("4821"))
    assert refused.value.param == "pin_hint"


@pytest.mark.parametrize(
    ("hint", "kept"), [(None, None), ("  ", None), (" our first flat ", "our first flat"), ("482", "482")]
)
def test_any_other_hint_is_kept(hint: str | None, kept: str | None) -> None:
    assert pin_rules.check_hint(hint, Secret("4821")) == kept


def test_a_pin_makes_a_bought_card_good_and_an_unsold_one_not() -> None:
    bought = a_card(state=CardState.INACTIVE)
    unsold = a_card(state=CardState.INACTIVE, batch_id=CardBatchId(bought.id))
    stopped = a_card(state=CardState.SUSPENDED)
    states = [pin_rules.state_after_set_up(card) for card in (bought, unsold, stopped)]
    assert states == [CardState.ACTIVE, CardState.INACTIVE, CardState.SUSPENDED]


def test_pins_of_a_batch_are_never_weak_and_hardly_ever_alike() -> None:
    pins = [pin_of(Secret("seed"), serial).reveal() for serial in range(2_000)]
    assert not any(pin_rules.is_weak(pin) for pin in pins)
    assert all(len(pin) == 6 for pin in pins)
    assert len(set(pins)) > 1_980
    assert pin_of(Secret("other"), 1) != pin_of(Secret("seed"), 1)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("", ""),
        ("  Lunch   money ", "Lunch money"),
        ("점심값 카드 12345678", "점심값 카드 12345678"),
        ("é" * 15, "é" * 15),
    ],
)
def test_a_card_may_be_called_anything_of_fifteen_letters(name: str, kept: str) -> None:
    assert card_name(name) == kept


@pytest.mark.parametrize(
    "name", ["x" * 16, "점심" * 8, "🍕", "👨‍👩‍👧", "a\u200bb", "a\x00", "a\u202eb", "<b>", "\ud800"]
)
def test_names_that_are_too_long_or_no_letters_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        card_name(name)
    assert refused.value.param == "name"


@pytest.mark.parametrize(
    ("name", "embossed"),
    [("  Hong  Gil-dong ", "HONG GIL-DONG"), ("José O'Neill", "JOSE O'NEILL"), ("a" * 26, "A" * 26)],
)
def test_a_name_is_embossed_in_latin_capitals(name: str, embossed: str) -> None:
    assert plastic.embossed_name(name) == embossed


@pytest.mark.parametrize("name", ["", "홍길동", "A" * 27, "X Æ 12", "<svg/onload=x>", '"&<', "-HONG"])
def test_what_no_machine_embosses_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        plastic.embossed_name(name)
    assert refused.value.param == "embossed_name"


@pytest.mark.parametrize("design", plastic.DESIGNS.values(), ids=plastic.DESIGNS)
def test_a_drawing_runs_nothing_loads_nothing_and_shows_no_whole_number(design: plastic.Design) -> None:
    hostile = "</text><script>alert(1)</script>\"'&<image href='http://evil'/>"
    drawn = plastic.draw(design, bin_="941012", last_four="7893", expiry="2911", name=hostile, title=hostile)
    tags = {element.tag.rpartition("}")[2] for element in etree.fromstring(drawn.encode()).iter()}
    assert tags <= {
        *("svg", "defs", "linearGradient", "radialGradient", "stop", "clipPath"),
        *("g", "rect", "circle", "path", "text"),
    }
    assert hostile in "".join(etree.fromstring(drawn.encode()).itertext())
    assert "9410 12•• •••• 7893" in drawn
    assert "11/29" in drawn


def test_there_are_no_other_designs() -> None:
    with pytest.raises(InvalidRequest):
        plastic.check_design("../etc/passwd")
