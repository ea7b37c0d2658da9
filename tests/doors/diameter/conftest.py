"""The Diameter door over a real database, and the roads to it: straight, and by way of freeDiameter."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.factories.diameter import (
    CALLS_HOST,
    CREDIT_HOST,
    FREE_DIAMETER,
    RELAY_HOST,
    Caller,
    PlainCaller,
    a_caller,
    a_relay,
    is_connected,
)
from tests.factories.metering import OPERATOR, TERMS, MeterWorld, a_meter_world
from tests.factories.wallet import House, build_house

from obverse.doors.diameter import DiameterDoor, Identity, Limits
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import NewId

LIMITS = Limits(connections_max=4, in_flight_max=4, introduction_s=0.5, message_s=0.5, watchdog_s=0.5)

ROADS = [
    pytest.param("straight", id="straight" if FREE_DIAMETER else "straight (freeDiameterd is not installed)"),
    *([pytest.param("relayed", id="by way of freeDiameter")] if FREE_DIAMETER else []),
]
"""Without the daemon there is one road; its name in the report says so."""


@pytest.fixture
def house(
    database: Database, tmp_path: Path, clock: Clock, new_id: NewId, random_bytes: Callable[[int], bytes]
) -> House:
    return build_house(database, tmp_path / "keys.json", clock, new_id, random_bytes)


@dataclass
class DiameterWorld:
    """A calling service that is known as `calls.example.com`, and the door."""

    meter: MeterWorld
    door: DiameterDoor
    folder: Path

    @asynccontextmanager
    async def line(self) -> AsyncIterator[PlainCaller]:
        caller = await PlainCaller.connect(self.door.port)
        try:
            yield caller
        finally:
            await caller.close()

    @asynccontextmanager
    async def caller(self, road: str = "straight") -> AsyncIterator[Caller]:
        if road == "straight":
            async with a_caller(self.door.port) as caller:
                yield caller
            return
        with a_relay(self.folder, self.door.port) as port:
            await is_connected(self.folder)
            async with a_caller(port, RELAY_HOST) as caller:
                yield caller


@asynccontextmanager
async def a_world(house: House, folder: Path, limits: Limits | None) -> AsyncIterator[DiameterWorld]:
    meter = await a_meter_world(house)
    await meter.tariffs.set_server(meter.service, CALLS_HOST, OPERATOR)
    door = DiameterDoor(
        meter.metering,
        meter.tariffs,
        house.merchants,
        meter.world.engine,
        identity=Identity(CREDIT_HOST),
        validity_s=int(TERMS.validity.total_seconds()),
        relays=[RELAY_HOST],
        limits=limits,
    )
    await door.start("127.0.0.1", 0)
    yield DiameterWorld(meter, door, folder)
    await door.stop()
    await meter.world.books_are_right()
    await meter.world.engine.stop()


@pytest.fixture
async def diameter(house: House, tmp_path: Path) -> AsyncIterator[DiameterWorld]:
    async with a_world(house, tmp_path, None) as world:
        yield world


@pytest.fixture
async def strict(house: House, tmp_path: Path) -> AsyncIterator[DiameterWorld]:
    """The same with little patience."""
    async with a_world(house, tmp_path, LIMITS) as world:
        yield world
