"""A programme with two partitions, at noon of a Friday; its books are checked at the end of every test."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path

import pytest
from tests.factories.reconciliation import SEOUL, Programme, a_programme
from tests.factories.settlement import put_clock
from tests.factories.wallet import build_house

from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import NewId
from obverse.ledger import Ledger


@pytest.fixture
async def programme(
    database: Database, tmp_path: Path, clock: Clock, new_id: NewId, random_bytes: Callable[[int], bytes]
) -> AsyncIterator[Programme]:
    put_clock(clock, datetime(2026, 11, 20, 12, tzinfo=SEOUL.zone))
    house = build_house(database, tmp_path / "keys.json", clock, new_id, random_bytes, partitions=2)
    programme = await a_programme(house, partitions=2)
    yield programme
    await programme.world.engine.stop()
    assert await Ledger(database).check() == []
