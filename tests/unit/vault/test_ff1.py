"""FF1 against NIST's samples, and as a permutation."""

import json
from pathlib import Path

import pytest

from obverse.vault.ff1 import FF1

SAMPLES = json.loads((Path(__file__).parents[2] / "vectors" / "ff1.json").read_text())["samples"]


@pytest.mark.parametrize("sample", SAMPLES, ids=[f"sample_{s['sample']}" for s in SAMPLES])
def test_ff1_gives_what_nist_published(sample: dict[str, str | int]) -> None:
    radix, plain, cipher = int(sample["radix"]), str(sample["plain"]), str(sample["cipher"])
    ff1 = FF1(bytes.fromhex(str(sample["key"])), radix, len(plain), bytes.fromhex(str(sample["tweak"])))
    assert ff1.encrypt(int(plain, radix)) == int(cipher, radix)
    assert ff1.decrypt(int(cipher, radix)) == int(plain, radix)


def test_all_nine_samples_are_there() -> None:
    assert [s["sample"] for s in SAMPLES] == list(range(1, 10))


@pytest.mark.parametrize(
    ("radix", "length"),
    [
        pytest.param(1, 30, id="radix below 2"),
        pytest.param(37, 10, id="radix above 36"),
        pytest.param(10, 5, id="fewer than a million values"),
        pytest.param(10, 60, id="halves wider than one block allows"),
    ],
)
def test_a_domain_outside_the_standard_is_refused(radix: int, length: int) -> None:
    with pytest.raises(ValueError, match="FF1 needs"):
        FF1(bytes(32), radix, length)


@pytest.mark.parametrize("value", [-1, 10**9], ids=["below", "above"])
def test_a_value_outside_the_domain_is_refused_without_being_named(value: int) -> None:
    ff1 = FF1(bytes(32), 10, 9)
    for act in (ff1.encrypt, ff1.decrypt):
        with pytest.raises(ValueError, match=r"^Outside the domain of this cipher\.$"):
            act(value)


def test_a_small_domain_is_permuted_whole() -> None:
    ff1 = FF1(b"k" * 16, 10, 6)
    assert len({ff1.encrypt(value) for value in range(ff1.size)}) == ff1.size


@pytest.mark.parametrize("length", [6, 7, 9, 20, 55, 56])
def test_even_and_odd_lengths_come_back(length: int) -> None:
    ff1 = FF1(b"k" * 32, 10, length, b"tweak longer than one block of AES")
    for value in (0, 1, ff1.size // 3, ff1.size - 1):
        assert 0 <= ff1.encrypt(value) < ff1.size
        assert ff1.decrypt(ff1.encrypt(value)) == value
