"""What tests with the platform as a child process share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.factories.estate import Estate, an_estate
from tests.factories.platform import PlatformProcess, running


@pytest.fixture
async def estate(database_url: str, tmp_path: Path) -> AsyncIterator[Estate]:
    """A shop, its key and a card company, over a database of this test's own."""
    async with an_estate(database_url, tmp_path) as estate:
        yield estate


@pytest.fixture
async def platform(estate: Estate, tmp_path: Path) -> AsyncIterator[PlatformProcess]:
    """One platform process over the estate, both doors open."""
    async with running(tmp_path / "platform", estate.settings(tmp_path / "data")) as platform:
        yield platform
