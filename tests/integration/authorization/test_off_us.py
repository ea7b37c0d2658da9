"""Payments for which a card company has to be asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count

import pytest
from tests.factories.engine import EngineWorld, FakeCardCompany, an_engine

from obverse.authorization import Decline, Status
from obverse.authorization.model import LegStatus
from obverse.authorization.ports import LegAnswer, LegOutcome, LegRequest
from obverse.kit.database import Connection
from obverse.kit.errors import Unavailable


async def held_minor(world: EngineWorld) -> int:
    """What the journal holds or has moved for good, net of what was given back."""
    async with world.house.database.connection() as conn:
        return await conn.fetchval(
            "select coalesce(sum(case kind when 'void' then -amount_minor when 'post' then 0"
            " else amount_minor end), 0) from transfers"
        )


async def test_the_card_company_approves_and_the_merchant_is_answered(world: EngineWorld) -> None:
    _, face = await world.off_us_card()
    answer = await world.engine.authorize(world.request(face))
    assert answer.status is Status.APPROVED
    assert answer.legs[0].network_approval == "654321"
    assert [leg.amount.amount_minor for leg in world.card_company.asked] == [34_000]
    assert await held_minor(world) == 34_000


@pytest.mark.parametrize(
    ("outcome", "decline"),
    [
        (LegOutcome.DECLINED, Decline.CARD_COMPANY_DECLINED),
        (LegOutcome.UNREACHABLE, Decline.CARD_COMPANY_UNAVAILABLE),
        (LegOutcome.NO_ANSWER, Decline.CARD_COMPANY_LATE),
    ],
)
async def test_p09_a_card_company_that_does_not_approve_leaves_nothing_behind(
    world: EngineWorld, outcome: LegOutcome, decline: Decline
) -> None:
    card, face = await world.off_us_card()
    world.card_company.answer = LegAnswer(outcome, "51")
    answer = await world.engine.authorize(world.request(face))
    assert (answer.status, answer.decline) == (Status.DECLINED, decline)
    assert await held_minor(world) == 0
    assert (await world.house.cards.get(card.id)).uses_left == 1
    unanswered = outcome is LegOutcome.NO_ANSWER
    assert await world.run_reversals() == (1 if unanswered else 0)
    final = LegStatus.REVERSED if unanswered else LegStatus.DECLINED
    assert (await world.engine.get(answer.id)).legs[0].status is final


async def test_p08_a_reversal_is_repeated_until_it_is_acknowledged(world: EngineWorld) -> None:
    _, face = await world.off_us_card()
    answer = await world.engine.authorize(world.request(face))
    await world.engine.cancel(answer.id)
    world.card_company.acknowledges = False
    assert [await world.run_reversals() for _ in range(3)] == [0, 0, 0]
    assert (await world.engine.get(answer.id)).legs[0].status is LegStatus.REVERSING
    world.card_company.acknowledges = True
    assert await world.run_reversals() == 1
    assert set(world.card_company.reversed) == {answer.legs[0].network_ref}
    assert (await world.engine.get(answer.id)).legs[0].status is LegStatus.REVERSED
    assert await held_minor(world) == 0


async def test_p01_the_number_is_spent_while_its_card_company_is_asked(world: EngineWorld) -> None:
    _, face = await world.off_us_card()
    world.card_company.gate = asyncio.Event()
    first = asyncio.create_task(world.engine.authorize(world.request(face)))
    await world.card_company.was_asked()
    assert (await world.engine.authorize(world.request(face))).decline is Decline.CARD_USED
    world.card_company.gate.set()
    assert (await first).status is Status.APPROVED


async def test_p06_a_repeat_waits_with_its_first_and_the_card_company_is_asked_once(
    world: EngineWorld,
) -> None:
    _, face = await world.off_us_card()
    world.card_company.gate = asyncio.Event()
    other = an_engine(world.house, FakeCardCompany())
    await other.start()
    request = world.request(face)
    waiting = [asyncio.create_task(world.engine.authorize(request)) for _ in range(2)]
    await world.card_company.was_asked()
    waiting.append(asyncio.create_task(other.authorize(request)))
    await asyncio.sleep(0.05)
    world.card_company.gate.set()
    answers = await asyncio.gather(*waiting)
    await other.stop()
    assert [a.status for a in answers] == [Status.APPROVED] * 3
    assert len({a.id for a in answers}) == 1
    assert len(world.card_company.asked) == 1


async def test_the_caller_hanging_up_does_not_stop_a_payment(world: EngineWorld) -> None:
    _, face = await world.off_us_card()
    world.card_company.gate = asyncio.Event()
    request = world.request(face)
    caller = asyncio.create_task(world.engine.authorize(request))
    await world.card_company.was_asked()
    caller.cancel()
    world.card_company.gate.set()
    assert (await world.engine.authorize(request)).status is Status.APPROVED


async def test_p07_recovery_closes_what_its_caller_left_before_the_commit(world: EngineWorld) -> None:
    _, face = await world.off_us_card()
    request = world.request(face)
    caller = asyncio.create_task(world.engine.authorize(request))
    await asyncio.sleep(0)
    caller.cancel()
    world.house.clock.move_to(timedelta(minutes=1))
    answer = await world.engine.authorize(request)
    world.house.clock.move_to(timedelta(minutes=2))
    assert await world.engine.recover() == 1
    assert (await world.engine.get(answer.id)).decline is Decline.CARD_COMPANY_LATE
    assert not world.engine._asks
    assert world.card_company.asked == []


async def test_p07_recovery_closes_what_a_dead_process_left_open_and_reverses_it(world: EngineWorld) -> None:
    card, face = await world.off_us_card()
    stuck = FakeCardCompany(gate=asyncio.Event())
    dying = an_engine(world.house, stuck)
    await dying.start()
    request = world.request(face)
    asking = asyncio.create_task(dying.authorize(request))
    await stuck.was_asked()
    assert await world.engine.recover() == 0  # not overdue yet
    world.house.clock.move_to(timedelta(minutes=1))
    assert await world.engine.recover() == 1
    closed = await world.engine.authorize(request)
    assert (closed.status, closed.decline) == (Status.DECLINED, Decline.CARD_COMPANY_LATE)
    assert (await world.house.cards.get(card.id)).uses_left == 1
    stuck.gate.set()  # the dead process was only slow, and its card company approved
    assert (await asking).status is Status.DECLINED
    assert await world.run_reversals() == 1
    assert await held_minor(world) == 0
    await dying.stop()


async def test_p08_a_reversal_while_the_card_company_is_asked_wins(world: EngineWorld) -> None:
    _, face = await world.off_us_card()
    world.card_company.gate = asyncio.Event()
    request = world.request(face)
    asking = asyncio.create_task(world.engine.authorize(request))
    await world.card_company.was_asked()
    await world.engine.reverse(request.request_key, face.number, request.amount)
    world.card_company.gate.set()
    assert (await asking).status is Status.REVERSED
    assert await world.run_reversals() == 1
    assert await held_minor(world) == 0


async def test_p07_a_commit_whose_acknowledgement_is_lost_is_taken_up_by_the_same_request(
    world: EngineWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, face = await world.off_us_card()
    transaction, commits = world.house.database.transaction, count()

    @asynccontextmanager
    async def transaction_whose_answer_is_lost() -> AsyncIterator[Connection]:
        async with transaction() as conn:
            yield conn
        if next(commits) == 0:
            raise Unavailable

    monkeypatch.setattr(world.house.database, "transaction", transaction_whose_answer_is_lost)
    answer = await world.engine.authorize(world.request(face))
    assert (answer.status, answer.repeated) == (Status.APPROVED, False)
    assert len(world.card_company.asked) == 1
    assert await held_minor(world) == 34_000


class LatecomersCardCompany(FakeCardCompany):
    """Acknowledges reversals of payments it has not heard of, and approves those when they come after all."""

    def held(self) -> set[str]:
        """What it goes on holding: asked, and not reversed since."""
        return {ref for ref, asked in self.story if asked} - {
            ref
            for number, (ref, asked) in enumerate(self.story)
            if not asked and (ref, True) in self.story[:number]
        }

    def __init__(self) -> None:
        super().__init__()
        self.story: list[tuple[str, bool]] = []

    async def authorize(self, leg: LegRequest) -> LegAnswer:
        self._heard.set()
        if self.gate is not None:
            await self.gate.wait()
        self.story.append((leg.network_ref, True))
        return self.answer

    async def reverse(self, leg: LegRequest) -> bool:
        self.story.append((leg.network_ref, False))
        return True


@pytest.mark.parametrize("outcome", [LegOutcome.APPROVED, LegOutcome.NO_ANSWER])
async def test_p08_a_request_that_goes_out_after_its_reversal_was_acknowledged_is_reversed_again(
    world: EngineWorld, outcome: LegOutcome
) -> None:
    """The process that asks was held up between its commit and the wire."""
    world.card_company = company = LatecomersCardCompany()
    company.answer, company.gate = LegAnswer(outcome, "00"), asyncio.Event()
    slow = an_engine(world.house, company)
    await slow.start()
    _, face = await world.off_us_card()
    request = world.request(face)
    asking = asyncio.create_task(slow.authorize(request))
    await company.was_asked()
    await world.engine.reverse(request.request_key, face.number, request.amount)
    assert await world.run_reversals() == 1
    company.gate.set()
    answer = await asking
    assert answer.status is Status.REVERSED
    await world.run_reversals()
    assert company.held() == set()
    assert (await world.engine.get(answer.id)).legs[0].status is LegStatus.REVERSED
    await slow.stop()


async def test_p08_a_payment_reversed_in_the_batch_that_opened_it_is_not_asked_for(
    world: EngineWorld,
) -> None:
    _, face = await world.off_us_card()
    request = world.request(face)
    paying = asyncio.create_task(world.engine.authorize(request))
    undoing = asyncio.create_task(world.engine.reverse(request.request_key, face.number, request.amount))
    answers = await asyncio.gather(paying, undoing)
    assert [a.status for a in answers] == [Status.REVERSED] * 2
    assert world.card_company.asked == []
