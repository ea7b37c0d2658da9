from collections.abc import AsyncIterator

import pytest
from tests.factories.engine import EngineWorld, an_engine_world
from tests.factories.wallet import House


@pytest.fixture
async def world(house: House) -> AsyncIterator[EngineWorld]:
    """The engine over this test's database; the books are checked at the end of every test (P2, P4)."""
    world = await an_engine_world(house)
    yield world
    await world.engine.stop()
    await world.books_are_right()
