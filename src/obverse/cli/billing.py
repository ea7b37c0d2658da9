"""`obverse bill`."""

import os
from typing import TYPE_CHECKING

import typer

from obverse.cli.running import run

if TYPE_CHECKING:
    from obverse.billing import Issuing, Month, Run
    from obverse.kit.settings import Settings


def bill(month: str | None) -> None:
    """Bill a month, by default the last one that is over. May be repeated, and run beside `serve`."""
    from obverse.billing import Month

    wanted = Month.parse(month) if month is not None else None

    async def bill_month(settings: "Settings") -> None:
        from obverse.billing import BillTerms, Issuing
        from obverse.bootstrap import open_database
        from obverse.kit.clock import Clock, ClockFollower
        from obverse.kit.ids import uuid7_source

        async with open_database(settings) as (database, _):
            clock = Clock()
            follower = ClockFollower(database, clock)
            await follower.start()
            await follower.stop()  # where the platform's time stands is all that is wanted of it
            issuing = Issuing(
                database,
                settings.calendar(),
                BillTerms(settings.bill_due_days, settings.bill_grace_days),
                clock=clock,
                new_id=uuid7_source(clock.now_ms, os.urandom),
                random_bytes=os.urandom,
            )
            await _bill(issuing, wanted or issuing.last_month_over)

    run(bill_month)


async def _bill(issuing: "Issuing", month: "Month") -> None:
    """Bill a month under a progress bar for each part of the work, and say what came of it."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from obverse.billing import RunState

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns) as progress:
        tasks = {}

        def show(stepped: "Run", done: int, total: int) -> None:
            part = "payments" if stepped.state is RunState.COLLECTING else "credit lines"
            name = f"{stepped.month}: {part}"
            if name not in tasks:
                tasks[name] = progress.add_task(name)
            # More may have come while they were counted.
            progress.update(tasks[name], completed=done, total=max(done, total))

        billed = await issuing.issue(month, show)
    typer.echo(f"{billed.month} is billed: {billed.bills:,} bills of {billed.lines:,} lines.")
