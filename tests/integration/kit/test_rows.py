"""Rows go in by arrays when they are few and by COPY when they are many, and come out the same."""

from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest

from obverse.kit.database import Database, Table, insert_rows

EVENTS = Table(
    "events",
    {"id": "uuid", "type": "text", "subject_id": "uuid", "data": "jsonb", "created_at": "timestamptz"},
)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 1_000])
async def test_as_many_as_were_given_are_stored_as_they_were_given(database: Database, count: int) -> None:
    rows = [(uuid4(), f"type {n} 한글", uuid4(), '{"n": 1}', NOON) for n in range(count)]
    async with database.transaction() as conn:
        await insert_rows(conn, EVENTS, rows)
        stored = await conn.fetch("select id, type, subject_id, data, created_at from events")
    assert sorted(map(tuple, stored)) == sorted(rows)


@pytest.mark.parametrize("count", [2, 200], ids=["few", "many"])
async def test_what_postgresql_refuses_is_raised_and_nothing_stays(database: Database, count: int) -> None:
    twin = uuid4()
    rows = [(twin if n < 2 else uuid4(), "type", uuid4(), "{}", NOON) for n in range(count)]
    with pytest.raises(asyncpg.UniqueViolationError):
        async with database.transaction() as conn:
            await insert_rows(conn, EVENTS, rows)
    async with database.connection() as conn:
        assert await conn.fetchval("select count(*) from events") == 0
