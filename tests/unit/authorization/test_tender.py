"""Who pays which part: what the holder has picked, then the order set in the wallet, to the last unit."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.factories.authorization import (
    a_credit_line,
    a_linked_card,
    a_merchant,
    a_request,
    authorize_command,
    credit_of,
    decided,
)
from tests.factories.mixed import (
    MILES,
    REGISTERED_EXPIRY,
    SHOP,
    STARS,
    TEN_EACH,
    TWO_FOR_ONE,
    a_holding,
    a_mixed_batch,
    a_quote,
    a_registered_card,
    pick,
    points_of,
)

from obverse.authorization.errors import BalancesNeeded
from obverse.authorization.model import AuthorizationRequest, Decision, Decline, Entry, Purpose, Tender
from obverse.merchants.model import Merchant
from obverse.points.model import Holding, Rate
from obverse.points.rules import most_minor, units_for, worth_minor
from obverse.wallet.model import SourceKind, SourceState

POINTS, LINKED = SourceKind.ISSUER_POINTS, SourceKind.LINKED_CARD


@dataclass
class Wallet:
    """Miles at two for one, stars at ten each, and a linked card; the card's funding in that order."""

    points_first: bool = True
    units_max: int | None = None

    def __post_init__(self) -> None:
        self.miles, self.stars, self.linked = points_of(), points_of(), a_linked_card()
        order = [self.miles, self.stars, self.linked]
        self.card = a_registered_card(*(order if self.points_first else [order[2], *order[:2]]))

    def holdings(self) -> list[Holding]:
        return [a_holding(self.miles, MILES, self.units_max), a_holding(self.stars, STARS)]

    def decide(
        self, request: AuthorizationRequest, balances: dict[object, int] | None = None, **extra: object
    ) -> Decision:
        batch = a_mixed_batch(
            [self.card],
            [self.miles, self.stars, self.linked],
            holdings=self.holdings(),
            **extra,  # type: ignore[arg-type]
        )
        command = authorize_command(self.card, request, cvv_ok=None)
        return batch.preview(replace(command, balances=balances))


def asks(
    amount_minor: int, *tender: Tender, merchant: Merchant = SHOP, **more: object
) -> AuthorizationRequest:
    request = a_request(amount_minor, merchant, entry=Entry.SWIPE, expiry=REGISTERED_EXPIRY)
    return replace(request, cvv=None, tender=tender, **more)  # type: ignore[arg-type]


def shape(decision: Decision) -> list[tuple[SourceKind, int, int | None]]:
    return [(leg.kind, leg.amount_minor, leg.units) for leg in decision.legs]


def test_points_at_two_for_one_and_the_rest_on_the_card() -> None:
    wallet = Wallet(points_first=False)
    decision = wallet.decide(asks(10_000, pick(1, 4_000)))
    assert shape(decision) == [(POINTS, 4_000, 8_000), (LINKED, 6_000, None)]
    assert decision.legs[0].rate == TWO_FOR_ONE


def test_two_kinds_are_picked_by_source_and_each_keeps_its_rate() -> None:
    wallet = Wallet()
    decision = wallet.decide(asks(10_000, pick(wallet.stars, 5_000), pick(wallet.miles, 5_000)))
    assert shape(decision) == [(POINTS, 5_000, 500), (POINTS, 5_000, 10_000)]


def test_without_a_pick_points_before_the_card_pay_first_and_behind_it_never() -> None:
    first, behind = Wallet(), Wallet(points_first=False)
    assert first.decide(asks(10_000)).to_ask == {first.miles.id, first.stars.id}
    balances = {first.miles.id: 6_001, first.stars.id: 99}
    assert shape(first.decide(asks(10_000), balances)) == [
        (POINTS, 3_000, 6_000),
        (POINTS, 990, 99),
        (LINKED, 6_010, None),
    ]
    assert shape(behind.decide(asks(10_000))) == [(LINKED, 10_000, None)]
    assert not behind.decide(asks(10_000)).to_ask


def test_an_issuer_that_gives_no_answer_is_passed_over() -> None:
    wallet = Wallet()
    assert shape(wallet.decide(asks(1_000), {wallet.miles.id: 0, wallet.stars.id: 50})) == [
        (POINTS, 500, 50),
        (LINKED, 500, None),
    ]


