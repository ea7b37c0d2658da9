"""Disputes over a real database and the engine: who said what, and where the money is after each step."""

import asyncio

import pytest
from tests.factories.disputes import ANSWER_TIME, WINDOW
from tests.integration.disputes.conftest import LIMIT, PRICE, Scene

from obverse.authorization import Status
from obverse.authorization.errors import RefundTooLarge
from obverse.cards import CardHandedOver, HeldBy, Viewer
from obverse.disputes import (
    AlreadyDisputed,
    AnswerClosed,
    AnswerPending,
    DisputeClosed,
    DisputeNotFound,
    DisputeTooLate,
    NotDisputable,
    Outcome,
    Party,
    State,
    TooManyDocuments,
    repository,
)
from obverse.kit import audit
from obverse.kit.errors import KeyReused, NotFound, Unavailable
from obverse.kit.ids import DisputeId
from obverse.kit.paging import PageRequest

ACTOR = "key_01h455vb4pex5vsknk084sn02q"


async def test_an_open_dispute_credits_the_member_who_may_not_spend_it_yet(scene: Scene) -> None:
    opened = await scene.open(10_000)

    assert (opened.dispute.state, opened.dispute.amount.amount_minor) == (State.OPEN, 10_000)
    assert await scene.owed() == PRICE - 10_000
    assert await scene.available() == LIMIT - PRICE
    assert (await scene.now()).disputed_minor == 10_000
    assert await scene.news() == ["dispute.opened"]


async def test_when_the_merchant_pays_the_credit_stays_and_may_be_spent(scene: Scene) -> None:
    dispute = (await scene.open()).dispute

    ended = await scene.disputes.accept(dispute.id)

    assert (ended.state, ended.outcome, ended.ended_by) == (
        State.CLOSED, Outcome.MERCHANT_PAYS, Party.MERCHANT,
    )  # fmt: skip
    assert (await scene.owed(), await scene.available()) == (0, LIMIT)
    assert await scene.balance("merchant_payable") == 0
    assert await scene.balance("disputed") == 0
    assert await scene.actions() == ["capture", "dispute", "dispute_lost"]


async def test_when_the_member_pays_the_credit_is_taken_back(scene: Scene) -> None:
    dispute = (await scene.open()).dispute
    await scene.disputes.answer(dispute.id, "It was delivered.")

    ended = await scene.disputes.decide(dispute.id, Outcome.MEMBER_PAYS, ACTOR, "Signed for.")

    assert (ended.state, ended.outcome) == (State.CLOSED, Outcome.MEMBER_PAYS)
    assert (await scene.owed(), await scene.available()) == (PRICE, LIMIT - PRICE)
    assert await scene.balance("merchant_payable") == PRICE
    assert await scene.balance("disputed") == 0
    assert await scene.news() == ["dispute.opened", "dispute.answered", "dispute.closed"]


@pytest.mark.parametrize("outcome", list(Outcome))
async def test_a_real_card_is_credited_and_debited_in_the_same_way(
    off_us_scene: Scene, outcome: Outcome
) -> None:
    scene = off_us_scene
    dispute = (await scene.open()).dispute
    assert await scene.balance("card_company_receivable") == 0
    await scene.disputes.answer(dispute.id, "It was delivered.")

    await scene.disputes.decide(dispute.id, outcome, ACTOR, "Seen the documents.")

    merchant_keeps = PRICE if outcome is Outcome.MEMBER_PAYS else 0
    assert await scene.balance("merchant_payable") == merchant_keeps
    assert await scene.balance("card_company_receivable") == -merchant_keeps
    assert await scene.balance("disputed") == 0


# repeats and twins -----------------------------------------------------------------------------------------


async def test_p06_the_same_complaint_again_is_the_same_dispute(scene: Scene) -> None:
    first = await scene.open(10_000, "key")
    again = await scene.open(10_000, "key")

    assert (first.repeated, again.repeated) == (False, True)
    assert first.dispute == again.dispute
    with pytest.raises(KeyReused):
        await scene.open(9_000, "key")


async def test_p06_twins_with_one_key_open_one_dispute(scene: Scene) -> None:
    answers = await asyncio.gather(*[scene.open(10_000, "key") for _ in range(16)])

    assert len({answer.dispute.id for answer in answers}) == 1
    assert sum(not answer.repeated for answer in answers) == 1
    assert await scene.news() == ["dispute.opened"]
    assert await scene.actions() == ["capture", "dispute"]


