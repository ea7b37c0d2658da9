"""Sessions from their opening to their end, with the engine and the ledger behind them."""

import asyncio
from datetime import timedelta

import pytest
from msgspec.structs import replace
from tests.factories.metering import CALLS, OPERATOR, MeterWorld, prices
from tests.factories.stored_value import fund

from obverse.authorization import Decline
from obverse.cards import Viewer
from obverse.kit.errors import InvalidRequest, KeyReused
from obverse.kit.ids import MeterSessionId
from obverse.kit.secret import Secret
from obverse.metering import (
    Report,
    SessionNotFound,
    SessionOver,
    SessionState,
    TariffExists,
    TariffNotFound,
    repository,
)
from obverse.metering.rules import charged_minor, granted_seconds


async def test_a_call_pays_every_interval_it_has_begun_and_leaves_nothing_reserved(meter: MeterWorld) -> None:
    card, face = await meter.card(10_000)
    call = await meter.call(face, 60)
    assert (call.state, granted_seconds(call), call.is_last) == (SessionState.OPEN, 60, False)
    assert (await meter.available(card), await meter.held(card)) == (10_000 - 154, 154)

    call = await meter.metering.consume(call.id, 45)
    assert charged_minor(call) == 136
    call = await meter.metering.extend(call.id, 60, 120)
    assert granted_seconds(call) == 120
    assert await meter.available(card) == 10_000 - 154 - 108

    call = await meter.metering.close(call.id, 71)
    assert (call.state, charged_minor(call)) == (SessionState.CLOSED, 100 + 5 * 18)
    assert (await meter.available(card), await meter.held(card)) == (10_000 - 190, 0)
    again = await meter.metering.close(call.id, 500)
    assert again == call, "closing again changes nothing, whatever it says"


async def test_a_balance_that_ends_tells_how_much_is_left_and_then_ends_the_session(
    meter: MeterWorld,
) -> None:
    card, face = await meter.card(150)
    call = await meter.call(face, 60)
    assert (call.state, granted_seconds(call), call.is_last) == (SessionState.OPEN, 50, True)
    assert call.decline is Decline.INSUFFICIENT_FUNDS
    call = await meter.metering.extend(call.id, 50, 110)
    assert (granted_seconds(call), call.is_last) == (50, True)
    call = await meter.metering.close(call.id, 50)
    assert charged_minor(call) == 136
    assert (await meter.available(card), await meter.held(card)) == (14, 0)

    refused = await meter.call(face, 60)
    assert (refused.state, refused.decline) == (SessionState.DECLINED, Decline.INSUFFICIENT_FUNDS)
    assert (await meter.available(card), await meter.held(card)) == (14, 0), "14 won buy nothing"


async def test_a_card_that_is_charged_while_somebody_calls_goes_on(meter: MeterWorld) -> None:
    card, face = await meter.card(100)
    call = await meter.call(face, 60)
    assert (granted_seconds(call), call.is_last) == (30, True)
    await fund(meter.house, card, 1_000)
    call = await meter.metering.extend(call.id, 30, 90)
    assert (granted_seconds(call), call.is_last, call.decline) == (90, False, None)


@pytest.mark.parametrize(
    ("reports", "used"),
    [
        pytest.param([10, 40, 40], 40, id="repeated"),
        pytest.param([40, 10, 30], 40, id="out of order"),
        pytest.param([10, 50], 50, id="in order"),
    ],
)
async def test_reports_are_totals_that_never_go_back(
    meter: MeterWorld, reports: list[int], used: int
) -> None:
    _, face = await meter.card()
    call = await meter.call(face, 60)
    for seconds in reports:
        call = await meter.metering.consume(call.id, seconds)
    assert call.used_seconds == used
    await meter.metering.close(call.id)
    late = await meter.metering.consume(call.id, 60)
    assert (late.used_seconds, late.state) == (used, SessionState.CLOSED)
    with pytest.raises(SessionOver):
        await meter.metering.extend(call.id, 60, 120)


