"""A programme to settle."""

import pytest
from tests.factories.settlement import SettlementWorld, a_settlement_world
from tests.factories.wallet import House


@pytest.fixture
async def world(house: House) -> SettlementWorld:
    """It is the morning after THURSDAY, a day on which banks are open."""
    return await a_settlement_world(house)
