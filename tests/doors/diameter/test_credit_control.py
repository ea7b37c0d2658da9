"""Credit control as a calling server sees it (RFC 8506), straight and through a relay."""

from itertools import count
from typing import Any

import pytest
from diameter.message import constants as names
from diameter.message.avp.grouped import MultipleServicesCreditControl, RequestedServiceUnit
from tests.doors.diameter.conftest import ROADS, DiameterWorld
from tests.factories.diameter import (
    CALLS_HOST,
    REALM,
    a_request,
    a_termination,
    an_initial,
    an_update,
    show,
)

from obverse.authorization import Decline
from obverse.cards import Viewer
from obverse.doors.diameter.results import RESULT_OF_DECLINE
from obverse.metering import SessionState
from obverse.sandbox.calling import CallingServer, Card, DiameterLine, NoCall

KRW = 410


def cost_of(answer: Any) -> tuple[int, int]:
    cost = answer.cost_information
    return cost.unit_value.value_digits, cost.currency_code


@pytest.mark.parametrize("road", ROADS)
async def test_a_call_is_paid_by_the_second_until_the_balance_ends(
    diameter: DiameterWorld, road: str
) -> None:
    card, face = await diameter.meter.card(200)
    async with diameter.caller(road) as caller:
        session = caller.session()
        first = await caller.ask(an_initial(session, face))
        assert (first.result_code, first.cc_request_number) == (2001, 0)
        assert first.granted_service_unit.cc_time == 60
        assert first.validity_time == 300
        assert first.final_unit_indication is None
        last = await caller.ask(an_update(session, 1, 60))
        assert (last.result_code, last.granted_service_unit.cc_time) == (2001, 20)
        assert last.final_unit_indication.final_unit_action == names.E_FINAL_UNIT_ACTION_TERMINATE
        over = await caller.ask(an_update(session, 2, 20))
        assert over.result_code == 4012
        ended = await caller.ask(a_termination(session, 3, 0))
        assert (ended.result_code, cost_of(ended)) == (2001, (190, KRW))
        refused = await caller.ask(an_initial(caller.session(), face))
        assert refused.result_code == 4012
    assert (await diameter.meter.available(card), await diameter.meter.held(card)) == (10, 0)


@pytest.mark.parametrize("road", ROADS)
async def test_p06_what_comes_again_is_answered_the_same_and_counted_once(
    diameter: DiameterWorld, road: str
) -> None:
    card, face = await diameter.meter.card(1_000)
    async with diameter.caller(road) as caller:
        session = caller.session()
        for make in (
            lambda: an_initial(session, face),
            lambda: an_update(session, 1, 45),
            lambda: an_update(session, 2, 30),
            lambda: a_termination(session, 3, 20),
        ):
            answers = []
            for again in (False, True, True):
                request = make()
                request.header.is_retransmit = again
                answers.append(await caller.ask(request))
            told = {
                (a.result_code, a.granted_service_unit and a.granted_service_unit.cc_time) for a in answers
            }
            assert len(told) == 1
            assert answers[0].result_code == 2001
    assert await diameter.meter.available(card) == 1_000 - (100 + 7 * 18), "95 seconds"


async def test_duplicates_at_the_same_time_reserve_once(diameter: DiameterWorld) -> None:
    card, face = await diameter.meter.card(1_000)
    async with diameter.line() as caller:
        session = caller.session()
        sent = {caller.send(an_initial(session, face)) for _ in range(6)}
        answers = [await caller.receive() for _ in sent]
    assert {a.header.hop_by_hop_identifier for a in answers} == sent
    assert {(a.result_code, a.granted_service_unit.cc_time) for a in answers} == {(2001, 60)}
    assert await diameter.meter.held(card) == 154


@pytest.mark.parametrize(
    ("change", "result"),
    [
        pytest.param(lambda r: setattr(r, "subscription_id", []), 5005, id="no card"),
        pytest.param(lambda r: setattr(r, "service_parameter_info", []), 5005, id="no PIN"),
        pytest.param(lambda r: setattr(r, "service_context_id", None), 5005, id="no context"),
        pytest.param(lambda r: setattr(r, "service_identifier", 7), 5031, id="no such tariff"),
        pytest.param(lambda r: setattr(r, "cc_request_type", 9), 5004, id="no such type"),
        pytest.param(lambda r: setattr(r, "session_id", "x" * 300), 5004, id="a long session id"),
        pytest.param(lambda r: setattr(r, "destination_realm", b"elsewhere.example"), 3003, id="realm"),
        pytest.param(lambda r: setattr(r, "origin_host", b"other.example.com"), 5003, id="another's name"),
        pytest.param(
            lambda r: r.multiple_services_credit_control.append(MultipleServicesCreditControl()),
            5001,
            id="several services",
        ),
        pytest.param(
            lambda r: setattr(r.service_parameter_info[0], "service_parameter_value", b"0000"),
            4001,
            id="PIN guessed",
        ),
        pytest.param(
            lambda r: setattr(r.subscription_id[0], "subscription_id_data", "9410129999999993"),
            5030,
            id="unknown card",
        ),
        pytest.param(
            lambda r: setattr(r.subscription_id[0], "subscription_id_data", "nobody"), 5030, id="no number"
        ),
    ],
)
async def test_what_cannot_be_served_has_a_result_of_its_own(
    diameter: DiameterWorld, change: Any, result: int
) -> None:
    card, face = await diameter.meter.card()
    async with diameter.line() as caller:
        request = an_initial(caller.session(), face)
        change(request)
        answer = await caller.ask(request)
        assert answer.result_code == result
        assert answer.header.is_error == (3000 <= result < 4000)
        assert (answer.failed_avp != []) == (result in (5001, 5004, 5005))
        unknown = await caller.ask(an_update(caller.session(), 1, 10))
        assert unknown.result_code == 5002
    assert await diameter.meter.held(card) == 0


