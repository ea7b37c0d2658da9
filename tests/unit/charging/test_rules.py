"""What may be charged and refunded, and what pays by itself: tables, no database."""

from datetime import timedelta
from uuid import uuid4

import pytest
from tests.factories.cards import a_card
from tests.factories.ledger import NOON
from tests.factories.programmes import some_terms

from obverse.cards import Card, CardKind, CardState
from obverse.charging import (
    BalanceCeiling,
    BalanceNotRefundable,
    CardNotChargeable,
    Charge,
    ChargeKind,
    ChargeState,
    ChargeUnit,
    GiftNotRefundable,
    NothingToRefund,
    Shortage,
    rules,
)
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import AccountId, CardId, ChargeId, MemberId, PartitionId, SourceId
from obverse.kit.money import KRW, Money
from obverse.programmes import Programme, ProgrammeState
from obverse.sales import Means
from obverse.wallet import (
    Lot,
    LotBalance,
    LotKind,
    Source,
    SourceKind,
    SourceNotActive,
    SourceState,
)

LATER = NOON + timedelta(days=30)
TERMS = some_terms()


def prepaid(**changes) -> Card:
    return a_card(**{"kind": CardKind.PREPAID, "expires_at": LATER} | changes)


def a_charge(amount: int = 10_000) -> Charge:
    return Charge(
        id=ChargeId(uuid4()),
        partition_id=PartitionId(0),
        card_id=CardId(uuid4()),
        source_id=SourceId(uuid4()),
        member_id=None,
        amount=Money(amount, KRW),
        kind=ChargeKind.ASKED,
        state=ChargeState.OPEN,
        reason=None,
        request_key="key",
        fingerprint=b"",
        created_at=NOON,
    )


def a_lot(kind: LotKind, available: int, held: int = 0) -> LotBalance:
    lot = Lot(AccountId(uuid4()), PartitionId(0), SourceId(uuid4()), kind, KRW, LATER)
    return LotBalance(lot, available, held)


def a_source(kind: SourceKind, state: SourceState = SourceState.ACTIVE) -> Source:
    return Source(SourceId(uuid4()), PartitionId(0), MemberId(uuid4()), kind, KRW, None, None, state, NOON)


@pytest.mark.parametrize(
    ("card", "programme"),
    [
        (prepaid(state=CardState.SUSPENDED), TERMS),
        (prepaid(state=CardState.CLOSED), TERMS),
        (prepaid(state=CardState.INACTIVE), TERMS),
        (prepaid(expires_at=NOON), TERMS),
        (prepaid(), some_terms(state=ProgrammeState.CLOSED)),
        (prepaid(), some_terms(charge_unit_minor=None)),
    ],
    ids=["suspended", "closed", "inactive", "expired", "programme closed", "programme does not charge"],
)
def test_pp9_what_cannot_take_money_in(card: Card, programme: Programme) -> None:
    rules.check_card(prepaid(), TERMS, NOON)
    with pytest.raises(CardNotChargeable):
        rules.check_card(card, programme, NOON)


def test_a_one_time_card_has_no_balance() -> None:
    with pytest.raises(CardNotChargeable):
        rules.balance_of(a_card(kind=CardKind.ONE_TIME))


@pytest.mark.parametrize(
    ("amount", "refusal"),
    [
        (0, InvalidRequest),
        (-1, InvalidRequest),
        (10**12, InvalidRequest),
        (1, ChargeUnit),
        (15_000, ChargeUnit),
    ],
)
def test_pp9_charges_come_in_units(amount: int, refusal: type[Exception]) -> None:
    rules.check_amount(20_000, TERMS)
    with pytest.raises(refusal):
        rules.check_amount(amount, TERMS)