def test_nothing_is_asked_where_own_money_or_another_rule_decides() -> None:
    account = credit_of(50_000)
    line, miles = a_credit_line(account), points_of()
    card = a_registered_card(line, miles)
    batch = a_mixed_batch([card], [line, miles], [account], holdings=[a_holding(miles, MILES)])
    assert not batch.preview(authorize_command(card, asks(50_000), cvv_ok=None)).to_ask
    elsewhere = replace(SHOP, accepts=frozenset({"one_time"}))
    refused = batch.preview(authorize_command(card, asks(60_000, merchant=elsewhere), cvv_ok=None))
    assert (refused.to_ask, refused.decline) == (frozenset(), Decline.NOT_ACCEPTED_HERE)
    asked = batch.decide(authorize_command(card, asks(60_000), cvv_ok=None))
    assert isinstance(asked, BalancesNeeded)
    assert not batch.inserted
    assert not batch.books.journal


@pytest.mark.parametrize(
    ("tender", "decline"),
    [
        ([pick(3, 1_000)], Decline.TENDER_INVALID),
        ([pick(0, 1_000)], Decline.TENDER_INVALID),
        ([pick(1, 1_000), pick(1, 1_000)], Decline.TENDER_INVALID),
        ([pick(points_of(), 1_000)], Decline.TENDER_INVALID),
        ([pick(1, 10_001)], Decline.TENDER_TOO_LARGE),
        ([pick(1, 6_000), pick(2, 6_000)], Decline.TENDER_TOO_LARGE),
        ([pick(1, 400)], Decline.POINTS_BELOW_MINIMUM),
        ([pick(1, 8_000)], Decline.POINTS_ABOVE_MAXIMUM),
        ([pick(2, 8_000)], Decline.INSUFFICIENT_POINTS),
    ],
    ids=[
        "no such account",
        "number nought",
        "twice the same",
        "somebody else's",
        "more than needed",
        "together more than needed",
        "below the minimum",
        "above the issuer's maximum",
        "more than there is",
    ],
)
def test_a_pick_that_cannot_be_is_declined_with_its_reason(tender: list[Tender], decline: Decline) -> None:
    wallet = Wallet(units_max=15_000)
    rates = {(MILES, None): Rate(2, 1, minimum_units=1_000), (STARS, None): TEN_EACH}
    balances = {wallet.miles.id: 100_000, wallet.stars.id: 500}
    decision = wallet.decide(asks(10_000, *tender), balances, rates=rates)
    assert decision.decline is decline
    assert not decision.legs


def test_a_balance_that_was_asked_for_says_nothing_of_another() -> None:
    wallet = Wallet()
    request = asks(10_000, pick(wallet.miles, 1_000), pick(wallet.stars, None))
    assert wallet.decide(request).to_ask == {wallet.stars.id}
    decision = wallet.decide(request, {wallet.stars.id: 50})
    assert shape(decision) == [(POINTS, 1_000, 2_000), (POINTS, 500, 50), (LINKED, 8_500, None)]


def test_a_pick_of_all_takes_nothing_where_nothing_is_left_to_be_paid() -> None:
    wallet = Wallet()
    decision = wallet.decide(asks(1_000, pick(1, 1_000), pick(2, None)))
    assert (decision.decline, shape(decision)) == (None, [(POINTS, 1_000, 2_000)])


def test_a_pick_of_all_whose_part_is_too_small_for_the_rate_is_no_lack_of_points() -> None:
    wallet = Wallet()
    rates = {(STARS, None): Rate(1, 10, minimum_units=100)}
    for units, decline in ((99, Decline.POINTS_BELOW_MINIMUM), (98, Decline.INSUFFICIENT_POINTS)):
        decision = wallet.decide(asks(990, pick(2, None)), {wallet.stars.id: units}, rates=rates)
        assert decision.decline is decline


def test_points_that_the_merchant_has_not_chosen_pay_nothing() -> None:
    wallet = Wallet()
    shop = replace(SHOP, accepts_points=frozenset({STARS}))
    picked = wallet.decide(asks(1_000, pick(wallet.miles, 1_000), merchant=shop))
    assert picked.decline is Decline.POINTS_NOT_ACCEPTED
    in_order = wallet.decide(asks(1_000, merchant=shop), {wallet.miles.id: 9_999, wallet.stars.id: 5})
    assert shape(in_order) == [(POINTS, 50, 5), (LINKED, 950, None)]
    assert wallet.decide(asks(1_000, pick(1, 500)), rates={}).decline is Decline.POINTS_NOT_ACCEPTED


