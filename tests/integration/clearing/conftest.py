from collections.abc import AsyncIterator

import pytest
from tests.factories.claims import ClaimWorld, a_claim_world
from tests.factories.engine import an_engine_world
from tests.factories.wallet import House


@pytest.fixture
async def claiming(house: House) -> AsyncIterator[ClaimWorld]:
    """A shop that claims, over this test's database; the books are checked at the end of every test."""
    engine = await an_engine_world(house)
    claiming = a_claim_world(engine)
    yield claiming
    await claiming.claims.stop()
    await engine.engine.stop()
    await engine.books_are_right()
