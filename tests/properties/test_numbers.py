"""Card numbers for any serial, key and BIN."""

from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from obverse.kit.secret import Secret
from obverse.vault.ff1 import FF1
from obverse.vault.numbers import Numbers

keys = st.binary(min_size=32, max_size=32)
serials = st.integers(0, 10**9 - 1)
bins = st.from_regex(r"[0-9]{6}", fullmatch=True)


@st.composite
def domains(draw: st.DrawFn) -> tuple[int, int]:
    radix = draw(st.integers(2, 36))
    lengths = [n for n in range(2, 100) if 1_000_000 <= radix**n <= 2**180]
    return radix, draw(st.sampled_from(lengths))


@given(st.sampled_from([16, 24, 32]).flatmap(lambda n: st.binary(min_size=n, max_size=n)), domains(),
       st.binary(max_size=40), st.data())  # fmt: skip
def test_ff1_is_a_bijection_on_every_domain(
    key: bytes, domain: tuple[int, int], tweak: bytes, data: st.DataObject
) -> None:
    ff1 = FF1(key, *domain, tweak)
    value = data.draw(st.integers(0, ff1.size - 1))
    assert 0 <= ff1.encrypt(value) < ff1.size
    assert ff1.decrypt(ff1.encrypt(value)) == value
    assert ff1.encrypt(ff1.decrypt(value)) == value


@given(keys, bins, serials)
def test_every_number_lies_in_its_bin_passes_luhn_and_leads_back(key: bytes, bin_: str, serial: int) -> None:
    numbers = Numbers(key, b"c" * 32)
    number = numbers.card_number(bin_, serial)
    digits = number.reveal()
    assert len(digits) == 16
    assert digits.startswith(bin_)
    assert luhn.is_valid(digits)
    assert numbers.serial_of(number, bin_) == serial


@given(keys, st.lists(serials, min_size=2, max_size=50, unique=True))
def test_distinct_serials_never_share_a_number(key: bytes, some: list[int]) -> None:
    numbers = Numbers(key, b"c" * 32)
    assert len({numbers.card_number("941012", serial).reveal() for serial in some}) == len(some)


@given(st.text(max_size=24))
def test_any_text_has_a_serial_only_if_it_is_the_number_of_that_serial(text: str) -> None:
    numbers = Numbers(b"k" * 32, b"c" * 32)
    serial = numbers.serial_of(Secret(text), "941012")
    assert serial is None or numbers.card_number("941012", serial).reveal() == text


@given(st.from_regex(r"941012[0-9]{10}", fullmatch=True))
def test_any_sixteen_digits_have_a_serial_only_if_they_are_its_number(digits: str) -> None:
    numbers = Numbers(b"k" * 32, b"c" * 32)
    serial = numbers.serial_of(Secret(digits), "941012")
    assert (serial is not None) == luhn.is_valid(digits)
    assert serial is None or numbers.card_number("941012", serial).reveal() == digits
