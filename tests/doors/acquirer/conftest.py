"""A door with a fake engine behind it, and callers over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from tests.factories.acquirer import NOW, FakeClaims, FakeEngine, FakePoints, OneShop
from tests.factories.iso8583 import PIN_KEY, PIN_KEY_AES, Fields, wire

from obverse.doors.acquirer import AcquirerDoor, Limits
from obverse.kit.secret import Secret
from obverse.networks.iso8583 import decode
from obverse.networks.iso8583.pin_blocks import PinKeys

LIMITS = Limits(
    connections_max=4,
    in_flight_max=4,
    request_timeout_s=0.5,
    message_timeout_s=0.3,
    idle_timeout_s=0.6,
    slow_reader_timeout_s=0.3,
    tick_s=0.02,
)


class Caller:
    """A till: sends fields or raw bytes, reads answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int) -> "Caller":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, *messages: Fields | bytes) -> None:
        self.writer.write(b"".join(m if isinstance(m, bytes) else wire(m) for m in messages))
        await self.writer.drain()

    async def answer(self) -> Fields:
        return decode(await self.answer_bytes())

    async def answer_bytes(self) -> bytes:
        """The next answer with its TPDU, without its length."""
        async with asyncio.timeout(5):
            length = int.from_bytes(await self.reader.readexactly(2), "big")
            return await self.reader.readexactly(length)

    async def ask(self, fields: Fields) -> Fields:
        await self.send(fields)
        return await self.answer()

    async def is_hung_up_on(self) -> bool:
        """Whether the door hangs up (within seconds) without a further answer."""
        async with asyncio.timeout(5):
            try:
                return await self.reader.read() == b""
            except ConnectionError:
                return True

    async def close(self) -> None:
        self.writer.close()


class Door:
    """The door under test and its callers."""

    def __init__(self, engine: FakeEngine, shop: OneShop) -> None:
        self.engine = engine
        self.claims = FakeClaims()
        self.points = FakePoints()
        self.shop = shop
        self.time = NOW
        self._callers: list[Caller] = []

    async def open(self, **limits: Any) -> None:
        self.door = AcquirerDoor(
            self.engine,
            self.claims,
            self.shop,
            now=lambda: self.time,
            limits=replace(LIMITS, **limits),
            pin_keys=PinKeys(Secret(PIN_KEY), Secret(PIN_KEY_AES)),
            points=self.points,
        )
        await self.door.start("127.0.0.1", 0)

    async def caller(self) -> Caller:
        caller = await Caller.connect(self.door.port)
        self._callers.append(caller)
        return caller

    async def close(self) -> None:
        for caller in self._callers:
            await caller.close()
        await self.door.stop(grace_s=1)


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    door = Door(FakeEngine(), OneShop())
    await door.open()
    yield door
    await door.close()


@pytest.fixture
async def narrow_door() -> AsyncIterator[Door]:
    """Not yet open: the test calls `open` with its limits."""
    door = Door(FakeEngine(), OneShop())
    yield door
    await door.close()
