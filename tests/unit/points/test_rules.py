"""PR-6: what points are worth, how many a payment takes and gets back, and what an operator may agree."""

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.factories.cards import NOON, a_card
from tests.factories.points import terms

from obverse.cards.model import CardKind, CardState, HeldBy
from obverse.cards.rules import FUNDING_MAX
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import MerchantId, PartitionId, PointsIssuerId, SourceId
from obverse.kit.money import AMOUNT_MINOR_MAX, KRW
from obverse.kit.secret import Secret
from obverse.points.model import Rate
from obverse.points.rules import (
    RATIO_MAX,
    STEP_UNITS_MAX,
    UNITS_MAX,
    account_form,
    check_terms,
    checked_rate,
    most_minor,
    rate_at,
    receivable,
    takes_points,
    units_due_back,
    units_for,
    worth_minor,
)

P0 = PartitionId(0)
EIGHT_BYTES = 2**63 - 1

ratios = st.integers(1, RATIO_MAX)
amounts = st.integers(1, AMOUNT_MINOR_MAX)
units = st.integers(0, UNITS_MAX)
rates = st.builds(
    Rate,
    ratios | st.integers(1, 20),
    ratios | st.integers(1, 20),
    st.integers(1, 100_000),
    st.integers(1, STEP_UNITS_MAX) | st.integers(1, 20),
)


@given(rates, amounts)
def test_an_amount_takes_its_points_and_less_than_a_step_more(rate: Rate, amount: int) -> None:
    taken = units_for(rate, amount)

    # In fractions of a unit, times the denominator: nothing is rounded here.
    owed, given_up = amount * rate.numerator, taken * rate.denominator
    assert owed <= given_up < owed + rate.step_units * rate.denominator
    assert taken % rate.step_units == 0
    assert taken <= EIGHT_BYTES


@given(rates, units, amounts)
def test_a_part_of_an_amount_never_takes_more_points_than_there_are(
    rate: Rate, there: int, amount: int
) -> None:
    part = most_minor(rate, there, amount)

    assert 0 <= part <= amount
    assert units_for(rate, part) <= there
    assert part <= worth_minor(rate, there)
    assert part == 0 or units_for(rate, part) >= rate.minimum_units


@given(rates, amounts)
def test_points_that_just_pay_an_amount_pay_it(rate: Rate, amount: int) -> None:
    enough = units_for(rate, amount)

    paid = worth_minor(rate, enough)
    assert paid >= amount or enough < rate.minimum_units


@given(st.integers(1, UNITS_MAX), amounts, st.lists(amounts, max_size=6))
def test_p16_units_given_back_in_parts_end_at_exactly_all(taken: int, amount: int, parts: list[int]) -> None:
    back = [min(amount, sum(parts[:count])) for count in range(len(parts) + 1)] + [amount]
    due = [units_due_back(taken, amount, minor) for minor in back]

    assert due == sorted(due)
    assert (due[0], due[-1]) == (0, taken)


@pytest.mark.parametrize(
    ("rate", "amount", "expected"),
    [
        pytest.param(Rate(2, 1), 10_000, 20_000, id="two for one"),
        pytest.param(Rate(1, 10), 10_001, 1_001, id="one for ten, a part of a unit is one"),
        pytest.param(Rate(3, 7), 7, 3, id="exactly"),
        pytest.param(Rate(1, 1, step_units=100), 10_001, 10_100, id="in hundreds"),
    ],
)
def test_rates_as_they_are_agreed(rate: Rate, amount: int, expected: int) -> None:
    assert units_for(rate, amount) == expected


@pytest.mark.parametrize(
    ("rate", "there", "expected"),
    [
        pytest.param(Rate(2, 1), 1, 0, id="half a won is nothing"),
        pytest.param(Rate(1, 1, minimum_units=1_000), 999, 0, id="below the minimum"),
        pytest.param(Rate(1, 1, minimum_units=1_000), 1_000, 1_000, id="at the minimum"),
        pytest.param(Rate(1, 1, step_units=100), 1_099, 1_000, id="whole steps only"),
    ],
)
def test_what_a_balance_is_worth(rate: Rate, there: int, expected: int) -> None:
    assert worth_minor(rate, there) == expected


def test_a_merchants_own_rate_goes_before_that_for_everybody() -> None:
    issuer, shop, other = PointsIssuerId(UUID(int=1)), MerchantId(UUID(int=2)), MerchantId(UUID(int=3))
    known = {(issuer, None): Rate(2, 1), (issuer, shop): Rate(1, 1)}

    assert rate_at(known, issuer, shop) == Rate(1, 1)
    assert rate_at(known, issuer, other) == Rate(2, 1)
    assert rate_at(known, PointsIssuerId(UUID(int=9)), shop) is None


def test_what_an_issuer_owes_has_an_account_of_its_own_in_every_partition() -> None:
    issuer = PointsIssuerId(UUID(int=1))
    ids = {receivable(issuer, PartitionId(number), KRW).id for number in range(3)}

    assert len(ids) == 3
    assert receivable(issuer, P0, KRW) == receivable(issuer, P0, KRW)


def test_a_rate_is_kept_in_lowest_terms() -> None:
    assert checked_rate(Rate(1_000, 500, 10, 5), None) == Rate(2, 1, 10, 5)


