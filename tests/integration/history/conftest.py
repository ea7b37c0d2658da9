"""What the tests of histories share."""

from collections.abc import AsyncIterator

import pytest_asyncio
from tests.factories.engine import EngineWorld, an_engine_world
from tests.factories.merchants import a_merchant
from tests.factories.wallet import House

from obverse.merchants import Terms

EVERYTHING = Terms(accepts=frozenset({"one_time", "prepaid", "gift"}))


@pytest_asyncio.fixture
async def world(house: House) -> AsyncIterator[EngineWorld]:
    """An engine over the house, and one shop that takes every kind of card."""
    world = await an_engine_world(house)
    world.shop = await a_merchant(house.merchants, terms=EVERYTHING)
    yield world
    await world.engine.stop()
