from collections.abc import AsyncIterator

import pytest
from tests.factories.orders import Shop, a_shop
from tests.factories.wallet import House


@pytest.fixture
async def shop(house: House) -> AsyncIterator[Shop]:
    """The books are checked at the end of every test (P2, P4)."""
    shop = await a_shop(house)
    yield shop
    await shop.world.engine.stop()
    await shop.world.books_are_right()
