"""What the terms of a programme may be."""

from uuid import UUID

import pytest
from msgspec.structs import replace
from tests.factories.programmes import some_terms

from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import MerchantId
from obverse.programmes import ProgrammeClosed, ProgrammeState, rules

GOOD = rules.terms_of(some_terms())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"denominations": ()},
        {"charge_unit_minor": None},
        {"charge_unit_minor": 1_000_000},
        {"denominations": (1_000_000,)},
        {"validity_months": 1},
        {"validity_months": 36},
        {"services": ("voice", "calls"), "categories": ("4814",), "merchants": (MerchantId(UUID(int=1)),)},
    ],
    ids=str,
)
def test_terms_under_which_cards_can_be_sold_or_charged_are_taken(changes: dict[str, object]) -> None:
    rules.check_terms(replace(GOOD, **changes))


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 61}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"ceiling_minor": 0}, "ceiling"),
        ({"denominations": (10_000, 5_000)}, "denominations"),
        ({"denominations": (5_000, 5_000)}, "denominations"),
        ({"denominations": (0, 5_000)}, "denominations"),
        ({"denominations": (-1,)}, "denominations"),
        ({"denominations": (1_000_001,)}, "denominations"),
        ({"denominations": tuple(range(1, 52))}, "denominations"),
        ({"charge_unit_minor": 0}, "charge_unit"),
        ({"charge_unit_minor": 1_000_001}, "charge_unit"),
        ({"denominations": (), "charge_unit_minor": None}, "charge_unit"),
        ({"validity_months": 0}, "validity_months"),
        ({"validity_months": 37}, "validity_months"),
        ({"services": ()}, "services"),
        ({"services": ("goods", "goods")}, "services"),
        ({"services": ("weapons",)}, "services"),
        ({"categories": ("57",)}, "categories"),
        ({"categories": ()}, "categories"),
        ({"merchants": ()}, "merchants"),
        ({"metadata": {"a\x00": "b"}}, "metadata"),
    ],
    ids=str,
)
def test_other_terms_are_refused_with_their_field(changes: dict[str, object], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        rules.check_terms(replace(GOOD, **changes))
    assert refused.value.param == param


def test_a_closed_programme_is_changed_no_more() -> None:
    with pytest.raises(ProgrammeClosed):
        rules.change(some_terms(state=ProgrammeState.CLOSED), GOOD)


def test_what_changed_is_told_field_by_field() -> None:
    before = some_terms()
    after = rules.change(before, replace(GOOD, giftable=False, denominations=(5_000,)))
    assert rules.differences(before, after) == {
        "giftable": "True -> False",
        "denominations": "5000, 10000, 20000, 30000, 50000, 100000 -> 5000",
    }
