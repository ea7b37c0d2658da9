"""Partners on free ports."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from random import Random

import pytest
from tests.factories.sandbox import HOST, a_card

from obverse.kit.clock import Clock
from obverse.sandbox.card_company import Book, CardCompany
from obverse.sandbox.clearing_house import ClearingHouse, Route
from obverse.sandbox.faults import FaultMenu
from obverse.sandbox.link import Link
from obverse.sandbox.listener import Caller, Listener
from obverse.sandbox.trace import Trace
from obverse.sandbox.wire import Frame

Provider = Callable[[Caller, Frame], Awaitable[None]]


@pytest.fixture
def trace() -> Trace:
    return Trace(Clock())


@pytest.fixture
async def cleanup() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def company(trace: Trace, cleanup: AsyncExitStack) -> CardCompany:
    company = CardCompany(Book([a_card()], Clock(), Random(1)), FaultMenu(Random(1)), trace)
    await company.start(HOST)
    cleanup.push_async_callback(company.stop)
    return company


@pytest.fixture
async def link(company: CardCompany, cleanup: AsyncExitStack) -> Link:
    link = Link(HOST, company.port)
    cleanup.push_async_callback(link.close)
    return link


@pytest.fixture
async def clearing_house(
    company: CardCompany, trace: Trace, cleanup: AsyncExitStack
) -> Callable[..., Awaitable[tuple[ClearingHouse, Listener]]]:
    """Starts a clearing house between callers, the card company and a provider that does as the test says."""

    async def start(provider: Provider, timeout_s: float = 5.0) -> tuple[ClearingHouse, Listener]:
        door = Listener(provider)
        await door.start(HOST)
        routes = [
            Route("941012", "Obverse", HOST, door.port, traced=True),
            Route("953010", company.name, HOST, company.port),
        ]
        house = ClearingHouse(routes, trace, timeout_s=timeout_s, member_names={"941012": "Obverse"})
        await house.start(HOST)
        cleanup.push_async_callback(door.stop)
        cleanup.push_async_callback(house.stop)
        return house, door

    return start
