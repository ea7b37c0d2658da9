"""From captured linked cards to files, acknowledgements and payments, over a real database."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import time, timedelta
from random import Random

import pytest
from tests.factories.engine import EngineWorld, an_engine_world
from tests.factories.presentments import PresentingWorld, a_presenting_world
from tests.factories.wallet import House, a_member_with_linked_card

from obverse.authorization import Status
from obverse.authorization.ports import LegAnswer, LegOutcome
from obverse.clearing.presentments import (
    Direction,
    FileState,
    NoAnswer,
    NothingRejected,
    NotRejected,
    NotTaken,
    PaymentState,
    PresentmentState,
    UnreadableAnswer,
)
from obverse.clearing.presentments.jobs import Exchange
from obverse.kit.calendar import Calendar
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import to_text
from obverse.kit.paging import PageRequest
from obverse.ledger import AccountKind

ACTOR = "key_01h455vb4pex5vsknk084sn02q"


@pytest.fixture
async def engine_world(house: House) -> AsyncIterator[EngineWorld]:
    world = await an_engine_world(house)
    yield world
    await world.engine.stop()
    await world.books_are_right()


@pytest.fixture
async def world(engine_world: EngineWorld) -> PresentingWorld:
    return await a_presenting_world(engine_world)


# gathering -------------------------------------------------------------------------------------------------


async def test_a_captured_linked_card_becomes_one_presentment(world: PresentingWorld) -> None:
    paid, _ = await world.pay(34_000)
    (file,) = await world.presentments.present_now()
    (found,) = await world.all()
    assert (found.direction, found.amount.amount_minor, found.is_final) == (Direction.DEBIT, 34_000, True)
    assert (found.authorization_id, found.approval_code) == (paid.id, "654321")
    assert (found.network_ref, found.merchant_name) == (paid.legs[0].network_ref, world.world.shop.name)
    assert (found.state, found.file_id, file.state) == (PresentmentState.PRESENTED, file.id, FileState.MADE)
    assert (file.totals.debit_count, file.totals.debit_minor, file.sequence) == (1, 34_000, 1)
    assert await world.presentments.present_now() == []


async def test_a_credit_line_is_nothing_to_a_card_company(world: PresentingWorld) -> None:
    _, face = await world.world.card()
    await world.world.engine.authorize(world.world.request(face, capture=True))
    assert await world.presentments.present_now() == []


async def test_partial_captures_say_which_is_the_last(world: PresentingWorld) -> None:
    engine = world.world.engine
    paid, _ = await world.pay(30_000, capture=False)
    await engine.capture(paid.id, 10_000)
    await engine.capture(paid.id, 5_000)
    await world.presentments.present_now()
    await engine.capture(paid.id, 5_000)
    await engine.capture(paid.id, 8_000, final=True)
    await world.presentments.present_now()
    found = await world.all()
    assert sorted(each.amount.amount_minor for each in found[:2]) == [5_000, 10_000]
    assert [each.is_final for each in found[:2]] == [False, False]
    assert sorted(each.is_final for each in found[2:]) == [False, True]


async def test_what_is_undone_before_it_is_presented_never_goes_out(world: PresentingWorld) -> None:
    paid, _ = await world.pay()
    undone = await world.world.engine.cancel(paid.id)
    assert undone.status is Status.REVERSED
    assert await world.presentments.present_now() == []
    assert await world.balance(AccountKind.CARD_COMPANY_RECEIVABLE) == 0


async def test_what_is_undone_afterwards_goes_back_as_a_credit(world: PresentingWorld) -> None:
    paid, _ = await world.pay(34_000)
    await world.presentments.present_now()
    await world.world.engine.cancel(paid.id)
    (file,) = await world.presentments.present_now()
    assert (file.totals.credit_count, file.totals.credit_minor) == (1, 34_000)


async def test_refunds_and_disputes_go_out_with_their_sides(world: PresentingWorld) -> None:
    engine = world.world.engine
    paid, _ = await world.pay(34_000)
    await engine.refund(paid.id, 4_000)
    await engine.open_dispute(paid.id, 10_000, key="dispute")
    await engine.close_dispute(paid.id, 10_000, key="decision", merchant_pays=False)
    await world.presentments.present_now()
    found = {(each.direction, each.amount.amount_minor) for each in await world.all()}
    assert found == {
        (Direction.DEBIT, 34_000),
        (Direction.CREDIT, 4_000),
        (Direction.CREDIT, 10_000),
        (Direction.DEBIT, 10_000),
    }


async def test_a_credit_never_comes_before_its_debit_though_both_were_decided_in_one_batch(
    world: PresentingWorld,
) -> None:
    paid = [(await world.pay(1_000, capture=False))[0] for _ in range(20)]
    engine = world.world.engine
    for each in paid:
        await asyncio.gather(engine.capture(each.id), engine.refund(each.id))
    await world.presentments.present_now()
    found = await world.all()
    debits = {each.authorization_id: each.arn for each in found if each.direction is Direction.DEBIT}
    credits = {each.authorization_id: each.arn for each in found if each.direction is Direction.CREDIT}
    assert len(credits) == len(paid)
    assert [id_ for id_, arn in credits.items() if arn < debits[id_]] == []


async def test_cancelling_while_gathering_presents_both_or_neither(world: PresentingWorld) -> None:
    paid = [(await world.pay(1_000))[0] for _ in range(20)]
    gathering = asyncio.create_task(world.presentments.present_now())
    await asyncio.gather(*(world.world.engine.cancel(each.id) for each in paid))
    await gathering
    await world.presentments.present_now()
    net: dict[object, int] = {}
    for each in await world.all():
        sign = 1 if each.direction is Direction.DEBIT else -1
        net[each.authorization_id] = net.get(each.authorization_id, 0) + sign * each.amount.amount_minor
    assert set(net.values()) <= {0}


async def test_many_gather_at_once_and_nothing_is_presented_twice(
    world: PresentingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("obverse.clearing.presentments.service.GATHERED_AT_ONCE", 3)
    for _ in range(10):
        await world.pay(1_000)
    heard: list[tuple[int, int]] = []
    made = await asyncio.gather(
        world.presentments.present_now(lambda *told: heard.append(told)),
        *(world.presentments.present_now() for _ in range(3)),
    )
    assert sum(file.totals.debit_minor for files in made for file in files) == 10_000
    assert len(await world.all()) == 10
    assert heard == sorted(heard)


async def test_a_large_day_is_more_than_one_file(
    world: PresentingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("obverse.clearing.presentments.service.MEMBERS_MAX", 2)
    for _ in range(5):
        await world.pay(1_000)
    files = await world.presentments.present_now()
    assert [(file.sequence, file.totals.count) for file in files] == [(1, 2), (2, 2), (3, 1)]
    assert len({file.reference for file in files}) == 3


# the cut-off -----------------------------------------------------------------------------------------------


async def test_the_day_is_closed_once_at_its_cut_off(engine_world: EngineWorld) -> None:
    clock = engine_world.house.clock
    cut_off = (clock.now() + timedelta(hours=3)).time().replace(microsecond=0)
    world = await a_presenting_world(engine_world, Calendar("UTC", cut_off, "KR"))
    await world.pay(1_000)
    assert await world.presentments.close_day() == []
    world.advance(timedelta(hours=3, minutes=1))
    (file,) = await world.presentments.close_day()
    assert file.business_day == Calendar("UTC", cut_off, "KR").business_day(clock.now() - timedelta(hours=2))
    assert await world.presentments.close_day() == []
    await world.pay(2_000)
    assert await world.presentments.close_day() == []
    world.advance(timedelta(days=1))
    (following,) = await world.presentments.close_day()
    assert (following.business_day - file.business_day).days == 1
    assert following.totals.debit_minor == 2_000


async def test_what_was_presented_by_hand_does_not_keep_the_day_from_being_closed(
    engine_world: EngineWorld,
) -> None:
    world = await a_presenting_world(engine_world, Calendar("UTC", time(), "KR"))
    await world.pay(1_000)
    (by_hand,) = await world.presentments.present_now()
    await world.pay(2_000)
    world.advance(timedelta(days=1))
    (closed,) = await world.presentments.close_day()
    assert (closed.business_day, closed.sequence) == (by_hand.business_day, 2)


# exchange --------------------------------------------------------------------------------------------------


async def test_an_accepted_file_is_paid_and_the_receivable_is_zero(world: PresentingWorld) -> None:
    await world.pay(34_000)
    file = await world.present()
    assert (file.state, file.due_minor, file.payment) == (FileState.ACKNOWLEDGED, 34_000, PaymentState.DUE)
    assert file.sha256 is not None
    await world.receive(file.reference, 34_000)
    paid = await world.presentments.get_file(file.id)
    assert (paid.received_minor, paid.payment) == (34_000, PaymentState.PAID)
    assert await world.balance(AccountKind.CARD_COMPANY_RECEIVABLE) == 0
    assert await world.balance(AccountKind.SUSPENSE) == 0
    assert await world.balance(AccountKind.BANK) == 34_000
    (told,) = await world.events("presentment_file.paid")
    assert json.loads(told)["payment"] == "paid"


@pytest.mark.parametrize("failure", [NoAnswer(), NotTaken()], ids=["no answer", "not taken"])
async def test_a_file_without_an_answer_is_sent_again_under_the_same_id(
    world: PresentingWorld, failure: NoAnswer | NotTaken
) -> None:
    await world.pay()
    world.card_company.sending = [failure]
    file = await world.present()
    assert (file.state, file.problem) == (FileState.UNKNOWN, failure.code)
    await world.exchange.exchange()
    assert len(world.card_company.sent) == 1, "its time has not come yet"
    world.advance(timedelta(minutes=1))
    await world.exchange.exchange()
    assert (await world.presentments.get_file(file.id)).state is FileState.ACKNOWLEDGED
    (first, members), (second, again) = world.card_company.sent
    assert (first.id, first.reference, members) == (second.id, second.reference, again)


async def test_a_kill_between_made_and_sent_loses_and_doubles_nothing(world: PresentingWorld) -> None:
    await world.pay()

    class Killed(BaseException):
        pass

    async def die(*_: object) -> bytes:
        raise Killed

    (file,) = await world.presentments.present_now()
    dying = Exchange(
        world.world.house.database,
        world.presentments,
        type("Dying", (), {"send": staticmethod(die)})(),
        world.treasury,
        clock=world.world.house.clock,
        new_id=world.world.house.new_id,
    )
    with pytest.raises(Killed):
        await dying.exchange()
    assert (await world.presentments.get_file(file.id)).state is FileState.UNKNOWN
    world.advance(timedelta(minutes=1))
    await world.exchange.exchange()
    assert (await world.presentments.get_file(file.id)).state is FileState.ACKNOWLEDGED
    assert len(world.card_company.sent) == 1


@pytest.mark.parametrize(
    "failure",
    [None, NoAnswer(), UnreadableAnswer()],
    ids=["not ready", "lost", "garbage"],
)
async def test_an_acknowledgement_that_does_not_come_is_asked_for_again(
    world: PresentingWorld, failure: NoAnswer | None
) -> None:
    await world.pay()
    world.card_company.answering = [failure]
    file = await world.present()
    assert (file.state, file.problem) == (FileState.SENT, failure.code if failure else None)
    world.advance(timedelta(minutes=1))
    await world.exchange.exchange()
    assert (await world.presentments.get_file(file.id)).state is FileState.ACKNOWLEDGED
    assert len(world.card_company.sent) == 1


async def test_a_file_that_the_card_company_has_lost_is_sent_again(world: PresentingWorld) -> None:
    await world.pay()
    world.card_company.loses = True
    file = await world.present()
    assert (file.state, file.problem) == (FileState.UNKNOWN, "presentment_file_not_found")
    world.card_company.loses = False
    world.advance(timedelta(minutes=1))
    await world.exchange.exchange()
    assert (await world.presentments.get_file(file.id)).state is FileState.ACKNOWLEDGED
    assert len(world.card_company.sent) == 2


async def test_an_answer_with_other_totals_changes_nothing(world: PresentingWorld) -> None:
    await world.pay()
    world.card_company.lies_by_minor = 1
    file = await world.present()
    assert (file.state, file.problem) == (FileState.SENT, "acknowledgement_differs")
    (presentment,) = await world.all()
    assert presentment.state is PresentmentState.PRESENTED


async def test_the_next_file_waits_for_the_one_before(world: PresentingWorld) -> None:
    await world.pay(1_000)
    world.card_company.sending = [NoAnswer()]
    first = await world.present()
    await world.pay(2_000)
    second = await world.present()
    assert (first.state, second.state) == (FileState.UNKNOWN, FileState.MADE)
    world.advance(timedelta(minutes=1))
    await world.exchange.exchange()
    assert [sent.id for sent, _ in world.card_company.sent] == [first.id, first.id, second.id]


async def test_two_processes_exchange_side_by_side(world: PresentingWorld) -> None:
    for _ in range(5):
        await world.pay(1_000)
    await world.presentments.present_now()
    await asyncio.gather(*(world.exchange.exchange() for _ in range(4)))
    world.advance(timedelta(minutes=1))
    await asyncio.gather(*(world.exchange.exchange() for _ in range(4)))
    (file,) = (await world.presentments.list_files(PageRequest())).items
    assert (file.state, file.accepted_minor) == (FileState.ACKNOWLEDGED, 5_000)
    assert len(await world.events("presentment_file.acknowledged")) == 1


# rejections ------------------------------------------------------------------------------------------------


async def rejected(world: PresentingWorld, amount_minor: int = 34_000) -> None:
    """One file, of which one presentment is rejected."""
    world.world.card_company.answer = LegAnswer(LegOutcome.APPROVED, "00", "BAD001")
    await world.pay(amount_minor)
    world.world.card_company.answer = LegAnswer(LegOutcome.APPROVED, "00", "GOOD01")
    await world.pay(1_000)
    world.card_company.rejects = {"BAD001": "unknown_card"}
    await world.present()


async def test_a_rejected_presentment_is_told_and_stays_owed(world: PresentingWorld) -> None:
    await rejected(world)
    bad, good = await world.all()
    assert (bad.state, bad.reject_reason) == (PresentmentState.REJECTED, "unknown_card")
    assert good.state is PresentmentState.ACCEPTED
    (file,) = (await world.presentments.list_files(PageRequest())).items
    assert (file.accepted_minor, file.rejected_count) == (1_000, 1)
    (told,) = await world.events("presentment.rejected")
    assert json.loads(told)["presentment"] == to_text("pres", bad.id)
    await world.receive(file.reference, 1_000)
    assert await world.balance(AccountKind.CARD_COMPANY_RECEIVABLE) == 34_000


async def test_a_rejected_presentment_goes_out_again_under_its_name(world: PresentingWorld) -> None:
    await rejected(world)
    bad, _ = await world.all()
    for _ in range(2):
        ready = await world.presentments.resubmit(bad.id, actor=ACTOR, reason="card registered there now")
        assert (ready.state, ready.file_id) == (PresentmentState.READY, None)
    world.card_company.rejects = {}
    second = await world.present()
    again, _ = await world.all()
    assert (again.arn, again.state, again.file_id) == (bad.arn, PresentmentState.ACCEPTED, second.id)
    await world.receive(second.reference, 34_000)
    (first,) = (await world.presentments.list_files(PageRequest(1, second.id))).items
    await world.receive(first.reference, 1_000)
    assert await world.balance(AccountKind.CARD_COMPANY_RECEIVABLE) == 0
    async with world.world.house.database.connection() as conn:
        rows = await conn.fetch("select action, subject, reason, data->>'reject_reason' from audit_log")
    assert [tuple(row) for row in rows] == [
        (
            "presentment.resubmitted",
            to_text("pres", bad.id),
            "card registered there now",
            "unknown_card",
        )
    ]


async def test_what_is_written_off_is_an_expense_and_no_longer_owed(world: PresentingWorld) -> None:
    await rejected(world)
    bad, good = await world.all()
    for _ in range(2):
        given_up = await world.presentments.write_off(bad.id, actor=ACTOR, reason="not worth it")
        assert given_up.state is PresentmentState.WRITTEN_OFF
    assert await world.balance(AccountKind.WRITTEN_OFF) == 34_000
    assert await world.balance(AccountKind.CARD_COMPANY_RECEIVABLE) == 1_000
    with pytest.raises(NotRejected):
        await world.presentments.resubmit(bad.id, actor=ACTOR, reason="after all")
    with pytest.raises(NotRejected):
        await world.presentments.write_off(good.id, actor=ACTOR, reason="by mistake")


async def test_a_decision_needs_a_reason(world: PresentingWorld) -> None:
    await rejected(world)
    bad, _ = await world.all()
    with pytest.raises(InvalidRequest):
        await world.presentments.write_off(bad.id, actor=ACTOR, reason="  ")


async def test_a_refused_file_can_go_out_again_as_a_whole(world: PresentingWorld) -> None:
    await world.pay(1_000)
    await world.pay(2_000)
    world.card_company.refuses = "wrong_totals"
    file = await world.present()
    assert (file.state, file.problem, file.rejected_count) == (FileState.REFUSED, "wrong_totals", 2)
    assert len(await world.events("presentment_file.refused")) == 1
    world.card_company.refuses = None
    await world.presentments.resubmit_file(file.id, actor=ACTOR, reason="their totals were wrong")
    with pytest.raises(NothingRejected):
        await world.presentments.resubmit_file(file.id, actor=ACTOR, reason="again")
    second = await world.present()
    assert (second.state, second.accepted_minor) == (FileState.ACKNOWLEDGED, 3_000)


# payments --------------------------------------------------------------------------------------------------


async def test_a_payment_that_is_too_small_shows_until_the_rest_comes(world: PresentingWorld) -> None:
    await world.pay(34_000)
    file = await world.present()
    await world.receive(file.reference, 30_000)
    assert (await world.presentments.get_file(file.id)).payment is PaymentState.PAID_IN_PART
    assert await world.balance(AccountKind.CARD_COMPANY_RECEIVABLE) == 4_000
    await world.receive(file.reference, 4_000)
    assert (await world.presentments.get_file(file.id)).payment is PaymentState.PAID
    assert await world.balance(AccountKind.CARD_COMPANY_RECEIVABLE) == 0


async def test_a_payment_that_comes_twice_shows_as_overpaid(world: PresentingWorld) -> None:
    await world.pay(34_000)
    file = await world.present()
    await world.receive(file.reference, 34_000)
    await world.receive(file.reference, 34_000)
    assert (await world.presentments.get_file(file.id)).payment is PaymentState.OVERPAID
    assert await world.balance(AccountKind.CARD_COMPANY_RECEIVABLE) == -34_000


async def test_a_payment_with_a_reference_of_nobody_stays_in_suspense(world: PresentingWorld) -> None:
    await world.pay(34_000)
    file = await world.present()
    await world.receive("OBV-P-2222222222", 34_000)
    assert (await world.presentments.get_file(file.id)).payment is PaymentState.DUE
    assert await world.balance(AccountKind.SUSPENSE) == -34_000


async def test_a_payment_is_counted_once_however_many_place_it(world: PresentingWorld) -> None:
    await world.pay(34_000)
    file = await world.present()
    await world.receive(file.reference, 34_000)
    await asyncio.gather(*(world.exchange.place_receipts() for _ in range(5)))
    assert (await world.presentments.get_file(file.id)).received_minor == 34_000


async def test_credits_beyond_debits_are_deducted_from_the_next_file(world: PresentingWorld) -> None:
    engine = world.world.engine
    paid, _ = await world.pay(30_000)
    first = await world.present()
    await world.receive(first.reference, 30_000)
    await engine.refund(paid.id, 20_000)
    second = await world.present()
    assert (second.due_minor, second.payment) == (-20_000, PaymentState.CARRIED_OVER)
    await world.pay(5_000)
    third = await world.present()
    assert (third.carried_minor, third.due_minor) == (-20_000, -15_000)
    await world.pay(50_000)
    fourth = await world.present()
    assert (fourth.accepted_minor, fourth.due_minor) == (50_000, 35_000)
    await world.receive(fourth.reference, 35_000)
    assert (await world.presentments.get_file(fourth.id)).payment is PaymentState.PAID
    assert await world.balance(AccountKind.CARD_COMPANY_RECEIVABLE) == 0


# what members see ------------------------------------------------------------------------------------------


async def test_members_see_what_a_card_company_will_bill_them(world: PresentingWorld) -> None:
    engine = world.world.engine
    paid, _ = await world.pay(34_000)
    other, _ = await world.pay(1_000)
    await world.presentments.present_now()
    await engine.refund(paid.id, 4_000)
    card = await _member_of(world, paid.card_id)
    page = await world.presentments.charges(card, PageRequest(1))
    (refund,) = page.items
    assert (refund.direction, refund.amount_minor, refund.parts[0].state) == (Direction.CREDIT, 4_000, None)
    (capture,) = (await world.presentments.charges(card, PageRequest(1, page.next_after))).items
    assert (capture.direction, capture.amount_minor) == (Direction.DEBIT, 34_000)
    assert capture.parts[0].state is PresentmentState.PRESENTED
    assert other.id not in {refund.authorization_id, capture.authorization_id}


async def test_what_never_goes_out_is_not_billed(world: PresentingWorld) -> None:
    paid, _ = await world.pay()
    member = await _member_of(world, paid.card_id)
    await world.world.engine.cancel(paid.id)
    assert (await world.presentments.charges(member, PageRequest())).items == []
    stranger, _ = await a_member_with_linked_card(world.world.house)
    assert (await world.presentments.charges(stranger.id, PageRequest())).items == []


async def _member_of(world: PresentingWorld, card_id):
    return (await world.world.house.cards.get(card_id)).member_id


async def test_p02_the_chain_to_the_card_company_ends_at_zero_whatever_happens(
    world: PresentingWorld,
) -> None:
    """Random captures, refunds and cancels, presented at random moments, paid as acknowledged."""
    rng, engine = Random(3), world.world.engine
    payments = []
    for _ in range(40):
        step = rng.random()
        if step < 0.5 or not payments:
            paid, _ = await world.pay(rng.randrange(100, 10_000))
            payments.append(paid.id)
        elif step < 0.7:
            left = (await engine.get(payments[-1])).refundable_minor
            if left:
                await engine.refund(payments[-1], rng.randrange(1, left + 1))
        elif step < 0.85:
            await engine.cancel(payments.pop(rng.randrange(len(payments))))
        elif await world.presentments.present_now():
            await world.exchange.exchange()
    await world.pay(10_000_000)
    if await world.presentments.present_now():
        await world.exchange.exchange()
    page = await world.presentments.list_files(PageRequest(100))
    for file in page.items:
        if (file.due_minor or 0) > 0:
            await world.receive(file.reference, file.due_minor or 0)
    assert await world.balance(AccountKind.CARD_COMPANY_RECEIVABLE) == 0