async def test_of_64_complaints_at_once_one_opens_a_dispute(scene: Scene) -> None:
    answers = await asyncio.gather(*[scene.open(1_000) for _ in range(64)], return_exceptions=True)

    opened = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert len(opened) == 1
    assert {type(answer) for answer in answers if isinstance(answer, BaseException)} == {AlreadyDisputed}
    assert (await scene.now()).disputed_minor == 1_000


async def test_every_way_to_end_a_dispute_asked_for_at_once_ends_it_once(scene: Scene) -> None:
    dispute = (await scene.open()).dispute
    await scene.disputes.answer(dispute.id, "It was delivered.")

    await asyncio.gather(
        *[scene.disputes.accept(dispute.id) for _ in range(8)],
        *[scene.disputes.withdraw(dispute.id) for _ in range(8)],
        *[scene.disputes.decide(dispute.id, Outcome.MEMBER_PAYS, ACTOR, "Why.") for _ in range(8)],
        return_exceptions=True,
    )

    ended = await scene.disputes.get(dispute.id)
    assert ended.state is State.CLOSED
    assert await scene.news() == ["dispute.opened", "dispute.answered", "dispute.closed"]
    lost = ended.outcome is Outcome.MERCHANT_PAYS
    assert await scene.actions() == ["capture", "dispute", "dispute_lost" if lost else "dispute_won"]


# one after the other ---------------------------------------------------------------------------------------


async def test_a_dispute_that_was_withdrawn_may_be_followed_by_another_once(scene: Scene) -> None:
    dispute = (await scene.open(10_000, "first")).dispute
    with pytest.raises(AlreadyDisputed):
        await scene.open(1_000)

    withdrawn = await scene.disputes.withdraw(dispute.id)

    assert (withdrawn.outcome, withdrawn.ended_by) == (Outcome.MEMBER_PAYS, Party.HOLDER)
    assert await scene.owed() == PRICE
    second = (await scene.open(20_000)).dispute
    assert second.state is State.OPEN
    assert (await scene.open(10_000, "first")).dispute == withdrawn

    await scene.disputes.withdraw(second.id)
    with pytest.raises(AlreadyDisputed):
        await scene.open(1_000)
    assert await scene.owed() == PRICE


@pytest.mark.parametrize("outcome", list(Outcome))
async def test_what_was_decided_is_not_disputed_again(scene: Scene, outcome: Outcome) -> None:
    dispute = (await scene.open(10_000)).dispute
    await scene.disputes.answer(dispute.id, "It was delivered.")
    await scene.disputes.decide(dispute.id, outcome, ACTOR, "Seen the documents.")

    with pytest.raises(AlreadyDisputed):
        await scene.open(1_000)
    for other in (scene.disputes.withdraw, scene.disputes.accept):
        with pytest.raises(DisputeClosed):
            await other(dispute.id)


async def test_a_refund_leaves_alone_what_is_in_dispute(scene: Scene) -> None:
    dispute = (await scene.open(30_000)).dispute
    with pytest.raises(RefundTooLarge):
        await scene.world.engine.refund(scene.payment.id, 4_001)

    await scene.world.engine.refund(scene.payment.id, 4_000)
    await scene.disputes.accept(dispute.id)

    assert (await scene.owed(), await scene.balance("merchant_payable")) == (0, 0)


@pytest.mark.parametrize("outcome", list(Outcome))
async def test_a_payment_that_is_reversed_while_in_dispute_keeps_the_disputed_part_apart(
    scene: Scene, outcome: Outcome
) -> None:
    dispute = (await scene.open(10_000)).dispute
    assert (await scene.world.engine.cancel(scene.payment.id)).status is Status.REVERSED
    assert await scene.owed() == 0

    await scene.disputes.answer(dispute.id, "It was delivered.")
    await scene.disputes.decide(dispute.id, outcome, ACTOR, "Seen the documents.")

    kept = 10_000 if outcome is Outcome.MEMBER_PAYS else 0
    assert (await scene.owed(), await scene.balance("merchant_payable")) == (kept, kept)


async def test_a_complaint_that_comes_too_late_is_refused(scene: Scene) -> None:
    clock = scene.world.house.clock
    clock.move_to(clock.offset + WINDOW)

    with pytest.raises(DisputeTooLate):
        await scene.open()


