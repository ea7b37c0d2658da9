"""What a crash leaves of a session at each of its steps, and how it ends all the same."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.factories.metering import MeterWorld

from obverse.authorization import Authorization, Status
from obverse.metering import Metering, SessionState
from obverse.metering.grants import Grants
from obverse.metering.rules import charged_minor, granted_seconds


class Killed(Exception):
    """The process is gone; what was committed stays."""


@pytest.fixture
def killed_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Callable[[], None]]:
    """Has the process die when the engine has done this and nobody has noted it; returns what revives it."""

    def arm(step: str) -> Callable[[], None]:
        does = getattr(Grants, step)

        async def does_and_dies(self: Grants, *arguments: Any) -> Any:
            await does(self, *arguments)
            raise Killed

        monkeypatch.setattr(Grants, step, does_and_dies)
        return lambda: monkeypatch.setattr(Grants, step, does)

    return arm


Arm = Callable[[str], Callable[[], None]]


async def dies(work: Awaitable[object]) -> None:
    with pytest.raises(Killed):
        await work


async def test_p06_an_opening_whose_answer_was_lost_is_the_same_when_it_comes_again(
    meter: MeterWorld, killed_after: Arm
) -> None:
    card, face = await meter.card()
    revive = killed_after("ask")
    await dies(meter.metering.open(meter.opening(face, 60, reference="lost"), key="lost"))
    revive()
    left = await meter.metering.find(meter.service.id, "lost")
    assert (left.state, await meter.held(card)) == (SessionState.OPENING, 154)
    assert (await meter.metering.extend(left.id, 30, 60)).state is SessionState.OPEN, "its answer is found"
    opened = await meter.metering.open(meter.opening(face, 60, reference="lost"), key="lost")
    assert (opened.session.state, opened.repeated) == (SessionState.OPEN, True)
    assert await meter.held(card) == 154
    await meter.metering.close(left.id)


async def test_an_opening_that_nobody_repeats_holds_nothing_in_the_end(
    meter: MeterWorld, killed_after: Arm
) -> None:
    card, face = await meter.card()
    revive = killed_after("ask")
    await dies(meter.metering.open(meter.opening(face, 60, reference="lost"), key="lost"))
    revive()
    await meter.later(minutes=10)
    cut = await meter.metering.find(meter.service.id, "lost")
    assert (cut.state, charged_minor(cut), await meter.held(card)) == (SessionState.CUT, 0, 0)
    assert await meter.available(card) == 10_000
    async with meter.house.database.connection() as conn:
        assert await conn.fetchval("select count(*) from events where type like 'metered_session.%'") == 0


@pytest.mark.parametrize("ends", ["extend", "close", "cut"])
async def test_an_extension_whose_answer_was_lost_is_held_once_and_paid_once(
    meter: MeterWorld, killed_after: Arm, ends: str
) -> None:
    card, face = await meter.card()
    call = await meter.call(face, 60)
    revive = killed_after("ask")
    await dies(meter.metering.extend(call.id, 50, 120))
    revive()
    assert await meter.held(card) == 154 + 108
    if ends == "extend":
        assert granted_seconds(await meter.metering.extend(call.id, 50, 120)) == 120
        assert await meter.held(card) == 154 + 108
        await meter.metering.close(call.id, 120)
    elif ends == "close":
        await meter.metering.close(call.id, 55)
    else:
        await meter.later(minutes=10)
    left = {"extend": 262, "close": 154, "cut": 136}[ends]
    assert (await meter.available(card), await meter.held(card)) == (10_000 - left, 0)


async def test_an_end_that_was_not_noted_is_finished_by_time(meter: MeterWorld, killed_after: Arm) -> None:
    card, face = await meter.card()
    call = await meter.call(face, 60)
    revive = killed_after("end")
    await dies(meter.metering.close(call.id, 45))
    revive()
    assert (await meter.metering.get(call.id)).state is SessionState.CLOSING
    await meter.later(seconds=11)
    closed = await meter.metering.get(call.id)
    assert (closed.state, charged_minor(closed)) == (SessionState.CLOSED, 136)
    assert (await meter.available(card), await meter.held(card)) == (10_000 - 136, 0)


async def test_p08_a_request_that_comes_to_the_engine_after_its_session_was_cut_is_declined(
    meter: MeterWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    card, face = await meter.card()
    late: list[Callable[[], Awaitable[Authorization]]] = []
    asks = Grants.ask

    async def is_slow(self: Grants, *arguments: Any) -> Authorization:
        late.append(lambda: asks(self, *arguments))
        raise Killed

    monkeypatch.setattr(Grants, "ask", is_slow)
    await dies(meter.metering.open(meter.opening(face, 60, reference="slow"), key="slow"))
    await meter.later(minutes=10)
    (payment,) = [await each() for each in late]
    assert payment.status is Status.REVERSED
    assert (await meter.available(card), await meter.held(card)) == (10_000, 0)


async def test_one_session_that_cannot_be_ended_does_not_hold_up_the_others(
    meter: MeterWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, face = await meter.card()
    stuck, other = await meter.call(face), await meter.call(face)
    ends = Metering._cut

    async def unless_stuck(self: Metering, session_id: Any) -> None:
        if session_id == stuck.id:
            raise Killed
        await ends(self, session_id)

    monkeypatch.setattr(Metering, "_cut", unless_stuck)
    with pytest.raises(Killed):
        await meter.later(minutes=10)
    assert (await meter.metering.get(other.id)).state is SessionState.CUT
    monkeypatch.undo()
    await meter.later()
    assert (await meter.metering.get(stuck.id)).state is SessionState.CUT
