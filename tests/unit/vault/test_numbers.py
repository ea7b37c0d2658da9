"""Card numbers and CVVs from serials."""

from itertools import pairwise

import pytest
from stdnum import luhn
from tests.factories.vault import a_vault

from obverse.kit.secret import Secret
from obverse.vault import NumbersExhausted
from obverse.vault.numbers import Numbers, is_card_number

BIN = "941012"


def flipped(digits: str, at: int) -> str:
    return digits[:at] + str((int(digits[at]) + 1) % 10) + digits[at + 1 :]


def test_a_number_is_bin_then_nine_digits_then_luhn() -> None:
    digits = a_vault().card_number(BIN, 7).reveal()
    assert len(digits) == 16
    assert digits.startswith(BIN)
    assert luhn.is_valid(digits)


def test_neighbouring_serials_give_numbers_with_nothing_in_common() -> None:
    vault = a_vault()
    bodies = [int(vault.card_number(BIN, serial).reveal()[6:15]) for serial in range(1000)]
    assert len(set(bodies)) == 1000
    steps = {b - a for a, b in pairwise(bodies)}
    assert len(steps) > 990


def test_each_bin_and_each_key_has_an_order_of_its_own() -> None:
    one, other = a_vault(1), a_vault(2)
    body = one.card_number(BIN, 7).reveal()[6:15]
    assert body != one.card_number("941013", 7).reveal()[6:15]
    assert body != other.card_number(BIN, 7).reveal()[6:15]


def test_a_number_leads_back_to_its_serial() -> None:
    vault = a_vault()
    for serial in (0, 1, 99, 123_456_789, 999_999_999):
        assert vault.serial_of(vault.card_number(BIN, serial), BIN) == serial


GOOD = a_vault().card_number(BIN, 42).reveal()


@pytest.mark.parametrize(
    "digits",
    [
        pytest.param("953010" + GOOD[6:], id="foreign BIN"),
        pytest.param(flipped(GOOD, 15), id="wrong Luhn digit"),
        pytest.param(flipped(GOOD, 9), id="one digit off"),
        pytest.param(GOOD[:-1], id="15 digits"),
        pytest.param(GOOD[:15] + luhn.calc_check_digit(GOOD[:15]) + "0", id="17 digits"),
        pytest.param(GOOD[:16] + luhn.calc_check_digit(GOOD[:16]), id="17 digits, Luhn right"),
        pytest.param("", id="empty"),
        pytest.param(BIN, id="the BIN alone"),
        pytest.param(GOOD[:8] + "x" + GOOD[9:], id="a letter"),
        pytest.param(" " + GOOD[1:], id="a space"),
        pytest.param(GOOD[:6] + "٣" * 9 + GOOD[15:], id="digits of another script"),
        pytest.param(GOOD[:8] + "²" + GOOD[9:], id="a superscript"),
        pytest.param(GOOD[:8] + "-" + GOOD[9:], id="a dash"),
    ],
)
def test_what_cannot_be_ours_has_no_serial(digits: str) -> None:
    assert a_vault().serial_of(Secret(digits), BIN) is None


@pytest.mark.parametrize("serial", [-1, 10**9])
def test_a_serial_beyond_nine_digits_exhausts_the_bin(serial: int) -> None:
    with pytest.raises(NumbersExhausted) as refused:
        a_vault().card_number(BIN, serial)
    assert refused.value.code == "numbers_exhausted"


@pytest.mark.parametrize("bin_", ["94101", "9410123", "94101x", ""])
def test_a_bin_has_six_digits(bin_: str) -> None:
    with pytest.raises(ValueError, match="BIN"):
        a_vault().card_number(bin_, 1)


def test_a_cvv_has_three_digits_and_belongs_to_number_and_expiry() -> None:
    vault = a_vault()
    number = vault.card_number(BIN, 1)
    cvv = vault.cvv(number, "2912")
    assert len(cvv.reveal()) == 3
    assert cvv.reveal().isdigit()
    assert vault.cvv_matches(number, "2912", cvv)


def test_a_cvv_of_another_card_or_expiry_is_right_one_time_in_a_thousand_at_most() -> None:
    vault = a_vault()
    cvvs = [vault.cvv(vault.card_number(BIN, serial), "2912").reveal() for serial in range(2000)]
    assert len(set(cvvs)) > 800  # spread over all thousand
    number = vault.card_number(BIN, 1)
    by_month = {vault.cvv(number, f"29{month:02d}").reveal() for month in range(1, 13)}
    assert len(by_month) > 8


@pytest.mark.parametrize("given", ["", "12", "1234", "abc", "१२३", "12\x00"])
def test_a_malformed_cvv_does_not_match_and_does_not_raise(given: str) -> None:
    vault = a_vault()
    assert vault.cvv_matches(vault.card_number(BIN, 1), "2912", Secret(given)) is False


def test_exactly_one_cvv_of_a_thousand_matches() -> None:
    vault = a_vault()
    number = vault.card_number(BIN, 5)
    assert sum(vault.cvv_matches(number, "2912", Secret(f"{n:03d}")) for n in range(1000)) == 1


@pytest.mark.parametrize(
    ("digits", "good"),
    [
        pytest.param("4111111111111111", True, id="16 digits"),
        pytest.param("378282246310005", True, id="15 digits"),
        pytest.param("6304000000000000000", True, id="19 digits"),
        pytest.param("4111111111111112", False, id="wrong Luhn digit"),
        pytest.param("00000000000", False, id="11 digits"),
        pytest.param("0" * 20, False, id="20 digits"),
        pytest.param("4111-1111-1111-1111", False, id="dashes"),
        pytest.param("", False, id="empty"),
    ],
)
def test_a_card_number_has_12_to_19_digits_and_a_right_luhn_digit(digits: str, good: bool) -> None:
    assert is_card_number(digits) is good


def test_numbers_do_not_print_their_keys() -> None:
    assert "aaaa" not in repr(Numbers(b"a" * 32, b"a" * 32))