async def test_the_giver_of_a_card_does_not_dispute_what_its_recipient_bought(scene: Scene) -> None:
    cards = scene.world.house.cards
    given, face = await scene.world.card()
    _, token = await cards.hand_over(given.id)
    held, _ = await cards.claim(token)
    face = cards.reveal(held, Viewer.RECIPIENT)
    scene.payment = await scene.world.engine.authorize(scene.world.request(face, PRICE, capture=True))
    scene.card = held

    with pytest.raises(CardHandedOver):
        await scene.open(by=HeldBy.MEMBER)
    opened = await scene.open(by=HeldBy.RECIPIENT)

    page = PageRequest()
    mine = await scene.disputes.list(page, member_id=held.member_id, opened_by=HeldBy.MEMBER)
    theirs = await scene.disputes.list(page, card_id=held.id, opened_by=HeldBy.RECIPIENT)
    assert (mine.items, [dispute.id for dispute in theirs.items]) == ([], [opened.dispute.id])


# kills -----------------------------------------------------------------------------------------------------


class Killed(Exception):
    """Stands for the end of the process."""


def kill(*_: object, **__: object) -> None:
    raise Killed


@pytest.mark.parametrize("after_the_engine", [False, True])
async def test_a_kill_while_opening_moves_the_money_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, after_the_engine: bool
) -> None:
    with monkeypatch.context() as patched:
        if after_the_engine:
            patched.setattr(repository, "move", kill)
        else:
            patched.setattr(type(scene.world.engine), "open_dispute", kill)
        with pytest.raises(Killed):
            await scene.open(10_000, "key")
    assert await scene.news() == []

    assert await scene.disputes.finish() == 1
    assert await scene.disputes.finish() == 0

    again = await scene.open(10_000, "key")
    assert (again.repeated, again.dispute.state) == (True, State.OPEN)
    assert await scene.owed() == PRICE - 10_000
    assert await scene.actions() == ["capture", "dispute"]
    assert await scene.news() == ["dispute.opened"]


@pytest.mark.parametrize("after_the_engine", [False, True])
@pytest.mark.parametrize("by_the_chore", [False, True])
async def test_a_kill_while_closing_moves_the_money_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, after_the_engine: bool, by_the_chore: bool
) -> None:
    dispute = (await scene.open(10_000)).dispute
    with monkeypatch.context() as patched:
        if after_the_engine:
            patched.setattr(repository, "move", kill)
        else:
            patched.setattr(type(scene.world.engine), "close_dispute", kill)
        with pytest.raises(Killed):
            await scene.disputes.accept(dispute.id)

    if by_the_chore:
        assert await scene.disputes.finish() == 1
    ended = await scene.disputes.accept(dispute.id)

    assert ended.state is State.CLOSED
    assert await scene.owed() == PRICE - 10_000
    assert await scene.actions() == ["capture", "dispute", "dispute_lost"]
    assert await scene.news() == ["dispute.opened", "dispute.closed"]