@pytest.mark.parametrize(
    ("rate", "units_max", "param"),
    [
        pytest.param(Rate(0, 1), None, "numerator", id="for nothing"),
        pytest.param(Rate(-2, 1), None, "numerator", id="below nothing"),
        pytest.param(Rate(RATIO_MAX + 1, 1), None, "numerator", id="too dear"),
        pytest.param(Rate(1, 0), None, "denominator", id="by zero"),
        pytest.param(Rate(1, RATIO_MAX + 1), None, "denominator", id="too cheap"),
        pytest.param(Rate(1, 1, minimum_units=0), None, "minimum_units", id="no minimum"),
        pytest.param(Rate(1, 1, minimum_units=UNITS_MAX + 1), None, "minimum_units", id="minimum beyond all"),
        pytest.param(Rate(1, 1, minimum_units=501), 500, "minimum_units", id="minimum above the limit"),
        pytest.param(Rate(1, 1, step_units=0), None, "step_units", id="no step"),
        pytest.param(Rate(1, 1, step_units=STEP_UNITS_MAX + 1), None, "step_units", id="step too large"),
        pytest.param(Rate(1, 1, step_units=501), 500, "minimum_units", id="step above the limit"),
    ],
)
def test_a_rate_that_nobody_could_pay_by_is_refused(rate: Rate, units_max: int | None, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        checked_rate(rate, units_max)
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        pytest.param({"name": " "}, "name", id="no name"),
        pytest.param({"name": "n" * 61}, "name", id="name too long"),
        pytest.param({"short_name": "하늘"}, "short_name", id="not for tills"),
        pytest.param({"short_name": "S" * 13}, "short_name", id="too long for tills"),
        pytest.param({"short_name": "SKY "}, "short_name", id="space at its end"),
        pytest.param({"unit": ""}, "unit", id="no unit"),
        pytest.param({"units_max": 0}, "units_max", id="limit of nothing"),
        pytest.param({"url": "ftp://points.example"}, "url", id="not http"),
        pytest.param({"url": "http://"}, "url", id="no host"),
        pytest.param({"url": "https://[points"}, "url", id="no address at all"),
        pytest.param({"url": "https://points.example:0"}, "url", id="no port"),
        pytest.param({"url": "https://points.example:99999"}, "url", id="port beyond all"),
        pytest.param({"url": "https://user:word@points.example"}, "url", id="with a password"),
        pytest.param({"url": "https://points.example/v1?key=1"}, "url", id="with a query"),
        pytest.param({"url": "https://points.example/ v1"}, "url", id="with a space"),
        pytest.param({"url": "https://points.example/" + "a" * 500}, "url", id="too long"),
    ],
)
def test_an_issuer_that_cannot_be_shown_or_reached_is_refused(changes: dict[str, object], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_terms(terms(**changes), https_only=False)
    assert refused.value.param == param


def test_plain_http_is_for_trying_things() -> None:
    check_terms(terms(url="http://127.0.0.1:8600/sky"), https_only=False)
    check_terms(terms(url="https://points.example/relay"), https_only=True)
    with pytest.raises(InvalidRequest):
        check_terms(terms(url="http://127.0.0.1:8600/sky"), https_only=True)


@pytest.mark.parametrize("written", ["7700-1234 5678", "770012345678", "7700 - 12345678"])
def test_an_account_is_the_same_however_it_is_written(written: str) -> None:
    assert account_form(Secret(written)).reveal() == "770012345678"


def test_letters_of_an_account_count_in_either_case() -> None:
    assert account_form(Secret("sky-ab12@mail.example")) == account_form(Secret("SKYAB12@MAIL.EXAMPLE"))


@pytest.mark.parametrize(
    "written", ["", "12", "----", "7" * 65, "7700/1234", "7700\n1234", "７７００１２３４"]
)
def test_what_is_no_account_number_is_refused(written: str) -> None:
    with pytest.raises(InvalidRequest):
        account_form(Secret(written))


REGISTERED = replace(
    a_card(), kind=CardKind.REGISTERED, funding=(SourceId(UUID(int=1)),), expires_at=NOON + timedelta(1)
)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, True, id="registered"),
        pytest.param({"kind": CardKind.PREPAID}, True, id="prepaid"),
        pytest.param({"kind": CardKind.ONE_TIME}, True, id="one-time"),
        pytest.param({"kind": CardKind.GIFT}, False, id="gift"),
        pytest.param({"held_by": HeldBy.RECIPIENT}, False, id="given away"),
        pytest.param({"state": CardState.CLOSED}, False, id="closed"),
        pytest.param({"state": CardState.SUSPENDED}, True, id="suspended for a while"),
        pytest.param({"expires_at": NOON}, False, id="over"),
        pytest.param({"partition_id": PartitionId(1)}, False, id="in another partition"),
        pytest.param(
            {"funding": tuple(SourceId(UUID(int=n)) for n in range(FUNDING_MAX))}, False, id="has its fill"
        ),
    ],
)
def test_behind_which_cards_points_can_stand(changes: dict[str, object], expected: bool) -> None:
    assert takes_points(replace(REGISTERED, **changes), P0, NOON) is expected
