"""A programme with two issuers and two partitions, on a Friday; its books are right at the end."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path

import pytest
from tests.factories.books import nothing_is_held_for_what_was_undone
from tests.factories.invoicing import SEOUL, PointsProgramme, a_points_programme
from tests.factories.settlement import put_clock
from tests.factories.wallet import build_house

from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import NewId
from obverse.ledger import Ledger


@pytest.fixture
async def points(
    database: Database, tmp_path: Path, clock: Clock, new_id: NewId, random_bytes: Callable[[int], bytes]
) -> AsyncIterator[PointsProgramme]:
    put_clock(clock, datetime(2026, 11, 20, 12, tzinfo=SEOUL.zone))
    house = build_house(database, tmp_path / "keys.json", clock, new_id, random_bytes, partitions=2)
    points = await a_points_programme(house)
    yield points
    await points.programme.world.engine.stop()
    assert await Ledger(database).check() == []
    await nothing_is_held_for_what_was_undone(database)
