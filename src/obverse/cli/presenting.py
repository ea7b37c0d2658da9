"""`obverse present`."""

from typing import TYPE_CHECKING

import typer

from obverse.cli.rooms import joined_rooms
from obverse.cli.running import run

if TYPE_CHECKING:
    from obverse.bootstrap.money import PresentmentRoom
    from obverse.kit.settings import Settings


def present() -> None:
    """Present what waits now, and exchange files as far as the card company answers. May be repeated."""

    async def present_now(settings: "Settings") -> None:
        async with joined_rooms(settings) as rooms:
            await _present(rooms.money.presentments)

    run(present_now)


async def _present(room: "PresentmentRoom") -> None:
    """Gather under a progress bar of the actions taken, and say what became of each file."""
    from rich.progress import Progress

    with Progress() as progress:
        task = progress.add_task("presenting", total=None)
        files = await room.service.present_now(
            lambda done, total: progress.update(task, completed=done, total=total)
        )
    await room.exchange.exchange()
    await room.exchange.place_receipts()
    for made in files:
        file = await room.service.get_file(made.id)
        said = f"{file.state} ({file.problem})" if file.problem else file.state
        net = f"{file.totals.net_minor:,} {file.currency}"
        typer.echo(f"{file.reference}: {file.totals.count:,} presentments, {net}: {said}.")
    if not files:
        typer.echo("Nothing waits to be presented.")
