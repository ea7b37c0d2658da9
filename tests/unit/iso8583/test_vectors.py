"""Golden messages, made by npm `iso_8583` (its empty second bitmap taken out); one is worked out by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from obverse.networks.iso8583 import decode, encode

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "iso8583.json").read_text())


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_golden_messages_are_read_and_written(vector: dict[str, Any]) -> None:
    assert decode(vector["message"].encode()) == vector["fields"]
    assert encode(vector["fields"]).decode() == vector["message"]


def test_a_bitmap_worked_out_by_hand() -> None:
    """Fields 2 3 4 7 | 11-14 | 18 22 | 25 32 | 37 | 41 42 48 | 49: 72 3C 44 81 08 C1 80 00."""
    purchase = next(v["message"] for v in VECTORS if v["name"] == "a purchase online")
    assert purchase == (
        "0100"
        "723C448108C18000"
        "169410121234567893"  # 2: length, number
        "000000"  # 3
        "000000034000"  # 4
        "1120093000"  # 7
        "000001"  # 11
        "183000"  # 12
        "1120"  # 13
        "2911"  # 14
        "5411"  # 18
        "810"  # 22
        "00"  # 25
        "06941000"  # 32: length, acquirer
        "000000000001"  # 37
        "TERM0001"  # 41
        "M00000000000001"  # 42
        "0079203123"  # 48: length; 92 = CVV, 03 digits
        "410"  # 49
    )
