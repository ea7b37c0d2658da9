"""A REST door over a real database: one per module, whose tests bring members and merchants of their own."""

import random
from collections.abc import AsyncIterator
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from tests.factories.rest import RestHouse, open_rest_house

from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import uuid7_source
from obverse.kit.secret import Secret


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def rest(
    postgres_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RestHouse]:
    """Its tests say `pytest.mark.asyncio(loop_scope="module")`."""
    name = f"obverse_rest_{uuid4().hex}"
    server = await asyncpg.connect(postgres_url)
    await server.execute(f"create database {name} template {template_database}")
    clock, random_bytes = Clock(), random.Random(7).randbytes
    new_id = uuid7_source(clock.now_ms, random_bytes)
    parts = urlsplit(postgres_url)
    url = f"{parts.scheme}://{parts.netloc}/{name}" + (f"?{parts.query}" if parts.query else "")
    async with Database(Secret(url)) as database:
        folder = tmp_path_factory.mktemp("keys")
        async with open_rest_house(database, folder, clock, new_id, random_bytes) as rest:
            yield rest
    await server.execute(f"drop database {name} with (force)")
    await server.close()
