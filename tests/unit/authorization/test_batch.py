"""Batches decide command after command over one copy of the state, and note exactly what is to be written."""

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
    makers,
    told,
)

from obverse.authorization.commands import (
    Authorize,
    ByKey,
    Capture,
    Conclude,
    LegReversed,
    Reverse,
    ReverseByKey,
    Shown,
)
from obverse.authorization.errors import AlreadyCaptured, CaptureTooLarge, NotCapturable
from obverse.authorization.model import Authorization, Decline, Entry, LegStatus, Status
from obverse.authorization.ports import LegAnswer, LegOutcome
from obverse.cards.model import Controls, SpentOn
from obverse.kit.errors import NotFound
from obverse.kit.ids import AuthorizationId
from obverse.kit.money import KRW, Money
from obverse.ledger import TransferKind

SHOP = a_merchant()
APPROVED = {0: LegAnswer(LegOutcome.APPROVED, "00", "123456")}


def kinds(batch) -> list[tuple[TransferKind, int]]:  # type: ignore[no-untyped-def]
    return [(t.kind, t.amount_minor) for t in batch.books.journal]


class TestOnUs:
    account = credit_of(100_000)
    line = a_credit_line(account)

    def batch(self, *cards, earlier=()):  # type: ignore[no-untyped-def]
        return a_batch(cards, [self.line], [self.account], earlier)

    def test_an_approval_holds_the_money_and_spends_the_card(self) -> None:
        card = a_card(self.line)
        batch = self.batch(card)
        answer = decided(batch.decide(authorize_command(card, a_request(34_000, SHOP))))
        assert answer.status is Status.APPROVED
        assert answer.approval_code
        assert len(answer.approval_code) == 6
        assert kinds(batch) == [(TransferKind.PENDING, 34_000)]
        (use,) = batch.card_uses()
        assert (use.id, use.uses_left, use.spent_minor) == (card.id, 0, 34_000)
        assert [type_ for type_, _, _ in batch.news] == ["authorization.approved"]

    def test_p01_two_requests_for_one_number_in_one_batch_give_one_approval(self) -> None:
        card = a_card(self.line)
        batch = self.batch(card)
        answers = [decided(batch.decide(authorize_command(card, a_request(1_000, SHOP)))) for _ in range(5)]
        assert [a.status for a in answers] == [Status.APPROVED] + [Status.DECLINED] * 4
        assert {a.decline for a in answers[1:]} == {Decline.CARD_USED}
        assert kinds(batch) == [(TransferKind.PENDING, 1_000)]

    def test_payments_of_one_batch_share_what_is_left_of_the_credit(self) -> None:
        cards = [a_card(self.line) for _ in range(3)]
        batch = self.batch(*cards)
        answers = [decided(batch.decide(authorize_command(c, a_request(40_000, SHOP)))) for c in cards]
        assert [a.decline for a in answers] == [None, None, Decline.INSUFFICIENT_FUNDS]

    def test_p06_a_repeat_in_the_same_batch_gets_the_first_answer(self) -> None:
        card = a_card(self.line)
        batch = self.batch(card)
        request = a_request(34_000, SHOP, key="twice")
        first, second = (decided(batch.decide(authorize_command(card, request))) for _ in range(2))
        assert first == second
        assert len(batch.inserted) == 1

    def test_p06_a_changed_body_behind_the_same_key_is_refused(self) -> None:
        card = a_card(self.line)
        batch = self.batch(card)
        decided(batch.decide(authorize_command(card, a_request(34_000, SHOP, key="one"))))
        other = authorize_command(card, a_request(99, SHOP, key="one"), fingerprint=b"another")
        answer = decided(batch.decide(other))
        assert (answer.status, answer.approval_code) == (Status.DECLINED, None)
        assert answer.decline is Decline.KEY_REUSED

    def test_a_decline_is_stored_and_moves_nothing(self) -> None:
        card = a_card(self.line, uses_left=0)
        batch = self.batch(card)
        answer = decided(batch.decide(authorize_command(card, a_request(1, SHOP))))
        assert answer.id in batch.inserted
        assert kinds(batch) == []
        assert batch.card_uses() == []

    @pytest.mark.parametrize(
        ("entry", "cvv_ok", "expiry_ok", "approved"),
        [
            (Entry.ONLINE, True, True, True),
            (Entry.ONLINE, None, True, False),
            (Entry.TYPED, None, True, False),
            (Entry.ONLINE, False, True, False),
            (Entry.ONLINE, True, False, False),
            (Entry.CONTACTLESS, None, True, True),
            (Entry.CONTACTLESS, False, True, False),
            (Entry.SWIPE, None, False, False),
        ],
    )
    def test_card_details_must_be_the_cards_own(
        self, entry: Entry, cvv_ok: bool | None, expiry_ok: bool, approved: bool
    ) -> None:
        card = a_card(self.line)
        request = a_request(1_000, SHOP, entry=entry)
        request = request if expiry_ok else replace(request, expiry="2601")
        answer = decided(self.batch(card).decide(authorize_command(card, request, cvv_ok=cvv_ok)))
        assert answer.decline is (None if approved else Decline.WRONG_DETAILS)

    def test_a_zero_amount_check_is_approved_and_leaves_the_card_as_it_is(self) -> None:
        card = a_card(self.line)
        batch = self.batch(card)
        assert decided(batch.decide(authorize_command(card, a_request(0, SHOP)))).status is Status.APPROVED
        assert batch.card_uses() == []
        assert kinds(batch) == []

    def test_money_asked_at_once_is_posted_at_once(self) -> None:
        card = a_card(self.line)
        batch = self.batch(card)
        answer = decided(batch.decide(authorize_command(card, a_request(5_000, SHOP, capture=True))))
        assert answer.captured_minor == 5_000
        assert kinds(batch) == [(TransferKind.POSTED, 5_000)]

    def test_a_reversal_in_the_same_batch_voids_the_hold(self) -> None:
        card = a_card(self.line)
        batch = self.batch(card)
        answer = decided(batch.decide(authorize_command(card, a_request(5_000, SHOP))))
        undone = decided(batch.decide(Reverse(answer.id)))
        assert undone.status is Status.REVERSED
        assert kinds(batch) == [(TransferKind.PENDING, 5_000), (TransferKind.VOID, 5_000)]
        assert batch.books.available_minor(self.account.id) == 100_000
        assert [(use.uses_left, use.spent_minor) for use in batch.card_uses()] == [(0, 0)]
        assert list(batch.inserted) == [answer.id]
        assert not batch.updated

    def test_p08_a_reversal_repeated_moves_nothing_more(self) -> None:
        card = a_card(self.line)
        batch = self.batch(card)
        answer = decided(batch.decide(authorize_command(card, a_request(5_000, SHOP))))
        for _ in range(3):
            decided(batch.decide(Reverse(answer.id)))
        assert kinds(batch) == [(TransferKind.PENDING, 5_000), (TransferKind.VOID, 5_000)]

    def test_p08_a_reversal_before_its_original_declines_it(self) -> None:
        card = a_card(self.line)
        batch = self.batch(card)
        id_ = AuthorizationId(makers().new_id())
        mark = ReverseByKey(id_, "early", Shown(card.serial), Money(5_000, KRW), SHOP.id, None)
        assert decided(batch.decide(mark)).status is Status.REVERSED
        late = decided(batch.decide(authorize_command(card, a_request(5_000, SHOP, key="early"))))
        assert (late.status, late.decline) == (Status.REVERSED, Decline.REVERSED)
        assert kinds(batch) == []

    def test_p08_a_payment_repeated_after_its_reversal_is_not_approved(self) -> None:
        card = a_card(self.line)
        batch = self.batch(card)
        command = authorize_command(card, a_request(5_000, SHOP, key="k"))
        decided(batch.decide(command))
        mark = AuthorizationId(makers().new_id())
        decided(batch.decide(ReverseByKey(mark, "k", Shown(card.serial), Money(5_000, KRW), None, None)))
        assert decided(batch.decide(command)).status is Status.REVERSED

    def test_a_declined_payment_stays_declined_when_reversed(self) -> None:
        card = a_card(self.line, uses_left=0)
        batch = self.batch(card)
        answer = decided(batch.decide(authorize_command(card, a_request(1, SHOP))))
        assert decided(batch.decide(Reverse(answer.id))).status is Status.DECLINED

    def test_a_final_capture_posts_its_part_and_releases_the_rest(self) -> None:
        card = a_card(self.line)
        batch = self.batch(card)
        answer = decided(batch.decide(authorize_command(card, a_request(5_000, SHOP, key="c"))))
        step = Capture(ByKey("c", Shown(card.serial)), 3_000, "step", final=True)
        captured = decided(batch.decide(step))
        assert (captured.captured_minor, captured.released_minor) == (3_000, 2_000)
        assert kinds(batch)[1:] == [(TransferKind.POST, 3_000), (TransferKind.VOID, 2_000)]
        assert [t.resolved_before_minor for t in batch.books.journal[1:]] == [0, 3_000]
        assert told(decided(batch.decide(step))) == captured
        assert isinstance(batch.decide(Capture(answer.id, 2_000, "another")), AlreadyCaptured)

    def test_a_captured_payment_goes_back_the_other_way_round(self) -> None:
        card = a_card(self.line)
        batch = self.batch(card)
        answer = decided(batch.decide(authorize_command(card, a_request(5_000, SHOP))))
        decided(batch.decide(Capture(answer.id, 3_000, "part", final=True)))
        decided(batch.decide(Reverse(answer.id)))
        back = batch.books.journal[-1]
        assert (back.kind, back.amount_minor) == (TransferKind.POSTED, 3_000)
        assert (back.debit_account_id, back.credit_account_id) == (SHOP.account_id, self.account.id)
        assert batch.books.available_minor(self.account.id) == 100_000

    def test_captures_that_cannot_be(self) -> None:
        card, used = a_card(self.line), a_card(self.line, uses_left=0)
        batch = self.batch(card, used)
        answer = decided(batch.decide(authorize_command(card, a_request(5_000, SHOP))))
        declined = decided(batch.decide(authorize_command(used, a_request(5_000, SHOP))))
        assert isinstance(batch.decide(Capture(answer.id, 5_001, "a")), CaptureTooLarge)
        assert isinstance(batch.decide(Capture(declined.id, None, "b")), NotCapturable)
        assert isinstance(batch.decide(Capture(AuthorizationId(makers().new_id()), None, "c")), NotFound)
        assert isinstance(
            batch.decide(Capture(ByKey("never heard of", Shown(card.serial)), None, "d")), NotFound
        )

    def test_a_card_spent_on_capture_allows_payments_until_one_is_captured(self) -> None:
        card = a_card(self.line, controls=Controls(spent_on=SpentOn.CAPTURE))
        batch = self.batch(card)
        first = decided(batch.decide(authorize_command(card, a_request(1_000, SHOP))))
        second = decided(batch.decide(authorize_command(card, a_request(1_000, SHOP))))
        assert second.status is Status.APPROVED
        decided(batch.decide(Capture(first.id, None, "e")))
        third = decided(batch.decide(authorize_command(card, a_request(1_000, SHOP))))
        assert third.decline is Decline.CARD_USED


