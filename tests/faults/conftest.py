"""What tests with the platform as a child process share."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.factories.estate import Estate, an_estate
from tests.factories.platform import PlatformProcess, running

from obverse.kit.database.embedded import EmbeddedPostgres


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


@pytest.fixture
def own_folder() -> Iterator[Path]:
    """A folder that another system user may enter: root's tests run PostgreSQL as one."""
    folder = Path(tempfile.mkdtemp(prefix="obverse-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def own_server(own_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that this test may kill; no other test uses it."""
    server = EmbeddedPostgres(own_folder, settings={"shared_buffers": "64MB", "min_wal_size": "80MB"})
    yield server
    server.stop()
