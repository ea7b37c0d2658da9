"""All rooms over the database of these settings, for a command that runs beside `serve`."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obverse.bootstrap import Rooms
    from obverse.kit.settings import Settings


@asynccontextmanager
async def joined_rooms(settings: "Settings") -> "AsyncIterator[Rooms]":
    """The rooms on the platform's time, with nothing running in them; what they hold open is closed."""
    from obverse.bootstrap import join_rooms, open_database, open_vault
    from obverse.kit.clock import Clock, ClockFollower
    from obverse.kit.money import CurrencyCode

    async with AsyncExitStack() as stack:
        database, _ = await stack.enter_async_context(open_database(settings))
        clock = Clock()
        follower = ClockFollower(database, clock)
        await follower.start()
        stack.push_async_callback(follower.stop)
        rooms = join_rooms(settings, database, await open_vault(settings, database), clock)
        for close in (
            rooms.bureau.close,
            rooms.money.treasury.bank.close,
            rooms.money.presentments.card_company.close,
            rooms.money.webhooks.client.close,
        ):
            stack.push_async_callback(close)
        await rooms.ledger.open_house(rooms.partitions, CurrencyCode(settings.currency))
        yield rooms
