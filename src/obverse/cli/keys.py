"""`obverse keys`."""

from typing import TYPE_CHECKING

import typer

from obverse.cli.running import run

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

app = typer.Typer(no_args_is_help=True, help="The keys that seal and find card numbers.")


@app.command()
def rotate() -> None:
    """Move every row to new keys while payments run. Repeat it after an interruption; then `retire`."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from obverse.bootstrap import open_database, open_vault, rekeys
    from obverse.kit.settings import Settings
    from obverse.vault import jobs

    async def rotate_keys(settings: Settings) -> None:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        async with open_database(settings) as (database, _):
            vault = await open_vault(settings, database)
            with Progress(*columns) as progress:
                active = await jobs.rotate(database, vault, rekeys(vault), _Bars(progress))
        typer.echo(f"In use: encryption version {active.encryption}, index version {active.index}.")

    run(rotate_keys)


@app.command()
def retire() -> None:
    """Remove old keys from the key file; refused while a row still needs one."""
    from obverse.bootstrap import open_database, open_vault, rekeys
    from obverse.kit.settings import Settings
    from obverse.vault import jobs

    async def retire_keys(settings: Settings) -> None:
        async with open_database(settings) as (database, _):
            vault = await open_vault(settings, database)
            active = await jobs.retire(database, vault, rekeys(vault))
        typer.echo(f"Left: encryption version {active.encryption}, index version {active.index}.")

    run(retire_keys)


class _Bars:
    """A progress bar for every kind of row."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, name: str, done: int, total: int) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name)
        self._progress.update(self._tasks[name], completed=done, total=total)
