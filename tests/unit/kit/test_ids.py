"""Ids inside and outside, and where they come from."""

import os
from datetime import UTC, datetime
from itertools import count
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.kit.errors import NotFound
from obverse.kit.ids import DrawnInAdvance, first_id_of, from_text, to_text, uuid7_source


@given(st.uuids())
def test_an_id_comes_back_from_its_text(id_: UUID) -> None:
    assert from_text("card", to_text("card", id_)) == id_


@pytest.mark.parametrize(
    "text",
    ["", "card", "card_", "auth_01h455vb4pex5vsknk084sn02q", "card_81h455vb4pex5vsknk084sn02q",
     "card_01h455vb4pex5vsknk084sn02", "card_01H455VB4PEX5VSKNK084SN02Q", "card_01h455vb4pex5vsknk084sn0lq"],
)  # fmt: skip
def test_what_cannot_be_an_id_of_ours_is_not_found(text: str) -> None:
    with pytest.raises(NotFound):
        from_text("card", text)


def test_ids_are_version_7_and_sort_by_time() -> None:
    clock = count(1_800_000_000_000)
    new_id = uuid7_source(lambda: next(clock), os.urandom)
    ids = [new_id() for _ in range(1_000)]
    assert sorted(ids) == ids
    assert {id_.version for id_ in ids} == {7}


def test_ids_of_one_millisecond_sort_in_the_order_of_their_making() -> None:
    new_id = uuid7_source(lambda: 1_800_000_000_000, os.urandom)
    ids = [new_id() for _ in range(10_000)]
    assert sorted(ids) == ids
    assert len(set(ids)) == len(ids)
    assert {(id_.version, id_.variant) for id_ in ids} == {(7, RFC_4122)}
    assert ids[-1].int >> 80 <= 1_800_000_000_000 + 3, "some milliseconds ahead of time at most"


def test_ids_made_before_a_moment_are_below_its_first_id() -> None:
    moment = datetime(2026, 11, 20, 15, tzinfo=UTC)
    at_ms = int(moment.timestamp() * 1000)
    before = uuid7_source(lambda: at_ms - 1, lambda size: b"\xff" * size)()
    after = uuid7_source(lambda: at_ms, lambda size: b"\x00" * size)()
    assert before.int < first_id_of(moment).int <= after.int


def test_randomness_drawn_in_advance_is_given_out_once_and_in_order() -> None:
    numbers = count()
    drawn: list[bytes] = []

    def source(size: int) -> bytes:
        drawn.append(b"".join(next(numbers).to_bytes(4, "big") for _ in range(size // 4)))
        return drawn[-1]

    draw = DrawnInAdvance(source)
    given_out = [draw(size) for size in (10, 6, 100, 8000, 10, 10) for _ in range(50)]
    assert [len(part) for part in given_out] == [s for s in (10, 6, 100, 8000, 10, 10) for _ in range(50)]
    assert all(part in b"".join(drawn) for part in given_out)
    assert len(set(given_out)) == len(given_out)