class TestOffUs:
    account = credit_of(20_000)
    line = a_credit_line(account)
    linked = a_linked_card()

    def opened(self, *, capture: bool = False, amount_minor: int = 30_000):  # type: ignore[no-untyped-def]
        card = a_card(self.line, self.linked)
        batch = a_batch([card], [self.line, self.linked], [self.account])
        command: Authorize = authorize_command(card, a_request(amount_minor, SHOP, capture=capture))
        return batch, decided(batch.decide(command)), card

    def test_own_money_is_held_and_the_card_company_asked_in_one_commit(self) -> None:
        batch, opened, _ = self.opened()
        assert opened.status is Status.PROCESSING
        assert opened.deadline_at is not None
        assert [leg.status for leg in opened.legs] == [LegStatus.HELD, LegStatus.SENT]
        assert kinds(batch) == [(TransferKind.PENDING, 20_000)]
        ((position, ask),) = batch.asks[opened.id]
        assert (position, ask.amount.amount_minor, ask.network_ref) == (1, 10_000, opened.legs[1].network_ref)
        assert batch.card_uses()[0].uses_left == 0
        assert batch.news == []

    def test_p09_all_legs_hold_when_the_card_company_approves(self) -> None:
        batch, opened, _ = self.opened()
        closed = decided(batch.decide(Conclude(opened.id, {1: APPROVED[0]})))
        assert closed.status is Status.APPROVED
        assert [leg.status for leg in closed.legs] == [LegStatus.APPROVED, LegStatus.APPROVED]
        assert kinds(batch) == [(TransferKind.PENDING, 20_000), (TransferKind.PENDING, 10_000)]

    def test_money_asked_at_once_is_posted_on_every_leg(self) -> None:
        batch, opened, _ = self.opened(capture=True)
        closed = decided(batch.decide(Conclude(opened.id, {1: APPROVED[0]})))
        assert closed.captured_minor == 30_000
        assert kinds(batch) == [
            (TransferKind.PENDING, 20_000),
            (TransferKind.POST, 20_000),
            (TransferKind.POSTED, 10_000),
        ]

    @pytest.mark.parametrize(
        ("outcome", "decline", "leg_status", "to_reverse"),
        [
            (LegOutcome.DECLINED, Decline.CARD_COMPANY_DECLINED, LegStatus.DECLINED, 0),
            (LegOutcome.UNREACHABLE, Decline.CARD_COMPANY_UNAVAILABLE, LegStatus.DECLINED, 0),
            (LegOutcome.NO_ANSWER, Decline.CARD_COMPANY_LATE, LegStatus.UNKNOWN, 1),
        ],
    )
    def test_p09_no_leg_holds_when_one_does_not(
        self, outcome: LegOutcome, decline: Decline, leg_status: LegStatus, to_reverse: int
    ) -> None:
        batch, opened, _ = self.opened()
        closed = decided(batch.decide(Conclude(opened.id, {1: LegAnswer(outcome)})))
        assert (closed.status, closed.decline) == (Status.DECLINED, decline)
        assert [leg.status for leg in closed.legs] == [LegStatus.REVERSED, leg_status]
        assert len(batch.legs_to_reverse) == to_reverse
        assert batch.books.available_minor(self.account.id) == 20_000
        assert batch.card_uses() == []  # the number was never approved: as good as new

    def test_p08_a_late_approval_never_revives_a_payment(self) -> None:
        batch, opened, _ = self.opened()
        closed = decided(batch.decide(Conclude(opened.id, {})))
        again = decided(batch.decide(Conclude(opened.id, {1: APPROVED[0]})))
        assert (again.status, again.decline) == (closed.status, closed.decline)
        assert again.status is Status.DECLINED
        assert batch.legs_to_reverse == [(opened.id, 1)]

    def test_p08_a_reversal_while_the_card_company_is_asked_wins(self) -> None:
        batch, opened, _ = self.opened()
        undone = decided(batch.decide(Reverse(opened.id)))
        assert (undone.status, undone.deadline_at) == (Status.REVERSED, None)
        after = decided(batch.decide(Conclude(opened.id, {1: APPROVED[0]})))
        assert after.status is Status.REVERSED
        assert batch.legs_to_reverse == [(opened.id, 1)]
        assert kinds(batch) == [(TransferKind.PENDING, 20_000), (TransferKind.VOID, 20_000)]

    def test_p08_a_reversal_sent_before_the_answer_came_does_not_count(self) -> None:
        batch, opened, _ = self.opened()
        decided(batch.decide(Reverse(opened.id)))
        decided(batch.decide(Conclude(opened.id, {1: APPROVED[0]})))
        early = decided(batch.decide(LegReversed(opened.id, 1, LegStatus.UNKNOWN)))
        assert early.legs[1].status is LegStatus.REVERSING
        again = decided(batch.decide(LegReversed(opened.id, 1, LegStatus.REVERSING)))
        assert again.legs[1].status is LegStatus.REVERSED

    def test_an_approved_leg_is_reversed_at_the_card_company_until_acknowledged(self) -> None:
        batch, opened, _ = self.opened()
        decided(batch.decide(Conclude(opened.id, {1: APPROVED[0]})))
        undone = decided(batch.decide(Reverse(opened.id)))
        assert [leg.status for leg in undone.legs] == [LegStatus.REVERSED, LegStatus.REVERSING]
        assert batch.legs_to_reverse == [(opened.id, 1)]
        acknowledged: Authorization = decided(batch.decide(LegReversed(opened.id, 1, LegStatus.REVERSING)))
        assert acknowledged.legs[1].status is LegStatus.REVERSED