async def test_p04_sessions_at_the_same_time_use_exactly_what_is_there(meter: MeterWorld) -> None:
    """20 sessions on funds for 10 minutes."""
    minute = prices(name="minute", first_seconds=10, first_minor=10, next_seconds=10, next_minor=10)
    await meter.tariffs.add(meter.service, minute, OPERATOR)
    card, face = await meter.card(600)

    async def talk(number: int) -> int:
        opening = meter.opening(face, 20, tariff="minute")
        call = (await meter.metering.open(opening, key=f"talk {number}")).session
        while call.state is SessionState.OPEN and call.used_seconds < granted_seconds(call):
            until = granted_seconds(call)
            call = await meter.metering.extend(call.id, until, until + 20)
        call = await meter.metering.close(call.id)
        return charged_minor(call)

    costs = await asyncio.gather(*[talk(number) for number in range(20)])
    assert sum(costs) == 600
    assert (await meter.available(card), await meter.held(card)) == (0, 0)


async def test_p06_opening_again_is_the_same_session_and_reserves_once(meter: MeterWorld) -> None:
    card, face = await meter.card()
    opening = meter.opening(face, 60, reference="call-1")
    opened = await asyncio.gather(*[meter.metering.open(opening, key="one") for _ in range(8)])
    assert len({each.session.id for each in opened}) == 1
    assert [each.repeated for each in opened].count(False) == 1
    assert await meter.held(card) == 154
    with pytest.raises(KeyReused):
        await meter.metering.open(meter.opening(face, 90, reference="call-1"), key="one")
    with pytest.raises(InvalidRequest, match="another session"):
        await meter.metering.open(opening, key="another")
    first = opened[0].session
    extended = await asyncio.gather(*[meter.metering.extend(first.id, 60, 120) for _ in range(8)])
    assert {granted_seconds(each) for each in extended} == {120}
    assert await meter.held(card) == 108, "the first grant is captured"


async def test_a_numbered_report_is_counted_once_and_answered_the_same(meter: MeterWorld) -> None:
    _, face = await meter.card(400)
    call = await meter.call(face, 60)
    report = Report(1, 45, 60)
    first = await meter.metering.report(call.id, report)
    assert (first.granted_seconds, first.is_last, first.session.used_seconds) == (65, False, 45)
    await meter.metering.report(call.id, Report(2, 60, 60))
    again = await meter.metering.report(call.id, report)
    assert (again.granted_seconds, again.is_last, again.session.used_seconds) == (65, False, 105)
    call = await meter.metering.close(call.id)
    assert charged_minor(call) == 100 + 8 * 18


async def test_a_session_that_never_closes_is_cut_and_pays_what_was_reported(meter: MeterWorld) -> None:
    card, face = await meter.card()
    call = await meter.call(face, 60)
    await meter.metering.consume(call.id, 31)
    await meter.later(minutes=5, seconds=50)
    assert (await meter.metering.get(call.id)).state is SessionState.OPEN, "the grace is not over"
    await meter.later(seconds=30)
    cut = await meter.metering.get(call.id)
    assert (cut.state, charged_minor(cut)) == (SessionState.CUT, 118)
    assert (await meter.available(card), await meter.held(card)) == (10_000 - 118, 0)
    late = await meter.metering.close(call.id, 60)
    assert late == cut, "what was not reported in time is not paid"


async def test_what_was_reported_is_paid_also_where_time_has_released_it(meter: MeterWorld) -> None:
    card, face = await meter.card()
    call = await meter.call(face, 60)
    await meter.metering.consume(call.id, 31)
    meter.house.clock.move_to(meter.house.clock.offset + timedelta(days=8))
    await meter.world.engine.expire()
    assert await meter.held(card) == 0
    await meter.later()
    assert charged_minor(await meter.metering.get(call.id)) == 118
    assert (await meter.available(card), await meter.held(card)) == (10_000 - 118, 0)


async def test_a_payment_that_somebody_has_undone_is_not_captured(meter: MeterWorld) -> None:
    card, face = await meter.card()
    call = await meter.call(face, 60)
    payment = call.grants[0].authorization_id
    assert payment is not None
    await meter.world.engine.cancel(payment)
    call = await meter.metering.close(call.id, 60)
    assert (call.state, charged_minor(call)) == (SessionState.CLOSED, 0)
    assert await meter.available(card) == 10_000