@pytest.mark.parametrize(
    ("amount", "held", "under_way", "fits"),
    [
        (1_000_000, 0, 0, True),
        (1_000_001, 0, 0, False),
        (500_000, 500_000, 0, True),
        (500_000, 500_000, 1, False),
        (10_000, 0, 990_000, True),
        (10_000, 0, 1_000_000, False),
    ],
)
def test_pp9_balance_and_charges_under_way_stay_below_the_ceiling(
    amount: int, held: int, under_way: int, fits: bool
) -> None:
    if fits:
        rules.check_ceiling(amount, TERMS, held_minor=held, open_minor=under_way)
        return
    with pytest.raises(BalanceCeiling):
        rules.check_ceiling(amount, TERMS, held_minor=held, open_minor=under_way)


@pytest.mark.parametrize(
    ("card", "held", "programme", "reason"),
    [
        (prepaid(), 0, TERMS, None),
        (prepaid(), 990_000, TERMS, None),
        (prepaid(state=CardState.SUSPENDED), 0, TERMS, None),
        (prepaid(), 0, some_terms(state=ProgrammeState.CLOSED), None),
        (prepaid(), 990_001, TERMS, "balance_ceiling"),
        (prepaid(state=CardState.CLOSED), 0, TERMS, "card_not_chargeable"),
        (prepaid(expires_at=NOON), 0, TERMS, "card_not_chargeable"),
    ],
    ids=["fits", "just", "suspended since", "programme closed since", "too much", "closed", "expired"],
)
def test_what_was_paid_goes_in_if_it_still_can(
    card: Card, held: int, programme: Programme, reason: str | None
) -> None:
    assert rules.misfit(a_charge(), card, programme, held, NOON) == reason


@pytest.mark.parametrize(
    ("wish", "refusal"),
    [
        (Shortage(10_001, 10_000), InvalidRequest),
        (Shortage(0, 10_000), InvalidRequest),
        (Shortage(1, 9_999), ChargeUnit),
        (Shortage(500_002, 500_000), InvalidRequest),
        (Shortage(500_000, 510_000), BalanceCeiling),
    ],
)
def test_one_charge_ends_a_shortage_or_is_not_set(wish: Shortage, refusal: type[Exception]) -> None:
    rules.check_shortage(Shortage(500_000, 500_000), TERMS)
    with pytest.raises(refusal):
        rules.check_shortage(wish, TERMS)


def test_wa5_the_first_of_the_members_own_that_can_pays() -> None:
    line = a_source(SourceKind.CREDIT_LINE)
    suspended = a_source(SourceKind.LINKED_CARD, SourceState.SUSPENDED)
    account = a_source(SourceKind.BANK_ACCOUNT)
    card = a_source(SourceKind.LINKED_CARD)
    own = [line, suspended, account, card]

    assert rules.payer_of(own, None).source_id == account.id
    named = rules.payer_of(own, card.id)
    assert (named.means, named.source_id) == (Means.CARD, card.id)
    for cannot in (line.id, suspended.id):
        with pytest.raises(SourceNotActive):
            rules.payer_of(own, cannot)


@pytest.mark.parametrize(
    ("lots", "refundable"),
    [
        ([a_lot(LotKind.BOUGHT, 5_000), a_lot(LotKind.CHARGED, 700)], 5_700),
        ([a_lot(LotKind.BOUGHT, 5_000, held=900), a_lot(LotKind.GIVEN, 300)], 5_000),
        ([a_lot(LotKind.GIVEN, 300)], GiftNotRefundable),
        ([a_lot(LotKind.EARNED, 300), a_lot(LotKind.BOUGHT, 0, held=900)], GiftNotRefundable),
        ([a_lot(LotKind.BOUGHT, 0, held=900)], NothingToRefund),
        ([], NothingToRefund),
    ],
    ids=["paid in", "a part held, a part given", "given", "earned", "all held", "empty"],
)
def test_pp13_only_what_was_paid_in_and_is_not_held_goes_back(
    lots: list[LotBalance], refundable: int | type[Exception]
) -> None:
    if isinstance(refundable, int):
        assert rules.refundable_minor(prepaid(), TERMS, lots) == refundable
        with pytest.raises(BalanceNotRefundable):
            rules.refundable_minor(prepaid(), some_terms(refundable=False), lots)
        return
    with pytest.raises(refundable):
        rules.refundable_minor(prepaid(), TERMS, lots)
