"""What a member may set at issue: OT-7, PF-8."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.factories.cards import NOON

from obverse.cards import Controls, Order, SpentOn
from obverse.cards.rules import (
    CATEGORIES_MAX,
    USES_MAX,
    check_controls,
    check_order,
    end_of_face,
    face_expiry,
    partition_of,
    serial_of,
)
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import MemberId, PartitionId, SourceId
from obverse.kit.money import AMOUNT_MINOR_MAX, KRW

SOURCE = SourceId(UUID(int=3))
ORDER = Order(PartitionId(0), MemberId(UUID(int=1)), KRW, Controls(), (SOURCE,))


def refused(order: Order) -> str | None:
    """The field that is named, or None where the order is fine."""
    try:
        check_order(order, NOON)
    except InvalidRequest as refusal:
        return refusal.param
    return None


limits = st.none() | st.integers(-(10**13), 10**13)
categories = st.none() | st.lists(
    st.sampled_from(["5732", "0000", "123", "12345", "57a2", "５７３２", ""]), max_size=4
).map(tuple)


@given(limits, limits, categories, st.integers(-5, USES_MAX + 5), st.sampled_from(SpentOn))
def test_controls_are_accepted_exactly_when_every_one_of_them_means_something(
    amount: int | None,
    per_payment: int | None,
    wanted: tuple[str, ...] | None,
    uses: int,
    spent_on: SpentOn,
) -> None:
    sensible = (
        all(limit is None or 0 <= limit <= AMOUNT_MINOR_MAX for limit in (amount, per_payment))
        and (wanted is None or (wanted != () and set(wanted) <= {"5732", "0000"}))
        and 1 <= uses <= USES_MAX
    )
    controls = Controls(amount, per_payment, None, wanted, spent_on, uses)
    if sensible:
        check_controls(controls)
    else:
        with pytest.raises(InvalidRequest):
            check_controls(controls)


@pytest.mark.parametrize(
    ("controls", "param"),
    [
        (Controls(amount_limit_minor=0), None),
        (Controls(amount_limit_minor=AMOUNT_MINOR_MAX, uses=USES_MAX), None),
        (Controls(amount_limit_minor=-1), "controls.amount_limit"),
        (Controls(per_payment_limit_minor=AMOUNT_MINOR_MAX + 1), "controls.per_payment_limit"),
        (Controls(uses=0), "controls.uses"),
        (Controls(categories=()), "controls.categories"),
        (Controls(categories=("5732",) * (CATEGORIES_MAX + 1)), "controls.categories"),
    ],
    ids=["zero", "most", "negative", "huge", "no_uses", "no_categories", "too_many_categories"],
)
def test_the_field_that_has_to_change_is_named(controls: Controls, param: str | None) -> None:
    assert refused(replace(ORDER, controls=controls)) == param


@pytest.mark.parametrize(
    ("expires_at", "param"),
    [
        (None, None),
        (NOON + timedelta(seconds=1), None),
        (datetime(2029, 12, 1, tzinfo=UTC), None),
        (NOON, "controls.expires_at"),
        (datetime(2029, 12, 1, 0, 0, 1, tzinfo=UTC), "controls.expires_at"),
    ],
    ids=["usual", "soon", "end_of_face", "now", "beyond_face"],
)
def test_a_card_may_end_any_time_before_its_face_does(expires_at: datetime | None, param: str | None) -> None:
    assert refused(replace(ORDER, expires_at=expires_at)) == param


@pytest.mark.parametrize(
    "order",
    [
        replace(ORDER, funding=()),
        replace(ORDER, funding=(SOURCE, SOURCE)),
        replace(ORDER, funding=tuple(SourceId(UUID(int=n)) for n in range(11))),
    ],
    ids=["none", "twice", "eleven"],
)
def test_a_card_needs_one_to_ten_different_sources(order: Order) -> None:
    assert refused(order) == "funding"


@pytest.mark.parametrize(
    "metadata",
    [
        {str(n): "" for n in range(51)},
        {"": "x"},
        {"k" * 41: ""},
        {"k": "v" * 501},
        {"k": "\x00"},
        {"k": "\ud800"},
    ],
    ids=["too_many", "no_key", "long_key", "long_value", "nul", "half_a_surrogate"],
)
def test_metadata_that_cannot_be_kept_is_refused(metadata: dict[str, str]) -> None:
    assert refused(replace(ORDER, metadata=metadata)) == "metadata"


@pytest.mark.parametrize(
    ("created_at", "face", "over_at"),
    [
        (datetime(2026, 11, 20, tzinfo=UTC), "2911", datetime(2029, 12, 1, tzinfo=UTC)),
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), "2912", datetime(2030, 1, 1, tzinfo=UTC)),
        (datetime(2026, 1, 1, tzinfo=UTC), "2901", datetime(2029, 2, 1, tzinfo=UTC)),
        (datetime(2097, 2, 28, tzinfo=UTC), "0002", datetime(2100, 3, 1, tzinfo=UTC)),
    ],
    ids=["november", "december", "january", "next_century"],
)
def test_a_face_is_good_through_the_month_three_years_on(
    created_at: datetime, face: str, over_at: datetime
) -> None:
    assert face_expiry(created_at) == face
    assert end_of_face(created_at) == over_at


@given(st.integers(0, 10**7 - 1), st.integers(0, 99))
def test_a_serial_tells_its_partition_and_no_two_are_alike(value: int, partition: int) -> None:
    serial = serial_of(value, PartitionId(partition))
    assert partition_of(serial) == partition
    assert serial // 100 == value
