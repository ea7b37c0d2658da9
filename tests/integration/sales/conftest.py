from collections.abc import AsyncIterator

import pytest
from tests.factories.sales import Shop, open_shop
from tests.factories.wallet import House


@pytest.fixture
async def shop(house: House) -> AsyncIterator[Shop]:
    async with open_shop(house) as shop:
        yield shop
