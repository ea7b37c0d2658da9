"""What is presented, what an acknowledgement means, and where the money for a file stands."""

from datetime import date, timedelta
from random import Random
from uuid import UUID

import pytest
from msgspec.structs import replace
from stdnum import luhn
from tests.factories.ledger import NOON, P0
from tests.factories.presentments import a_file, a_presentment

from obverse.authorization.model import ActionKind
from obverse.clearing.presentments import (
    Acknowledgement,
    Direction,
    FileState,
    PaymentState,
    Rejection,
)
from obverse.clearing.presentments.model import Totals
from obverse.clearing.presentments.rules import (
    Part,
    acknowledge,
    arn,
    new_reference,
    pause_after,
    present,
    totals,
)
from obverse.kit.ids import ActionId, AuthorizationId, PresentmentId, VaultCardId
from obverse.kit.money import KRW, Money
from obverse.treasury.rules import reference_in


def a_part(kind: ActionKind = ActionKind.CAPTURE, *, is_settled: bool = True, is_last: bool = True) -> Part:
    return Part(
        partition_id=P0,
        action_id=ActionId(UUID(int=1)),
        position=1,
        authorization_id=AuthorizationId(UUID(int=2)),
        kind=kind,
        amount=Money(30_000, KRW),
        vault_card_id=VaultCardId(UUID(int=3)),
        network_ref="1120030000|000001|RRN000000001",
        approval_code="654321",
        is_settled=is_settled,
        is_last=is_last,
        merchant_name="Books",
        category="5942",
        paid_at=NOON,
    )


@pytest.mark.parametrize(
    ("kind", "direction"),
    [
        (ActionKind.CAPTURE, Direction.DEBIT),
        (ActionKind.DISPUTE_WON, Direction.DEBIT),
        (ActionKind.REFUND, Direction.CREDIT),
        (ActionKind.REVERSAL, Direction.CREDIT),
        (ActionKind.DISPUTE, Direction.CREDIT),
    ],
)
def test_captures_and_disputes_won_are_charged_and_all_else_goes_back(
    kind: ActionKind, direction: Direction
) -> None:
    assert present(a_part(kind), PresentmentId(UUID(int=9)), "1" * 23, NOON).direction is direction


@pytest.mark.parametrize(
    ("part", "is_final"),
    [
        pytest.param(a_part(), True, id="the last capture of a leg with nothing open"),
        pytest.param(a_part(is_settled=False), False, id="more may be captured"),
        pytest.param(a_part(is_last=False), False, id="a later capture is the last"),
        pytest.param(a_part(ActionKind.REFUND, is_last=False), False, id="a refund ends nothing"),
        pytest.param(a_part(ActionKind.DISPUTE_WON, is_last=False), False, id="nor does a dispute"),
    ],
)
def test_the_last_capture_lets_the_card_company_release_the_rest(part: Part, is_final: bool) -> None:
    assert present(part, PresentmentId(UUID(int=9)), "1" * 23, NOON).is_final is is_final


@pytest.mark.parametrize("number", [1, 42, 99_999_999_999])
def test_acquirer_reference_data_have_23_digits_and_a_luhn_digit(number: int) -> None:
    found = arn("941012", date(2026, 1, 5), number)
    assert len(found) == 23
    assert found.startswith("09410126005")
    assert luhn.is_valid(found)


def test_a_reference_is_one_that_the_treasury_finds_in_a_transfer() -> None:
    reference = new_reference(Random(1).randbytes)
    assert reference_in(f"for {reference.lower()}, thanks") == reference


DEBIT = a_presentment(30_000)
OTHER = a_presentment(5_000)
CREDIT = a_presentment(10_000, direction=Direction.CREDIT)
FILE = a_file([DEBIT, OTHER, CREDIT])


def test_what_is_not_rejected_is_accepted() -> None:
    answer = Acknowledgement(
        rejections=[Rejection(OTHER.arn, "unknown_card")], accepted=totals([DEBIT, CREDIT])
    )
    after = acknowledge(FILE, answer, [OTHER], 0, NOON)
    assert after is not None
    assert (after.state, after.accepted_minor, after.rejected_count) == (FileState.ACKNOWLEDGED, 20_000, 1)
    assert (after.due_minor, after.payment) == (20_000, PaymentState.DUE)


@pytest.mark.parametrize(
    ("answer", "rejected"),
    [
        pytest.param(Acknowledgement(accepted=totals([DEBIT, OTHER])), [], id="a sum of its own"),
        pytest.param(Acknowledgement(accepted=Totals(2, 35_000, 1, 9_999)), [], id="one won less"),
        pytest.param(
            Acknowledgement(rejections=[Rejection("nobody's", "unknown_card")], accepted=FILE.totals),
            [],
            id="a rejection of something that we did not send",
        ),
        pytest.param(
            Acknowledgement(
                rejections=[Rejection(OTHER.arn, "a"), Rejection(OTHER.arn, "b")],
                accepted=totals([DEBIT, CREDIT]),
            ),
            [OTHER],
            id="one rejected twice",
        ),
    ],
)
def test_an_answer_that_does_not_add_up_is_not_taken_over(answer: Acknowledgement, rejected: list) -> None:
    assert acknowledge(FILE, answer, rejected, 0, NOON) is None


def test_a_refused_file_is_rejected_as_a_whole() -> None:
    after = acknowledge(FILE, Acknowledgement(refused="wrong_totals"), [], 0, NOON)
    assert after is not None
    assert (after.state, after.problem, after.rejected_count) == (FileState.REFUSED, "wrong_totals", 3)
    assert after.payment is PaymentState.NOT_DUE


@pytest.mark.parametrize(
    ("accepted", "carried", "received", "payment"),
    [
        (None, 0, 0, PaymentState.NOT_DUE),
        (0, 0, 0, PaymentState.NOT_DUE),
        (100, 0, 0, PaymentState.DUE),
        (100, 0, 99, PaymentState.PAID_IN_PART),
        (100, 0, 100, PaymentState.PAID),
        (100, 0, 101, PaymentState.OVERPAID),
        (100, -30, 70, PaymentState.PAID),
        (100, -100, 0, PaymentState.NOT_DUE),
        (100, -130, 0, PaymentState.CARRIED_OVER),
        (-20, 0, 0, PaymentState.CARRIED_OVER),
        (-20, 0, 5, PaymentState.OVERPAID),
        (None, 0, 5, PaymentState.OVERPAID),
    ],
)
def test_where_the_money_for_a_file_stands(
    accepted: int | None, carried: int, received: int, payment: PaymentState
) -> None:
    file = a_file(accepted_minor=accepted, carried_minor=carried, received_minor=received)
    assert file.payment is payment


def test_only_what_is_owed_to_the_card_company_is_carried_over() -> None:
    answer = Acknowledgement(accepted=FILE.totals)
    for left, carried in ((-7_000, -7_000), (7_000, 0)):
        after = acknowledge(FILE, answer, [], left, NOON)
        assert after is not None
        assert after.carried_minor == carried


@pytest.mark.parametrize(("age_s", "pause_s"), [(0, 5), (40, 10), (3_600, 300)])
def test_a_file_without_an_answer_is_tried_more_and_more_seldom(age_s: int, pause_s: int) -> None:
    file = replace(FILE, created_at=NOON)
    assert pause_after(file, NOON + timedelta(seconds=age_s)) == timedelta(seconds=pause_s)