def test_the_rate_that_was_shown_holds_until_its_time_is_over() -> None:
    wallet = Wallet()
    better = Rate(1, 1)
    shown = a_quote(wallet.card, SHOP, (wallet.stars, TEN_EACH, 10), (wallet.miles, better, 900))
    request = asks(1_000, pick(2, 700), quote=shown.reference)
    assert shape(wallet.decide(request, quotes=[shown])) == [(POINTS, 700, 700), (LINKED, 300, None)]
    over = a_quote(wallet.card, SHOP, (wallet.miles, better, 900), ends_in_s=0)
    assert wallet.decide(request, quotes=[over]).decline is Decline.QUOTE_EXPIRED
    elsewhere = a_quote(wallet.card, a_merchant(), (wallet.miles, better, 900))
    assert wallet.decide(request, quotes=[elsewhere]).decline is Decline.QUOTE_EXPIRED
    assert wallet.decide(request).decline is Decline.QUOTE_EXPIRED


def test_all_there_is_can_be_picked_once_it_is_known() -> None:
    wallet = Wallet()
    request = asks(1_000, pick(wallet.stars, None))
    assert wallet.decide(request).to_ask == {wallet.stars.id}
    assert shape(wallet.decide(request, {wallet.stars.id: 7})) == [(POINTS, 70, 7), (LINKED, 930, None)]
    assert wallet.decide(request, {wallet.stars.id: 0}).decline is Decline.INSUFFICIENT_POINTS


def test_an_account_that_was_unlinked_is_no_source_any_more() -> None:
    wallet = Wallet()
    wallet.miles = replace(wallet.miles, state=SourceState.REMOVED)
    assert wallet.decide(asks(1_000, pick(wallet.miles, 500))).decline is Decline.FUNDING_INACTIVE


RATES = st.builds(Rate, st.integers(1, 500), st.integers(1, 500), st.integers(1, 50), st.integers(1, 20))


@given(rate=RATES, amount=st.integers(0, 10**9))
def test_p16_rounding_never_costs_the_holder_a_step_or_more(rate: Rate, amount: int) -> None:
    units = units_for(rate, amount)
    exact_numerator = amount * rate.numerator
    assert units * rate.denominator >= exact_numerator, "never less than it is worth"
    assert (units - rate.step_units) * rate.denominator < exact_numerator or units == 0


@given(rate=RATES, units=st.integers(0, 10**7), amount=st.integers(0, 10**7))
def test_what_fits_is_never_more_than_there_is_or_is_needed(rate: Rate, units: int, amount: int) -> None:
    part = most_minor(rate, units, amount)
    assert 0 <= part <= amount
    assert units_for(rate, part) <= units
    assert part <= worth_minor(rate, units)


@given(
    amount=st.integers(1, 50_000),
    miles=st.integers(0, 60_000),
    stars=st.integers(0, 6_000),
    picked=st.integers(0, 60_000),
)
def test_every_split_adds_up_to_the_last_minor_unit(amount: int, miles: int, stars: int, picked: int) -> None:
    wallet = Wallet()
    balances = {wallet.miles.id: miles, wallet.stars.id: stars}
    for tender in ([], [pick(1, picked)], [pick(2, None), pick(1, min(picked, amount))]):
        decision = wallet.decide(asks(amount, *tender), dict(balances))
        if decision.decline is None:
            assert sum(leg.amount_minor for leg in decision.legs) == amount
            for leg in decision.legs:
                if leg.rate is not None:
                    assert leg.units == units_for(leg.rate, leg.amount_minor) <= balances[leg.source_id]


def test_credit_comes_before_points_as_the_wallet_says_and_partial_takes_what_there_is() -> None:
    account = credit_of(300)
    line, stars = a_credit_line(account), points_of()
    card = a_registered_card(line, stars)
    batch = a_mixed_batch([card], [line, stars], [account], holdings=[a_holding(stars, STARS)])
    request = replace(asks(1_000), partial=True)
    command = replace(authorize_command(card, request, cvv_ok=None), balances={stars.id: 40})
    answer = decided(batch.decide(command))
    assert [(leg.amount_minor, leg.units) for leg in answer.legs] == [(300, None), (400, 40)]
    assert (answer.amount.amount_minor, answer.requested_minor) == (700, 1_000)


@pytest.mark.parametrize("purpose", [Purpose.PURCHASE, Purpose.INQUIRY])
def test_a_real_card_is_neither_paid_with_nor_asked_about_online(purpose: Purpose) -> None:
    wallet = Wallet()
    online = replace(asks(1_000, purpose=purpose), entry=Entry.ONLINE)
    assert wallet.decide(online).decline is Decline.NOT_ACCEPTED_HERE
    swiped = asks(1_000, pick(2, 500), purpose=purpose)
    assert wallet.decide(swiped).decline is None
