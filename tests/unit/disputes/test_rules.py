"""What may be disputed, who may end it when, and what is taken as evidence."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace
from tests.factories.cards import a_card
from tests.factories.disputes import ANSWER_TIME, WINDOW, a_captured_payment, a_complaint
from tests.factories.ledger import NOON

from obverse.authorization import Action, ActionKind, Authorization, Status
from obverse.cards import CardHandedOver, HeldBy
from obverse.disputes import (
    AlreadyDisputed,
    AnswerClosed,
    AnswerPending,
    Dispute,
    DisputeClosed,
    DisputeTooLarge,
    DisputeTooLate,
    DocumentNotAccepted,
    NotDisputable,
    Outcome,
    Party,
    Reason,
    State,
    Terms,
    TooManyDocuments,
    rules,
)
from obverse.disputes.model import Document, Ending
from obverse.draws import HOUSE_MERCHANT
from obverse.kit.errors import InvalidRequest, ObverseError
from obverse.kit.ids import ActionId, AuthorizationId, CardId, DisputeId, MemberId, MerchantId
from obverse.kit.money import KRW, Money

TERMS = Terms(window=WINDOW, answer_time=ANSWER_TIME)
DAY = timedelta(days=1)
DECIDED = Ending(Party.OPERATOR, Outcome.MEMBER_PAYS)


def a_capture(payment: Authorization, days_ago: int = 1) -> Action:
    assert payment.merchant_id is not None
    return Action(
        id=ActionId(uuid4()),
        authorization_id=payment.id,
        merchant_id=payment.merchant_id,
        kind=ActionKind.CAPTURE,
        amount=payment.amount,
        parts=[34_000],
        request_key="capture",
        asked="",
        to_present=False,
        created_at=NOON - days_ago * DAY,
    )


def a_dispute(**changes: object) -> Dispute:
    """Open, with a week left to answer."""
    dispute = Dispute(
        id=DisputeId(UUID(int=1)),
        authorization_id=AuthorizationId(UUID(int=2)),
        card_id=CardId(UUID(int=3)),
        merchant_id=MerchantId(UUID(int=4)),
        member_id=MemberId(UUID(int=5)),
        opened_by=HeldBy.MEMBER,
        amount=Money(34_000, KRW),
        reason=Reason.NOT_RECEIVED,
        statement="It never came.",
        state=State.OPEN,
        answer_due_at=NOON + 7 * DAY,
        answer=None,
        outcome=None,
        ended_by=None,
        ended_at=None,
        request_key="key",
        fingerprint=b"",
        created_at=NOON - 7 * DAY,
    )
    return replace(dispute, **changes)  # type: ignore[arg-type]


def closed(by: Party, outcome: Outcome, state: State = State.CLOSED) -> Dispute:
    return a_dispute(state=state, outcome=outcome, ended_by=by, ended_at=NOON)


@pytest.mark.parametrize(
    ("changes", "asked", "disputed"),
    [
        pytest.param({}, None, 34_000, id="all of it"),
        pytest.param({}, 34_000, 34_000, id="all of it by its amount"),
        pytest.param({}, 1, 1, id="the smallest part"),
        pytest.param({"captured_minor": 20_000}, None, 20_000, id="what was captured, not authorized"),
        pytest.param({"refunded_minor": 4_000}, None, 30_000, id="what was not refunded"),
    ],
)
def test_what_was_captured_and_not_given_back_can_be_disputed(
    changes: dict[str, int], asked: int | None, disputed: int
) -> None:
    payment = a_captured_payment(**changes)
    actions = [a_capture(payment)]

    assert (
        rules.disputed_minor(payment, a_complaint(asked), actions=actions, terms=TERMS, now=NOON) == disputed
    )


@pytest.mark.parametrize(
    ("changes", "asked", "refusal"),
    [
        pytest.param({"captured_minor": 0}, None, NotDisputable, id="not captured"),
        pytest.param({"refunded_minor": 34_000}, None, NotDisputable, id="refunded"),
        pytest.param({"status": Status.REVERSED}, None, NotDisputable, id="reversed"),
        pytest.param({"status": Status.DECLINED, "captured_minor": 0}, None, NotDisputable, id="declined"),
        pytest.param({"merchant_id": HOUSE_MERCHANT}, None, NotDisputable, id="a draw"),
        pytest.param({}, 34_001, DisputeTooLarge, id="a won too much"),
        pytest.param({"refunded_minor": 4_000}, 30_001, DisputeTooLarge, id="a won more than is left"),
        pytest.param({"disputed_minor": 4_000}, 30_000, AlreadyDisputed, id="while it is in dispute"),
    ],
)
def test_nothing_else_can_be_disputed(
    changes: dict[str, object], asked: int | None, refusal: type[ObverseError]
) -> None:
    payment = a_captured_payment(**changes)
    actions = [a_capture(payment)] if payment.captured_minor else []

    with pytest.raises(refusal):
        rules.disputed_minor(payment, a_complaint(asked), actions=actions, terms=TERMS, now=NOON)


def test_the_time_to_dispute_runs_from_the_latest_capture() -> None:
    payment = a_captured_payment()
    early, late = a_capture(payment, 121), a_capture(payment, 119)

    assert rules.disputed_minor(payment, a_complaint(), actions=[early, late], terms=TERMS, now=NOON)
    with pytest.raises(DisputeTooLate):
        rules.disputed_minor(payment, a_complaint(), actions=[early], terms=TERMS, now=NOON)
    with pytest.raises(DisputeTooLate):
        rules.disputed_minor(payment, a_complaint(), actions=[late], terms=TERMS, now=NOON + DAY)


@pytest.mark.parametrize(
    ("held_by", "by", "may"),
    [
        (HeldBy.MEMBER, HeldBy.MEMBER, True),
        (HeldBy.RECIPIENT, HeldBy.RECIPIENT, True),
        (HeldBy.RECIPIENT, HeldBy.MEMBER, False),
    ],
)
def test_whoever_holds_the_card_disputes_and_its_giver_does_not(
    held_by: HeldBy, by: HeldBy, may: bool
) -> None:
    card = a_card(held_by=held_by)
    if may:
        rules.check_holder(card, by)
    else:
        with pytest.raises(CardHandedOver):
            rules.check_holder(card, by)


@pytest.mark.parametrize("state", [State.OPEN, State.ANSWERED, State.UNANSWERED])
@pytest.mark.parametrize("ending", [rules.WITHDRAWN, rules.ACCEPTED])
def test_merchant_and_holder_may_give_in_at_any_moment(state: State, ending: Ending) -> None:
    ended = rules.end(a_dispute(state=state), ending, NOON)

    assert (ended.state, ended.outcome, ended.ended_by) == (State.CLOSING, ending.outcome, ending.by)
    assert ended.ended_at == NOON


@pytest.mark.parametrize(
    ("state", "now", "may"),
    [
        pytest.param(State.OPEN, NOON, False, id="while the merchant may answer"),
        pytest.param(State.OPEN, NOON + 7 * DAY, True, id="when its time is over"),
        pytest.param(State.ANSWERED, NOON, True, id="after the answer"),
        pytest.param(State.UNANSWERED, NOON + 8 * DAY, True, id="after no answer"),
    ],
)
def test_an_operator_waits_for_the_answer_or_the_end_of_its_time(state: State, now, may: bool) -> None:
    dispute = a_dispute(state=state, answer="It came." if state is State.ANSWERED else None)
    if may:
        assert rules.end(dispute, DECIDED, now).outcome is Outcome.MEMBER_PAYS
    else:
        with pytest.raises(AnswerPending):
            rules.end(dispute, DECIDED, now)


@pytest.mark.parametrize("state", [State.CLOSING, State.CLOSED])
def test_what_has_ended_stays_ended_and_the_same_end_may_be_asked_for_again(state: State) -> None:
    dispute = closed(Party.OPERATOR, Outcome.MEMBER_PAYS, state)

    assert rules.end(dispute, DECIDED, NOON + DAY) is dispute
    for other in (rules.WITHDRAWN, rules.ACCEPTED, Ending(Party.OPERATOR, Outcome.MERCHANT_PAYS)):
        with pytest.raises(DisputeClosed):
            rules.end(dispute, other, NOON + DAY)


@pytest.mark.parametrize(
    ("dispute", "now", "refusal"),
    [
        pytest.param(a_dispute(), NOON + 7 * DAY, AnswerClosed, id="too late"),
        pytest.param(a_dispute(state=State.ANSWERED, answer="No."), NOON, AnswerClosed, id="twice"),
        pytest.param(a_dispute(state=State.UNANSWERED), NOON, AnswerClosed, id="marked unanswered"),
        pytest.param(
            closed(Party.HOLDER, Outcome.MEMBER_PAYS, State.CLOSING), NOON, DisputeClosed, id="withdrawn"
        ),
    ],
)
def test_a_merchant_answers_once_and_in_time(dispute: Dispute, now, refusal: type[ObverseError]) -> None:
    rules.check_answerable(a_dispute(), NOON)
    with pytest.raises(refusal):
        rules.check_answerable(dispute, now)


@pytest.mark.parametrize(
    ("media_type", "content"),
    [
        ("application/pdf", b"%PDF-1.7 ..."),
        ("image/png", b"\x89PNG\r\n\x1a\n..."),
        ("image/jpeg", b"\xff\xd8\xff\xe0..."),
        ("text/plain", "받았습니다".encode()),
    ],
)
def test_documents_of_four_kinds_are_taken(media_type: str, content: bytes) -> None:
    rules.check_document("proof", media_type, content)


@pytest.mark.parametrize(
    ("name", "media_type", "content", "refusal"),
    [
        pytest.param("a.html", "text/html", b"<script>", DocumentNotAccepted, id="HTML"),
        pytest.param("a.svg", "image/svg+xml", b"<svg/>", DocumentNotAccepted, id="SVG"),
        pytest.param("a.pdf", "application/pdf", b"MZ...", DocumentNotAccepted, id="a program as PDF"),
        pytest.param("a.png", "image/png", b"%PDF-", DocumentNotAccepted, id="a PDF as PNG"),
        pytest.param("a.txt", "text/plain", b"\xff\xfe", DocumentNotAccepted, id="text that is not UTF-8"),
        pytest.param("a.txt", "text/plain", b"a\0b", DocumentNotAccepted, id="text with NUL"),
        pytest.param("a.txt", "", b"text", DocumentNotAccepted, id="no type"),
        pytest.param("a.txt", "text/plain", b"", InvalidRequest, id="nothing"),
        pytest.param("a.txt", "text/plain", b"x" * (2**20 + 1), InvalidRequest, id="a byte too much"),
        pytest.param("", "text/plain", b"text", InvalidRequest, id="no name"),
        pytest.param("../a", "text/plain", b"text", InvalidRequest, id="a path"),
        pytest.param("a\r\nb", "text/plain", b"text", InvalidRequest, id="a name with a line break"),
        pytest.param("x" * 101, "text/plain", b"text", InvalidRequest, id="a long name"),
    ],
)
def test_what_an_operator_could_not_open_safely_is_refused(
    name: str, media_type: str, content: bytes, refusal: type[ObverseError]
) -> None:
    with pytest.raises(refusal):
        rules.check_document(name, media_type, content)


def test_a_dispute_has_room_for_five_documents() -> None:
    documents = [
        Document(DisputeId(UUID(int=1)), number, "a", "text/plain", 1, b"", NOON) for number in range(1, 6)
    ]
    assert rules.next_number([]) == 1
    assert rules.next_number(documents[:4]) == 5
    with pytest.raises(TooManyDocuments):
        rules.next_number(documents)


@pytest.mark.parametrize("text", ["", "   ", "x" * 2_001, "a\0b", "\ud800"])
def test_a_statement_is_something_that_can_be_read_and_kept(text: str) -> None:
    with pytest.raises(InvalidRequest):
        rules.check_text(text, "statement")
