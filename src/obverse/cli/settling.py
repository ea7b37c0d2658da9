"""`obverse settle`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING

import typer

from obverse.cli.running import run

if TYPE_CHECKING:
    from obverse.bootstrap.money import SettlementRoom
    from obverse.kit.settings import Settings
    from obverse.settlement import Settlement


def settle(day: datetime | None) -> None:
    """Settle a day, by default the last one that is over. May be repeated, and run beside `serve`."""
    wanted = day.date() if day is not None else None

    async def settle_day(settings: "Settings") -> None:
        async with _room(settings) as room:
            await _settle(room, wanted or room.service.last_day_over)

    run(settle_day)


async def _settle(room: "SettlementRoom", day: date) -> None:
    """Settle under a progress bar of the actions taken, and say what came of it."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    settlement = await room.service.open(day)
    total = settlement.actions + await room.service.count_open(settlement)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns) as progress:
        task = progress.add_task(f"settling {day}", total=total, completed=settlement.actions, rate="")

        def show(stepped: "Settlement") -> None:
            speed = progress.tasks[task].finished_speed or progress.tasks[task].speed
            progress.update(
                task,
                description=f"{stepped.state} {day}",
                completed=stepped.actions,
                total=max(total, stepped.actions),  # more may have come while it was counted
                rate=f"{speed:,.0f}/s" if speed else "",
            )

        settlement = await room.service.settle(day, show)
    typer.echo(f"{settlement.day} is settled: {settlement.actions:,} actions, paid on {settlement.pay_on}.")


@asynccontextmanager
async def _room(settings: "Settings") -> "AsyncIterator[SettlementRoom]":
    """The settlement room over the database of these settings, on the platform's time; nothing else runs."""
    from obverse.bootstrap import join_rooms, open_database, open_vault
    from obverse.kit.clock import Clock, ClockFollower
    from obverse.kit.money import CurrencyCode

    async with open_database(settings) as (database, _):
        clock = Clock()
        follower = ClockFollower(database, clock)
        await follower.start()
        rooms = join_rooms(settings, database, await open_vault(settings, database), clock)
        try:
            await rooms.ledger.open_house(rooms.partitions, CurrencyCode(settings.currency))
            yield rooms.money.settlement
        finally:
            await rooms.bureau.close()
            await follower.stop()