@pytest.mark.parametrize(
    ("changes", "decline"),
    [
        pytest.param({"pin": "0000"}, Decline.WRONG_PIN, id="PIN guessed"),
        pytest.param({"number": "9410129999999993"}, Decline.UNKNOWN_CARD, id="no such card"),
    ],
)
async def test_whoever_cannot_show_the_card_opens_nothing(
    meter: MeterWorld, changes: dict[str, str], decline: Decline
) -> None:
    card, face = await meter.card()
    opening = meter.opening(face, 60, pin=changes.get("pin", "2580"))
    if "number" in changes:
        shown = replace(opening.credential, number=Secret(changes["number"]))
        opening = replace(opening, credential=shown)
    session = (await meter.metering.open(opening, key="guess")).session
    assert (session.state, session.decline) == (SessionState.DECLINED, decline)
    assert await meter.held(card) == 0


async def test_a_card_of_one_use_is_not_metered(meter: MeterWorld) -> None:
    _, face = await meter.world.card()
    opening = meter.opening(face, 60)
    session = (await meter.metering.open(opening, key="once")).session
    assert (session.state, session.decline) == (SessionState.DECLINED, Decline.NOT_ACCEPTED_HERE)


async def test_a_card_that_is_suspended_in_the_middle_ends_with_what_it_was_granted(
    meter: MeterWorld,
) -> None:
    card, face = await meter.card()
    call = await meter.call(face, 60)
    await meter.house.cards.suspend(card.id, Viewer.RECIPIENT)
    call = await meter.metering.extend(call.id, 60, 120)
    assert (granted_seconds(call), call.is_last, call.decline) == (60, True, Decline.CARD_SUSPENDED)
    call = await meter.metering.close(call.id, 60)
    assert charged_minor(call) == 154


async def test_a_session_pays_the_price_that_held_when_it_was_opened(meter: MeterWorld) -> None:
    _, face = await meter.card()
    tomorrow = meter.house.clock.now() + timedelta(minutes=1)
    dearer = prices(first_minor=200, effective_from=tomorrow)
    added = await meter.tariffs.add(meter.service, dearer, OPERATOR)
    assert (await meter.tariffs.add(meter.service, dearer, OPERATOR)).id == added.id
    with pytest.raises(TariffExists):
        await meter.tariffs.add(meter.service, prices(first_minor=1, effective_from=tomorrow), OPERATOR)
    before = await meter.call(face)
    meter.house.clock.move_to(meter.house.clock.offset + timedelta(minutes=2))
    after = await meter.call(face)
    assert charged_minor(await meter.metering.close(before.id, 30)) == 100
    assert charged_minor(await meter.metering.close(after.id, 30)) == 200
    with pytest.raises(TariffNotFound):
        await meter.metering.open(meter.opening(face, tariff="abroad"), key="abroad")


async def test_a_shop_of_goods_has_no_tariff(meter: MeterWorld) -> None:
    assert meter.service.category == CALLS
    with pytest.raises(InvalidRequest, match="category"):
        await meter.tariffs.add(meter.world.shop, prices(), OPERATOR)


async def test_history_reads_the_sessions_of_cards(meter: MeterWorld) -> None:
    card, face = await meter.card()
    other, other_face = await meter.card()
    first, second = await meter.call(face), await meter.call(face)
    await meter.call(other_face)
    since = meter.house.clock.now() - timedelta(hours=1)
    until = since + timedelta(hours=2)
    async with meter.house.database.connection() as conn:
        found = await repository.sessions_of_cards(conn, [card.id], since, until)
        none = await repository.sessions_of_cards(conn, [card.id, other.id], until, until)
    assert [each.id for each in found] == [second.id, first.id]
    assert none == []
    with pytest.raises(SessionNotFound):
        await meter.metering.get(MeterSessionId(meter.house.new_id()))
