"""What billing's integration tests share: the first of November 2031, in Seoul."""

from collections.abc import AsyncIterator

import pytest
from tests.factories.billing import BillingWorld, a_billing_world, at, turn_to
from tests.factories.wallet import House


@pytest.fixture
async def world(house: House) -> AsyncIterator[BillingWorld]:
    turn_to(house.clock, at("2031-11-01 09:00"))
    world = await a_billing_world(house)
    yield world
    await world.engine_world.engine.stop()
