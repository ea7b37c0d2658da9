"""Metered sessions survive kill -9: each pays once what was used, and one that is forgotten holds nothing."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.factories.diameter import PlainCaller, a_free_port, a_termination, an_initial, an_update
from tests.factories.estate import Estate
from tests.factories.metering import OPERATOR, a_calling_service, prices
from tests.factories.platform import PlatformProcess, running
from tests.factories.stored_value import a_prepaid_card, available
from tests.factories.waiting import eventually
from tests.faults.test_draw_and_dispute_kills import Client, has_come_far_enough

from obverse.access import Access, Scope
from obverse.cards import Card
from obverse.merchants import Merchant
from obverse.metering import Tariffs

CALLS = 24
KILLS = 3
BALANCE = 1_000
SECONDS_MAX = 60


@dataclass
class Service:
    """A calling service at a platform that comes and goes."""

    client: Client
    merchant: Merchant
    token: str
    operator: str

    async def call(self, name: int, number: str, *, hang_up: bool) -> None:
        """Talk for 95 seconds; or begin, report 31 seconds, and never be heard of again."""
        shown = {"card_number": number, "pin": "2580", "seconds": 60}
        opened = await self.client.ask("/v1/metered_sessions", self.token, shown, f"call {name}")
        assert (opened.status, opened.body["status"]) == (201, "open"), opened.raw
        path = f"/v1/metered_sessions/{opened.body['id']}"
        await self.client.ask(f"{path}/consume", self.token, {"used": 31})
        if not hang_up:
            return
        extended = await self.client.ask(f"{path}/extend", self.token, {"used": 60, "until": 120})
        assert extended.body["granted_until"] == 120, extended.raw
        closed = await self.client.ask(f"{path}/close", self.token, {"used": 95})
        assert (closed.body["status"], closed.body["cost"]) == ("closed", 226), closed.raw


async def a_service(estate: Estate, platform: PlatformProcess) -> Service:
    house = estate.house
    merchant = await a_calling_service(house)
    await Tariffs(house.database, clock=house.clock, new_id=house.new_id).add(merchant, prices(), OPERATOR)
    access = Access(house.database, house.vault, house.clock, house.new_id, house.random_bytes)
    _, token = await access.create("service", frozenset({Scope.PAYMENTS}), merchant.id)
    _, operator = await access.create("operator", frozenset(Scope))
    return Service(Client(platform), merchant, token.reveal(), operator.reveal())


async def left_on(estate: Estate, cards: list[Card]) -> list[int]:
    return [await available(estate.house, card) for card in cards]


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_p05_calls_are_paid_once_whenever_the_platform_is_killed(
    estate: Estate, platform: PlatformProcess
) -> None:
    service = await a_service(estate, platform)
    made = [await a_prepaid_card(estate.house, balance_minor=BALANCE, pin="2580") for _ in range(CALLS)]
    at_once = asyncio.Semaphore(6)

    async def in_turn(name: int) -> None:
        async with at_once:
            await service.call(name, made[name][1].number.reveal(), hang_up=name % 4 > 0)

    tasks = [asyncio.create_task(in_turn(name)) for name in range(CALLS)]
    rng = Random(4)
    for _ in range(KILLS):
        wanted = service.client.answered + rng.randrange(5, 15)
        await eventually(partial(has_come_far_enough, service.client, wanted, tasks), SECONDS_MAX)
        platform.kill()
        await platform.start()
    await asyncio.gather(*tasks)
    assert service.client.hung_up > 0, "the kills met no request under way"

    ten_minutes = {"seconds": 600}
    await service.client.ask("/v1/simulate/advance_clock", service.operator, ten_minutes)
    await estate.until_found(
        "select 1 having (select count(*) from metered_sessions where state = 'cut') = 6"
    )
    cards = [card for card, _, _ in made]
    assert await left_on(estate, cards) == [BALANCE - (226 if name % 4 else 118) for name in range(CALLS)]
    news = await estate.fetch(
        "select type, count(*) as times from events where type like 'metered%' group by 1 order by 1"
    )
    assert {row["type"]: row["times"] for row in news} == {
        "metered_session.closed": 18, "metered_session.cut": 6, "metered_session.opened": 24,
    }  # fmt: skip
    await estate.books_are_right()


@pytest.mark.slow
async def test_p06_what_comes_again_by_diameter_after_a_kill_is_answered_the_same(
    estate: Estate, tmp_path: Path
) -> None:
    card, face, _ = await a_prepaid_card(estate.house, balance_minor=BALANCE, pin="2580")
    port = a_free_port()
    settings = estate.settings(tmp_path / "data", diameter_port=port)
    async with running(tmp_path / "platform", settings) as platform:
        service = await a_service(estate, platform)
        tariffs = Tariffs(estate.house.database, clock=estate.house.clock, new_id=estate.house.new_id)
        await tariffs.set_server(service.merchant, "calls.example.com", OPERATOR)

        async def ask(make: Callable[[], Any], *, again: bool) -> tuple[int, int | None]:
            caller = await PlainCaller.connect(port)
            request = make()
            request.header.is_retransmit = again
            answer = await caller.ask(request)
            await caller.close()
            granted = answer.granted_service_unit
            return answer.result_code, granted.cc_time if granted is not None else None

        session = "calls.example.com;1;1"
        steps = [
            lambda: an_initial(session, face),
            lambda: an_update(session, 1, 45),
            lambda: a_termination(session, 2, 50),
        ]
        told = [await ask(step, again=False) for step in steps]
        assert [code for code, _ in told] == [2001] * 3
        platform.kill()
        await platform.start()
        assert [await ask(step, again=True) for step in steps] == told
    assert await left_on(estate, [card]) == [BALANCE - 226]
    await estate.books_are_right()
