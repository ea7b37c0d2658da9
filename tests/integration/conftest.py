"""What integration tests share."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.factories.wallet import House, build_house

from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import NewId


@pytest.fixture
def house(
    database: Database, tmp_path: Path, clock: Clock, new_id: NewId, random_bytes: Callable[[int], bytes]
) -> House:
    """Every room from vault to wallet, with a bureau and a card company that say yes."""
    return build_house(database, tmp_path / "keys.json", clock, new_id, random_bytes)