async def test_the_background_finishes_what_it_can_though_some_of_it_fails(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await scene.world.engine.authorize(
        scene.world.request((await scene.world.card())[1], PRICE, capture=True)
    )
    first, engine = scene.payment, type(scene.world.engine)
    with monkeypatch.context() as patched:
        patched.setattr(engine, "open_dispute", kill)
        for payment in (first, other):
            scene.payment = payment
            with pytest.raises(Killed):
                await scene.open(1_000)
    real = engine.open_dispute

    async def open_the_first_only(self, id_, *args, **kwargs):
        if id_ == other.id:
            raise Unavailable
        return await real(self, id_, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(engine, "open_dispute", open_the_first_only)
        with pytest.raises(Unavailable):
            await scene.disputes.finish()
    assert await scene.news() == ["dispute.opened"]

    assert await scene.disputes.finish() == 1
    assert await scene.news() == ["dispute.opened", "dispute.opened"]


async def test_what_is_refunded_while_a_complaint_is_on_its_way_is_not_disputed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = type(scene.world.engine)
    real = engine.open_dispute

    async def refund_first(self, *args, **kwargs):
        await self.refund(scene.payment.id, 1)
        return await real(self, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(engine, "open_dispute", refund_first)
        with pytest.raises(NotDisputable):
            await scene.open(PRICE, "key")
    with pytest.raises(NotDisputable):
        await scene.open(PRICE, "key")

    assert (await scene.disputes.list(PageRequest())).items == []
    assert (await scene.open()).dispute.amount.amount_minor == PRICE - 1


# the merchant's answer, and its time -----------------------------------------------------------------------


async def test_a_merchant_answers_with_documents_and_has_no_say_after_that(scene: Scene) -> None:
    dispute = (await scene.open()).dispute
    documents = [
        await scene.disputes.attach(dispute.id, f"{n}.txt", "text/plain", f"proof {n}".encode())
        for n in (1, 2)
    ]
    again = await scene.disputes.attach(dispute.id, "other.txt", "text/plain", b"proof 2")
    answered = await scene.disputes.answer(dispute.id, "  It was delivered.  ")

    assert again == documents[1]
    assert [document.number for document in documents] == [1, 2]
    assert (answered.state, answered.answer) == (State.ANSWERED, "It was delivered.")
    assert await scene.disputes.answer(dispute.id, "It was delivered.") == answered
    assert (await scene.disputes.document(dispute.id, 2))[1] == b"proof 2"
    with pytest.raises(AnswerClosed):
        await scene.disputes.answer(dispute.id, "And another thing.")
    with pytest.raises(AnswerClosed):
        await scene.disputes.attach(dispute.id, "3.txt", "text/plain", b"proof 3")
    with pytest.raises(NotFound):
        await scene.disputes.document(dispute.id, 3)


async def test_documents_sent_at_once_are_five_at_most_and_each_kept_once(scene: Scene) -> None:
    dispute = (await scene.open()).dispute

    answers = await asyncio.gather(
        *[
            scene.disputes.attach(dispute.id, "a.txt", "text/plain", f"proof {n % 7}".encode())
            for n in range(21)
        ],
        return_exceptions=True,
    )

    kept = (await scene.disputes.documents([dispute.id]))[dispute.id]
    assert [document.number for document in kept] == [1, 2, 3, 4, 5]
    assert sum(isinstance(answer, TooManyDocuments) for answer in answers) == 6


async def test_evidence_stays_as_it_was_handed_in(scene: Scene) -> None:
    dispute = (await scene.open()).dispute
    await scene.disputes.attach(dispute.id, "a.txt", "text/plain", b"proof")

    async with scene.world.house.database.connection() as conn:
        for statement in ("update dispute_documents set content = 'x'", "delete from dispute_documents"):
            with pytest.raises(Exception, match="permission denied"):
                await conn.execute(statement)


async def test_when_the_time_to_answer_is_over_the_operator_decides_on_the_record(scene: Scene) -> None:
    dispute = (await scene.open()).dispute
    with pytest.raises(AnswerPending):
        await scene.disputes.decide(dispute.id, Outcome.MERCHANT_PAYS, ACTOR, "No answer.")
    assert await scene.disputes.mark_unanswered() == 0

    clock = scene.world.house.clock
    clock.move_to(clock.offset + ANSWER_TIME)
    with pytest.raises(AnswerClosed):
        await scene.disputes.answer(dispute.id, "Too late.")
    assert await scene.disputes.mark_unanswered() == 1
    assert await scene.disputes.mark_unanswered() == 0
    waiting = await scene.disputes.list(PageRequest(), state=State.UNANSWERED)
    for _ in range(2):
        await scene.disputes.decide(dispute.id, Outcome.MERCHANT_PAYS, ACTOR, "No answer.")

    assert [each.id for each in waiting.items] == [dispute.id]
    async with scene.world.house.database.connection() as conn:
        (entry,) = (await audit.read_page(conn, PageRequest())).items
    assert (entry.actor, entry.action, entry.reason) == (ACTOR, "dispute.decided", "No answer.")
    assert entry.data == {"outcome": "merchant_pays", "amount": str(PRICE)}
    assert await scene.news() == ["dispute.opened", "dispute.unanswered", "dispute.closed"]


async def test_there_is_no_dispute_of_an_id_that_nobody_made(scene: Scene) -> None:
    missing = DisputeId(scene.world.house.new_id())

    for ask in (scene.disputes.get, scene.disputes.accept, scene.disputes.withdraw):
        with pytest.raises(DisputeNotFound):
            await ask(missing)
