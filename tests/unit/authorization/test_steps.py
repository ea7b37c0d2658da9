"""What is done to a payment after its approval, decided over a batch's own copies."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from tests.factories.authorization import (
    a_batch,
    a_card,
    a_credit_line,
    a_linked_card,
    a_merchant,
    a_request,
    authorize_command,
    credit_of,
    decided,
)

from obverse.authorization.batch import Batch
from obverse.authorization.commands import (
    Capture,
    CloseDispute,
    Command,
    Conclude,
    Expire,
    OpenDispute,
    Refund,
    Release,
    Reverse,
)
from obverse.authorization.errors import (
    AlreadyCaptured,
    AuthorizationExpired,
    CaptureTooLarge,
    NotCapturable,
    NotDisputed,
    NothingToRelease,
    NotRefundable,
    RefundTooLarge,
    ReleaseTooLarge,
)
from obverse.authorization.model import Authorization, LegStatus, Status
from obverse.authorization.ports import LegAnswer, LegOutcome
from obverse.kit.errors import KeyReused
from obverse.ledger import AccountKind
from obverse.ledger.rules import house_account

SHOP = a_merchant()
APPROVED = LegAnswer(LegOutcome.APPROVED, "00", "123456")
CREDIT = 20_000
AMOUNT = 30_000


class Paid:
    """A payment of 30,000: 20,000 on a credit line, which is all it has, and 10,000 on a real card."""

    def __init__(self) -> None:
        self.credit = credit_of(CREDIT)
        self.line, self.real = a_credit_line(self.credit), a_linked_card()
        card = a_card(self.line, self.real)
        self.batch = a_batch([card], [self.line, self.real], [self.credit])
        opened = decided(self.batch.decide(authorize_command(card, a_request(AMOUNT, SHOP))))
        self.id = opened.id
        decided(self.batch.decide(Conclude(opened.id, {1: APPROVED})))

    def do(self, step: Callable[..., Command], *args: Any, **more: Any) -> Authorization:
        return decided(self.batch.decide(step(self.id, *args, **more)))

    def refused(self, step: Callable[..., Command], *args: Any, **more: Any) -> object:
        before = len(self.batch.books.journal)
        refusal = self.batch.decide(step(self.id, *args, **more))
        assert len(self.batch.books.journal) == before, "a refusal moves nothing"
        return refusal

    @property
    def available(self) -> int | None:
        return self.batch.books.available_minor(self.credit.id)

    def moved(self) -> dict[str, int]:
        """What each account was finally debited, less what it was credited."""
        names = {
            self.credit.id: "credit line",
            self.real.account_id: "real card",
            SHOP.account_id: "shop",
            house_account(AccountKind.DISPUTED, self.batch.partition_id, self.credit.currency).id: "disputed",
        }
        sums = dict.fromkeys(names.values(), 0)
        for t in self.batch.books.journal:
            if t.kind in ("posted", "post"):
                sums[names[t.debit_account_id]] += t.amount_minor
                sums[names[t.credit_account_id]] -= t.amount_minor
        return {name: minor for name, minor in sums.items() if minor}


def parts(payment: Authorization, counter: str) -> list[int]:
    return [getattr(leg, counter) for leg in payment.legs]


def test_captures_take_the_legs_in_their_order_up_to_what_was_authorized() -> None:
    paid = Paid()
    assert parts(paid.do(Capture, 15_000, "1"), "captured_minor") == [15_000, 0]
    assert parts(paid.do(Capture, 10_000, "2"), "captured_minor") == [20_000, 5_000]
    assert isinstance(paid.refused(Capture, 5_001, "3"), CaptureTooLarge)
    last = paid.do(Capture, None, "4")
    assert (last.captured_minor, last.open_minor) == (AMOUNT, 0)
    assert isinstance(paid.refused(Capture, 1, "5"), AlreadyCaptured)
    assert paid.moved() == {"credit line": 20_000, "real card": 10_000, "shop": -30_000}


def test_p16_refunds_go_back_to_the_legs_they_came_from_the_last_one_first() -> None:
    paid = Paid()
    paid.do(Capture, None, "c")
    assert parts(paid.do(Refund, 4_000, "1"), "refunded_minor") == [0, 4_000]
    assert parts(paid.do(Refund, 7_000, "2"), "refunded_minor") == [1_000, 10_000]
    assert isinstance(paid.refused(Refund, 19_001, "3"), RefundTooLarge)
    assert parts(paid.do(Refund, None, "4"), "refunded_minor") == [20_000, 10_000]
    assert isinstance(paid.refused(Refund, None, "5"), NotRefundable)
    assert paid.moved() == {}
    assert paid.available == CREDIT


def test_a_step_with_a_known_key_changes_nothing_and_another_one_with_it_is_refused() -> None:
    paid = Paid()
    first = paid.do(Capture, 10_000, "k")
    again = paid.do(Capture, 10_000, "k")
    assert again == replace(first, repeated=True)
    assert isinstance(paid.refused(Capture, 10_001, "k"), KeyReused)
    assert isinstance(paid.refused(Refund, 10_000, "k"), KeyReused)


@pytest.mark.parametrize(
    ("step", "refusal"),
    [
        ((Refund, 1, "r"), NotRefundable),
        ((Release, AMOUNT + 1, "r"), ReleaseTooLarge),
        ((Capture, 0, "r"), NotCapturable),
        ((OpenDispute, 1, "r"), NotRefundable),
    ],
    ids=["refund", "release too much", "capture nothing", "dispute"],
)
def test_what_cannot_be_done_before_a_capture(step: tuple[Any, ...], refusal: type) -> None:
    assert isinstance(Paid().refused(*step), refusal)


def test_a_release_gives_back_the_last_leg_first_and_tells_its_card_company() -> None:
    paid = Paid()
    released = paid.do(Release, 12_000, "1")
    assert parts(released, "released_minor") == [2_000, 10_000]
    assert [leg.status for leg in released.legs] == [LegStatus.APPROVED, LegStatus.REVERSING]
    assert paid.batch.legs_to_reverse == [(paid.id, 1)]
    assert paid.available == 2_000
    assert isinstance(paid.refused(Capture, 18_001, "2"), CaptureTooLarge)
    paid.do(Capture, 18_000, "3")
    assert isinstance(paid.refused(Release, 1, "4"), NothingToRelease)


def test_releasing_everything_is_cancelling_and_may_be_repeated() -> None:
    paid = Paid()
    assert paid.do(Release, None, "1").status is Status.REVERSED
    assert paid.do(Release, None, "1").repeated
    assert (paid.available, paid.moved()) == (CREDIT, {})


def test_time_releases_what_nobody_captured() -> None:
    paid = Paid()
    expired = paid.do(Expire)
    assert (expired.status, expired.released_minor, paid.available) == (Status.EXPIRED, AMOUNT, CREDIT)
    assert isinstance(paid.refused(Capture, 1_000, "late"), AuthorizationExpired)


def test_time_releases_the_rest_of_what_was_captured_in_part() -> None:
    paid = Paid()
    paid.do(Capture, 5_000, "c")
    expired = paid.do(Expire)
    assert (expired.status, expired.captured_minor, expired.released_minor) == (
        Status.APPROVED,
        5_000,
        25_000,
    )
    assert paid.do(Refund, None, "r").refunded_minor == 5_000


def test_an_operator_may_let_what_credit_lines_held_be_captured_late_if_the_money_is_still_there() -> None:
    paid = Paid()
    paid.do(Expire)
    assert isinstance(paid.refused(Capture, 20_001, "more", late=True), CaptureTooLarge)
    captured = paid.do(Capture, 15_000, "late", late=True)
    assert (captured.status, captured.captured_minor, captured.open_minor) == (Status.APPROVED, 15_000, 0)
    assert paid.do(Capture, None, "the rest", late=True).captured_minor == 20_000
    assert paid.moved() == {"credit line": 20_000, "shop": -20_000}
    assert isinstance(paid.refused(Capture, None, "no more", late=True), NotCapturable)


def test_nothing_is_captured_late_of_what_only_a_card_company_held() -> None:
    paid = Paid()
    paid.do(Capture, 20_000, "the credit line's")
    paid.do(Expire)
    assert isinstance(paid.refused(Capture, 1, "late"), AuthorizationExpired)
    assert isinstance(paid.refused(Capture, 1, "late", late=True), NotCapturable)


def test_p08_a_late_capture_that_is_undone_gives_everything_back() -> None:
    paid = Paid()
    paid.do(Expire)
    paid.do(Capture, 20_000, "late", late=True)
    undone = paid.do(Reverse)
    assert (undone.status, undone.refunded_minor, paid.moved()) == (Status.REVERSED, 20_000, {})


def test_p08_a_reversal_of_an_expired_payment_ends_it_for_operators_too() -> None:
    paid = Paid()
    paid.do(Expire)
    before = list(paid.batch.legs_to_reverse)
    assert paid.do(Reverse).status is Status.REVERSED
    assert paid.batch.legs_to_reverse == before, "its card company was told when it expired"
    assert isinstance(paid.refused(Capture, 1, "late", late=True), NotCapturable)


def test_what_its_merchant_has_released_is_not_captured_late() -> None:
    paid = Paid()
    paid.do(Release, 25_000, "gave it up")
    paid.do(Expire)
    assert isinstance(paid.refused(Capture, 5_001, "late", late=True), CaptureTooLarge)
    assert paid.do(Capture, None, "late", late=True).captured_minor == 5_000


def test_a_payment_released_part_by_part_is_undone_by_the_last_part() -> None:
    paid = Paid()
    paid.do(Release, 10_000, "1")
    assert paid.do(Release, 20_000, "2").status is Status.REVERSED
    assert paid.do(Release, 20_000, "2").repeated
    assert isinstance(paid.refused(Capture, None, "c"), NotCapturable)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((Capture, 1_000), (Capture, 1_000, True)),
        ((Capture, 1_000), (Capture, None)),
        ((Capture, None), (Capture, 30_000)),
        ((Release, 1_000), (Release, None)),
    ],
    ids=["final", "all instead of a part", "a part instead of all", "release all"],
)
def test_p06_a_key_is_good_for_what_was_asked_with_it_only(
    first: tuple[Any, ...], second: tuple[Any, ...]
) -> None:
    paid = Paid()
    paid.do(first[0], first[1], "k")
    assert isinstance(paid.refused(second[0], second[1], "k", *second[2:]), KeyReused)


def test_p06_undoing_with_the_key_of_another_step_is_refused() -> None:
    paid = Paid()
    paid.do(Release, 1_000, "k")
    assert isinstance(paid.refused(Reverse, "k"), KeyReused)
    assert paid.do(Reverse, "another").status is Status.REVERSED


def test_no_key_of_a_caller_can_be_that_of_the_rest_of_a_final_capture() -> None:
    paid = Paid()
    paid.do(Capture, 1_000, "a:rest")
    assert paid.do(Capture, 1_000, "a", True).open_minor == 0
    keys = [action.request_key for action in paid.batch.actions]
    assert len(set(keys)) == len(keys) == 3


def test_what_the_merchant_won_of_an_undone_payment_can_still_be_refunded() -> None:
    paid = Paid()
    paid.do(Capture, None, "c")
    paid.do(OpenDispute, 12_000, "d")
    paid.do(Reverse)
    paid.do(CloseDispute, 12_000, "e", merchant_pays=False)
    assert paid.do(Refund, None, "r").refunded_minor == AMOUNT
    assert paid.moved() == {}


def test_an_expired_payment_whose_money_has_gone_is_not_captured() -> None:
    paid = Paid()
    paid.do(Expire)
    other = a_card(paid.line)
    spent = a_batch([other], [paid.line], [replace(paid.credit, debits_posted_minor=1)])
    spent._by_id[paid.id] = paid.batch.authorizations([paid.id])[0]
    assert isinstance(spent.decide(Capture(paid.id, 20_000, "late", late=True)), NotCapturable)


@pytest.mark.parametrize("merchant_pays", [True, False], ids=["merchant", "member"])
def test_a_disputed_amount_is_credited_but_cannot_be_spent_until_somebody_pays(merchant_pays: bool) -> None:
    paid = Paid()
    paid.do(Capture, None, "c")
    disputed = paid.do(OpenDispute, 12_000, "d")
    assert parts(disputed, "disputed_minor") == [2_000, 10_000]
    assert paid.moved() == {"credit line": 18_000, "shop": -30_000, "disputed": 12_000}
    assert paid.available == 0
    assert isinstance(paid.refused(Refund, 18_001, "r"), RefundTooLarge)
    assert isinstance(paid.refused(OpenDispute, 1, "d2"), NotRefundable)

    closed = paid.do(CloseDispute, 12_000, "e", merchant_pays=merchant_pays)

    assert closed.disputed_minor == 0
    assert isinstance(paid.refused(CloseDispute, 12_000, "f", merchant_pays=merchant_pays), NotDisputed)
    if merchant_pays:
        assert paid.moved() == {"credit line": 18_000, "shop": -18_000}
        assert (paid.available, closed.refunded_minor) == (2_000, 12_000)
    else:
        assert paid.moved() == {"credit line": 20_000, "real card": 10_000, "shop": -30_000}
        assert (paid.available, closed.refunded_minor) == (0, 0)


def to_present(batch: Batch) -> list[tuple[str, bool]]:
    return [(a.kind, a.to_present and a.authorization_id not in batch.withdrawn) for a in batch.actions]


def test_card_companies_are_told_of_captures_and_of_what_comes_back() -> None:
    paid = Paid()
    paid.do(Capture, 20_000, "on-us only")
    paid.do(Capture, 10_000, "real card")
    paid.do(Refund, 10_000, "back")
    paid.do(Refund, 1_000, "back on-us")
    assert to_present(paid.batch) == [
        ("capture", False),
        ("capture", True),
        ("refund", True),
        ("refund", False),
    ]


def test_p08_a_capture_undone_before_card_companies_heard_of_it_is_reversed_there_and_never_presented() -> (
    None
):
    paid = Paid()
    paid.do(Capture, None, "c")
    undone = paid.do(Reverse)
    assert to_present(paid.batch) == [("capture", False), ("reversal", False)]
    assert [leg.status for leg in undone.legs] == [LegStatus.REVERSED, LegStatus.REVERSING]
    assert paid.batch.legs_to_reverse == [(paid.id, 1)]
    assert paid.moved() == {}


def test_a_capture_undone_after_card_companies_heard_of_it_is_presented_as_a_credit() -> None:
    paid = Paid()
    paid.do(Capture, None, "c")
    paid.batch._presented = {paid.id}
    undone = paid.do(Reverse)
    assert to_present(paid.batch) == [("capture", True), ("reversal", True)]
    assert [leg.status for leg in undone.legs] == [LegStatus.REVERSED, LegStatus.REVERSED]
    assert paid.batch.legs_to_reverse == []
    assert paid.moved() == {}


def test_undoing_a_payment_leaves_what_is_in_dispute_to_the_dispute() -> None:
    paid = Paid()
    paid.do(Capture, None, "c")
    paid.do(OpenDispute, 12_000, "d")
    undone = paid.do(Reverse)
    assert (undone.refunded_minor, undone.disputed_minor) == (18_000, 12_000)
    paid.do(CloseDispute, 12_000, "e", merchant_pays=True)
    assert paid.moved() == {}
