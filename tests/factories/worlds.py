"""Databases of their own for runs of a state machine, none more than are needed."""

import os
from pathlib import Path

import asyncpg
from tests.conftest import on_database
from tests.factories.any_mix import World

from obverse.kit.database import Database
from obverse.kit.secret import Secret


class Worlds:
    """One world after the other; the next one only once a run has left the last in disorder.

    So what a state machine finds is not found again in all runs after it, and can be made smaller.
    """

    def __init__(self, server_url: str, template: str, folder: Path) -> None:
        self._server_url, self._template, self._folder = server_url, template, folder
        self._free: World | None = None
        self._database: Database | None = None
        self._name = f"any_mix_{os.getpid()}"

    async def take(self) -> World:
        world, self._free = self._free, None
        if world is None:
            await self.close()
            await self._on_server(f"create database {self._name} template {self._template}")
            self._database = Database(Secret(on_database(self._server_url, self._name)))
            await self._database.open()
            world = World(self._database, self._folder)
            await world.open()
        return world

    def give_back(self, world: World) -> None:
        self._free = world

    async def close(self) -> None:
        if self._database is not None:
            await self._database.close()
            await self._on_server(f"drop database {self._name} with (force)")

    async def _on_server(self, *statements: str) -> None:
        conn = await asyncpg.connect(self._server_url)
        try:
            for statement in statements:
                await conn.execute(statement)
        finally:
            await conn.close()
