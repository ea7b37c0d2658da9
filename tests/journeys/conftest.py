"""The whole platform and all partners, in processes of their own, on free ports."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from tests.conftest import on_database

from obverse.cli.demo.identities import settle_in
from obverse.cli.demo.stack import standing
from obverse.cli.journeys import Places
from obverse.kit.secret import Secret
from obverse.kit.settings import Settings


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def settings(
    postgres_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Settings]:
    """A database of their own, and free ports."""
    name = f"obverse_journeys_{uuid4().hex}"
    folder: Path = tmp_path_factory.mktemp("journeys")
    conn = await asyncpg.connect(postgres_url)
    await conn.execute(f"create database {name} template {template_database}")
    yield Settings.load(
        data_dir=folder,
        database_url=Secret(on_database(postgres_url, name)),
        rest_port=0,
        acquirer_port=0,
        card_company_port=0,
    )
    await conn.execute(f"drop database {name} with (force)")
    await asyncio.wait_for(conn.close(), 5)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def places(settings: Settings) -> AsyncIterator[Places]:
    async with standing(settings, free_ports=True) as found:
        yield await settle_in(found, settings.data_dir / "demo.json")
