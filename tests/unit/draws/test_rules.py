"""How much is drawn, by whom, what its payment makes of a draw, and what the bank is told of it."""

from uuid import UUID, uuid4

import pytest
from tests.factories.cards import a_card
from tests.factories.disputes import a_captured_payment
from tests.factories.ledger import NOON

from obverse.authorization import Decline, Status
from obverse.cards import Controls, HeldBy
from obverse.draws import HOUSE_MERCHANT, Draw, DrawState, NotDrawable, NothingToDraw, rules
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import BankTransferId, CardId, DrawId, PartitionId
from obverse.kit.money import KRW, Money
from obverse.kit.secret import Sealed
from obverse.merchants import MerchantState, Rhythm


def a_draw() -> Draw:
    return Draw(
        id=DrawId(uuid4()),
        partition_id=PartitionId(0),
        card_id=CardId(uuid4()),
        amount=Money(34_000, KRW),
        state=DrawState.ASKED,
        decline=None,
        transfer_id=BankTransferId(uuid4()),
        account=Sealed(1, b"sealed"),
        account_hash=b"hash",
        request_key="key",
        fingerprint=b"",
        created_at=NOON,
    )


def test_only_what_was_handed_over_can_be_drawn() -> None:
    rules.check_holder(a_card(held_by=HeldBy.RECIPIENT))
    with pytest.raises(NotDrawable):
        rules.check_holder(a_card(held_by=HeldBy.MEMBER))


@pytest.mark.parametrize(
    ("controls", "spent", "wanted", "drawn"),
    [
        pytest.param(Controls(amount_limit_minor=20_000), 0, None, 20_000, id="the limit"),
        pytest.param(Controls(amount_limit_minor=20_000), 15_000, None, 5_000, id="what is left of it"),
        pytest.param(Controls(per_payment_limit_minor=7_000), 0, None, 7_000, id="the limit per payment"),
        pytest.param(
            Controls(amount_limit_minor=20_000, per_payment_limit_minor=7_000), 15_000, None, 5_000, id="both"
        ),
        pytest.param(Controls(amount_limit_minor=20_000), 0, 1, 1, id="a part"),
        pytest.param(Controls(amount_limit_minor=20_000), 0, 20_001, 20_001, id="too much: declined later"),
        pytest.param(Controls(), 0, 9_000, 9_000, id="no limit, an amount"),
    ],
)
def test_a_draw_is_of_what_is_wanted_or_else_of_what_is_left(
    controls: Controls, spent: int, wanted: int | None, drawn: int
) -> None:
    assert rules.drawn_minor(a_card(controls, spent_minor=spent), wanted) == drawn


def test_a_card_without_a_limit_needs_an_amount() -> None:
    with pytest.raises(InvalidRequest) as refused:
        rules.drawn_minor(a_card(), None)
    assert refused.value.param == "amount"


def test_nothing_is_drawn_where_nothing_is_left() -> None:
    with pytest.raises(NothingToDraw):
        rules.drawn_minor(a_card(Controls(amount_limit_minor=20_000), spent_minor=20_000), None)


def test_an_approved_payment_is_ordered_and_the_account_forgotten() -> None:
    ordered = rules.conclude(a_draw(), a_captured_payment())

    assert (ordered.state, ordered.amount.amount_minor, ordered.account) == (DrawState.ORDERED, 34_000, None)


def test_a_declined_payment_is_a_declined_draw() -> None:
    declined = a_captured_payment(status=Status.DECLINED, decline=Decline.CARD_USED, captured_minor=0)

    draw = rules.conclude(a_draw(), declined)

    assert (draw.state, draw.decline, draw.account) == (DrawState.DECLINED, Decline.CARD_USED, None)


def test_a_draw_waits_for_its_card_company() -> None:
    draw = a_draw()

    assert rules.conclude(draw, a_captured_payment(status=Status.PROCESSING, captured_minor=0)) is draw


@pytest.mark.parametrize(
    ("refunded", "state", "amount"),
    [(4_000, DrawState.ORDERED, 30_000), (34_000, DrawState.DECLINED, 34_000)],
)
def test_what_was_given_back_before_the_order_is_not_sent_as_well(
    refunded: int, state: DrawState, amount: int
) -> None:
    draw = rules.conclude(a_draw(), a_captured_payment(refunded_minor=refunded))

    assert (draw.state, draw.amount.amount_minor) == (state, amount)


def test_the_house_is_never_settled_and_owes_from_an_account_in_every_partition() -> None:
    house = rules.house_merchant(NOON)
    accounts = rules.house_payables([PartitionId(0), PartitionId(1)], KRW)

    assert (house.id, house.payout.rhythm) == (HOUSE_MERCHANT, Rhythm.NEVER)
    assert house.state is MerchantState.ACTIVE
    assert [(a.partition_id, a.id, a.owner_id) for a in accounts] == [
        (0, house.account_id, house.id),
        (1, house.account_id, house.id),
    ]


def test_a_reference_is_made_of_the_transfers_random_bits_alone() -> None:
    transfer_id = BankTransferId(UUID("01890a5d-ac96-774b-bcce-b302099a8057"))
    later = BankTransferId(UUID("019fffff-ffff-774b-bcce-b302099a8057"))

    assert rules.reference(transfer_id) == rules.reference(later)
    assert len({rules.reference(BankTransferId(UUID(int=n))) for n in range(1_000)}) == 1_000
