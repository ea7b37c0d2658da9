"""What the metering tests share."""

from collections.abc import AsyncIterator

import pytest
from tests.factories.metering import MeterWorld, a_meter_world
from tests.factories.wallet import House


@pytest.fixture
async def meter(house: House) -> AsyncIterator[MeterWorld]:
    """A calling service: first 30 seconds for 100 won, then 10 seconds for 18."""
    world = await a_meter_world(house)
    yield world
    await world.world.books_are_right()
    await world.world.engine.stop()