async def test_a_card_that_is_suspended_in_the_middle_is_denied_the_service(diameter: DiameterWorld) -> None:
    card, face = await diameter.meter.card()
    async with diameter.line() as caller:
        session = caller.session()
        await caller.ask(an_initial(session, face))
        await diameter.meter.house.cards.suspend(card.id, Viewer.RECIPIENT)
        assert (await caller.ask(an_update(session, 1, 60))).result_code == 4010
        assert (await caller.ask(a_termination(session, 2, 0))).result_code == 2001
    assert await diameter.meter.held(card) == 0


async def test_a_session_that_was_cut_is_unknown(diameter: DiameterWorld) -> None:
    _, face = await diameter.meter.card()
    async with diameter.line() as caller:
        session = caller.session()
        await caller.ask(an_initial(session, face))
        await diameter.meter.later(minutes=10)
        found = await diameter.meter.metering.find(diameter.meter.service.id, session)
        assert found.state is SessionState.CUT
        assert (await caller.ask(a_termination(session, 1, 30))).result_code == 5002


async def test_events_debit_at_once_tell_the_price_and_look_at_the_balance(diameter: DiameterWorld) -> None:
    card, face = await diameter.meter.card(150)

    def an_event(caller: Any, action: int, seconds: int) -> Any:
        request = a_request(caller.session(), 0, names.E_CC_REQUEST_TYPE_EVENT_REQUEST)
        show(request, face)
        request.requested_action = action
        request.requested_service_unit = RequestedServiceUnit(cc_time=seconds)
        return request

    async with diameter.line() as caller:
        price = await caller.ask(an_event(caller, names.E_REQUESTED_ACTION_PRICE_ENQUIRY, 41))
        assert (price.result_code, cost_of(price)) == (2001, (136, KRW))
        for seconds, expected in ((50, names.E_CHECK_BALANCE_RESULT_ENOUGH_CREDIT),
                                  (51, names.E_CHECK_BALANCE_RESULT_NO_CREDIT)):  # fmt: skip
            looked = await caller.ask(an_event(caller, names.E_REQUESTED_ACTION_CHECK_BALANCE, seconds))
            assert (looked.result_code, looked.check_balance_result) == (2001, expected)
        short = await caller.ask(an_event(caller, names.E_REQUESTED_ACTION_DIRECT_DEBITING, 60))
        assert short.result_code == 4012
        assert (await diameter.meter.available(card), await diameter.meter.held(card)) == (150, 0)
        event = an_event(caller, names.E_REQUESTED_ACTION_DIRECT_DEBITING, 30)
        for _ in range(2):
            paid = await caller.ask(event)
            assert (paid.result_code, cost_of(paid)) == (2001, (100, KRW))
        refund = await caller.ask(an_event(caller, names.E_REQUESTED_ACTION_REFUND_ACCOUNT, 30))
        assert refund.result_code == 5004
    assert await diameter.meter.available(card) == 50


async def test_the_sandboxs_calling_server_lets_people_talk(diameter: DiameterWorld) -> None:
    meter = diameter.meter
    card, face = await meter.card(1_000)
    shown = Card(face.number, meter.opening(face).credential.pin)
    sessions = (f"{CALLS_HOST};sandbox;{number}" for number in count(1))
    async with DiameterLine("127.0.0.1", diameter.door.port, CALLS_HOST, REALM, sessions) as line:
        server = CallingServer(line)
        short = await server.call(shown, 95)
        assert (short.seconds, short.cost, short.ended_by_balance) == (95, 226, False)
        long = await server.call(shown, 3_600)
        assert (long.seconds, long.cost, long.ended_by_balance) == (400, 766, True)
        with pytest.raises(NoCall, match="4012"):
            await server.call(shown, 60)
    assert (await meter.available(card), await meter.held(card)) == (8, 0)


def test_every_decline_has_a_result() -> None:
    assert RESULT_OF_DECLINE.keys() == set(Decline)
