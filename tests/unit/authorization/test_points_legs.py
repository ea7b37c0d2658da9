"""Legs of points: asked before the card, all or none, and every unit back where it came from (P9, P16)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.factories.authorization import (
    a_credit_line,
    a_linked_card,
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
    YES,
    a_holding,
    a_mixed_batch,
    a_registered_card,
    pick,
    points_of,
)

from obverse.authorization.batch import Batch
from obverse.authorization.commands import (
    Capture,
    CloseDispute,
    Command,
    Conclude,
    LegReversed,
    OpenDispute,
    Refund,
    Release,
    Reverse,
)
from obverse.authorization.model import Authorization, Decline, Entry, Leg, LegStatus, Status
from obverse.authorization.ports import LegAnswer, LegOutcome, LegRequest, PointsRequest
from obverse.authorization.rules import INSUFFICIENT_POINTS
from obverse.points.model import MessageKind, PointsMessage

OK = LegAnswer(LegOutcome.APPROVED, "00", "123456")
NO = LegAnswer(LegOutcome.DECLINED, "05")
SILENT = LegAnswer(LegOutcome.NO_ANSWER)
AWAY = LegAnswer(LegOutcome.UNREACHABLE)


class Mixed:
    """Own credit 1,000, miles for 2,000 (4,000 units), stars for 3,000 (300 units), the rest by card."""

    def __init__(self, amount_minor: int = 10_000, own_minor: int = 1_000) -> None:
        account = credit_of(own_minor)
        self.own, self.miles, self.stars = a_credit_line(account), points_of(), points_of()
        linked = a_linked_card()
        card = a_registered_card(self.own, self.miles, self.stars, linked)
        sources = [self.own, self.miles, self.stars, linked]
        holdings = [a_holding(self.miles, MILES), a_holding(self.stars, STARS)]
        self.batch: Batch = a_mixed_batch([card], sources, [account], holdings=holdings)
        tender = (pick(self.own, own_minor), pick(self.miles, 2_000), pick(self.stars, 3_000))
        request = a_request(amount_minor, SHOP, entry=Entry.SWIPE, expiry=REGISTERED_EXPIRY)
        request = replace(request, cvv=None, tender=tender)
        self.opened = decided(self.batch.decide(authorize_command(card, request, cvv_ok=None)))

    def conclude(self, *answers: LegAnswer) -> Authorization:
        by_position = dict(enumerate(answers, 1))
        return decided(self.batch.decide(Conclude(self.opened.id, by_position)))

    def told(self) -> list[tuple[MessageKind, int, int | None]]:
        return [(m.kind, m.position, m.units) for m in self.batch.points_messages]

    def now(self) -> Authorization:
        (now,) = self.batch.authorizations([self.opened.id])
        return now


def statuses(payment: Authorization) -> list[LegStatus]:
    return [leg.status for leg in payment.legs]


def test_own_money_is_held_and_everybody_outside_is_asked_for_their_part() -> None:
    mixed = Mixed()
    assert mixed.opened.status is Status.PROCESSING
    assert statuses(mixed.opened) == [LegStatus.HELD] + [LegStatus.SENT] * 3
    asks = dict(mixed.batch.asks[mixed.opened.id])
    assert [type(asks[n]) for n in (1, 2, 3)] == [PointsRequest, PointsRequest, LegRequest]
    miles = asks[1]
    assert isinstance(miles, PointsRequest)
    assert (miles.units, miles.amount.amount_minor, miles.issuer_id) == (4_000, 2_000, MILES)
    assert miles.terminal is not None
    assert miles.terminal.terminal == "TERM0001"


def test_all_approve_and_what_is_only_held_is_confirmed() -> None:
    mixed = Mixed()
    paid = mixed.conclude(YES, replace(YES, to_confirm=False), OK)
    assert paid.status is Status.APPROVED
    assert mixed.told() == [(MessageKind.CONFIRM, 1, None)], "who only deducts has nothing to confirm"


@pytest.mark.parametrize(
    ("answers", "decline", "cancelled"),
    [
        ((YES, NO, AWAY), Decline.POINTS_ISSUER_DECLINED, [1]),
        ((YES, replace(NO, response_code=INSUFFICIENT_POINTS), AWAY), Decline.INSUFFICIENT_POINTS, [1]),
        ((YES, SILENT, AWAY), Decline.POINTS_ISSUER_LATE, [1, 2]),
        ((AWAY, YES, AWAY), Decline.POINTS_ISSUER_UNAVAILABLE, [2]),
        ((YES, YES, NO), Decline.CARD_COMPANY_DECLINED, [1, 2]),
        ((YES, YES, SILENT), Decline.CARD_COMPANY_LATE, [1, 2]),
        ((YES, YES, AWAY), Decline.CARD_COMPANY_UNAVAILABLE, [1, 2]),
        ((), Decline.POINTS_ISSUER_LATE, [1, 2]),
    ],
    ids=["no", "shrunk", "silent", "away", "card no", "card silent", "card away", "killed meanwhile"],
)
def test_p09_one_leg_that_fails_undoes_all_the_others(
    answers: tuple[LegAnswer, ...], decline: Decline, cancelled: list[int]
) -> None:
    mixed = Mixed()
    failed = mixed.conclude(*answers)
    assert (failed.status, failed.decline) == (Status.DECLINED, decline)
    assert mixed.told() == [(MessageKind.CANCEL, position, None) for position in cancelled]
    asked_card_in_vain = SILENT in answers[2:] or not answers
    assert mixed.batch.legs_to_reverse == ([(failed.id, 3)] if asked_card_in_vain else [])
    assert mixed.batch.books.available_minor(mixed.own.account_id) == 1_000  # type: ignore[arg-type]
    for position in cancelled:
        mixed.batch.decide(LegReversed(failed.id, position, seen=None))
    assert all(mixed.now().legs[position].status is LegStatus.REVERSED for position in cancelled)


def test_a_reversal_in_the_middle_cancels_points_and_late_approvals_change_nothing() -> None:
    mixed = Mixed()
    undone = decided(mixed.batch.decide(Reverse(mixed.opened.id)))
    assert undone.status is Status.REVERSED
    assert mixed.told() == [(MessageKind.CANCEL, 1, None), (MessageKind.CANCEL, 2, None)]
    late = mixed.conclude(YES, YES, OK)
    assert late.status is Status.REVERSED
    assert {kind for kind, _, _ in mixed.told()} == {MessageKind.CANCEL}


def test_p16_two_refunds_bring_every_unit_back_to_its_issuer_at_the_kept_rate() -> None:
    mixed = Mixed()
    mixed.conclude(YES, YES, OK)
    mixed.batch.decide(Capture(mixed.opened.id, None, "capture"))
    mixed.batch.points_messages.clear()
    mixed.batch.decide(Refund(mixed.opened.id, 6_995, "first"))
    assert [leg.refunded_minor for leg in mixed.now().legs] == [0, 0, 2_995, 4_000]
    mixed.batch.decide(Refund(mixed.opened.id, None, "second"))
    told = [(m.position, m.units_before, m.units) for m in mixed.batch.points_messages]
    assert told == [(2, 0, 299), (1, 0, 4_000), (2, 299, 1)]
    assert [leg.units_back for leg in mixed.now().legs] == [0, 4_000, 300, 0]


def test_a_whole_reversal_after_the_capture_gives_points_back_and_waits_for_nobody() -> None:
    mixed = Mixed()
    mixed.conclude(YES, YES, OK)
    mixed.batch.decide(Capture(mixed.opened.id, None, "capture"))
    mixed.batch.points_messages.clear()
    mixed.batch.decide(Reverse(mixed.opened.id))
    assert mixed.told() == [(MessageKind.GIVE_BACK, 1, 4_000), (MessageKind.GIVE_BACK, 2, 300)]
    assert statuses(mixed.now())[1:3] == [LegStatus.REVERSED] * 2


def test_a_dispute_gives_units_back_only_once_the_merchant_has_lost_it() -> None:
    mixed = Mixed(amount_minor=6_000)
    mixed.conclude(YES, YES)
    mixed.batch.decide(Capture(mixed.opened.id, None, "capture"))
    mixed.batch.points_messages.clear()
    mixed.batch.decide(OpenDispute(mixed.opened.id, 4_000, "open"))
    assert not mixed.told()
    mixed.batch.decide(CloseDispute(mixed.opened.id, 4_000, "lost", merchant_pays=True))
    assert sorted(mixed.told()) == [(MessageKind.GIVE_BACK, 1, 2_000), (MessageKind.GIVE_BACK, 2, 300)]


STEP = st.one_of(
    st.tuples(st.just(Capture), st.one_of(st.none(), st.integers(1, 7_000)), st.sampled_from("abcd")),
    st.tuples(st.just(Refund), st.one_of(st.none(), st.integers(1, 7_000)), st.sampled_from("efgh")),
    st.tuples(st.just(Release), st.one_of(st.none(), st.integers(1, 7_000)), st.sampled_from("ijkl")),
    st.tuples(st.just(OpenDispute), st.integers(1, 6_000), st.sampled_from("mn")),
    st.tuples(st.just(CloseDispute), st.integers(1, 6_000), st.sampled_from("op"), st.booleans()),
    st.tuples(st.just(Reverse)),
)


@given(steps=st.lists(STEP, max_size=20))
def test_p16_units_go_back_in_step_with_the_money_and_never_more_than_were_taken(
    steps: list[tuple[object, ...]],
) -> None:
    mixed = Mixed()
    mixed.conclude(YES, YES, OK)
    for step in steps:
        kind, *rest = step
        command: Command = kind(mixed.opened.id, *rest)  # type: ignore[operator]
        mixed.batch.decide(command)
        for leg in mixed.now().legs[1:3]:
            _in_step(leg, mixed.batch.points_messages)


def _in_step(leg: Leg, messages: list[PointsMessage]) -> None:
    assert leg.units is not None
    back = [m.units or 0 for m in messages if m.position == leg.position]
    gone = leg.released_minor + leg.refunded_minor
    assert sum(back) == leg.units_back <= leg.units
    assert leg.units_back * leg.amount_minor <= leg.units * gone
    assert (leg.units_back == leg.units) == (gone == leg.amount_minor)
