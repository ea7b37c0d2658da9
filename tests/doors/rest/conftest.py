"""A REST door over a real database, for every test of it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.factories.rest import RestHouse, open_rest_house

from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import NewId


@pytest.fixture
async def rest(
    database: Database, tmp_path: Path, clock: Clock, new_id: NewId, random_bytes: Callable[[int], bytes]
) -> AsyncIterator[RestHouse]:
    async with open_rest_house(database, tmp_path, clock, new_id, random_bytes) as rest:
        yield rest
