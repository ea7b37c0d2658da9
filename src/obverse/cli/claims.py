"""`obverse claims`."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from obverse.cli.running import run

if TYPE_CHECKING:
    from rich.progress import Progress

    from obverse.bootstrap.money import ClaimRoom
    from obverse.clearing.claims import ClaimFile
    from obverse.kit.settings import Settings

app = typer.Typer(no_args_is_help=True, help="What merchants claim.")

_PIECE_BYTES: Final = 256 * 1024
_POLL_S: Final = 0.5


@app.callback()
def claims() -> None:
    """Keep `import` a command of its own, though it is the only one."""


@app.command("import")
def import_file(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="docs/claim-files.md")
    ],
    merchant: Annotated[str, typer.Option(help="Whose claims they are, e.g. mer_01j...")],
    result: Annotated[Path | None, typer.Option(help="Write what became of every line here, as CSV.")] = None,
) -> None:
    """Take a claim file in and pay what it claims. Once more after an interruption: it pays nothing twice."""

    size = file.stat().st_size

    async def import_claims(settings: "Settings") -> None:
        async with _claim_room(settings, merchant) as room:
            done = await _import(room, file, size, merchant)
            if result is not None:
                await _write_result(room, done, result)
        if done.problem is not None:
            raise typer.Exit(1)

    run(import_claims)


@asynccontextmanager
async def _claim_room(settings: "Settings", merchant: str) -> AsyncIterator["ClaimRoom"]:
    """The room, over a running engine of its own. Raises `MerchantNotFound`."""
    from obverse.bootstrap import join_rooms, open_database, open_vault
    from obverse.kit.clock import Clock, ClockFollower
    from obverse.kit.ids import MerchantId, from_text

    async with open_database(settings) as (database, _):
        clock = Clock()
        follower = ClockFollower(database, clock)
        await follower.start()
        rooms = join_rooms(settings, database, await open_vault(settings, database), clock)
        await rooms.engine.start()
        try:
            await rooms.merchants.get(MerchantId(from_text("mer", merchant)))
            yield rooms.money.claims
        finally:
            await rooms.engine.stop()
            await rooms.bureau.close()
            await follower.stop()


async def _import(room: "ClaimRoom", file: Path, size: int, merchant: str) -> "ClaimFile":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from obverse.kit.ids import MerchantId, from_text

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    began = time.perf_counter()
    with Progress(*columns) as progress:
        pieces = _pieces(file, progress, size)
        taken, repeated = await room.files.receive(MerchantId(from_text("mer", merchant)), pieces)
        done = await _carry_out(room, taken, progress)
    seconds = time.perf_counter() - began
    _report(done)
    if repeated:
        typer.echo("This file had come in before; this is its report.")
    else:
        typer.echo(
            f"{done.claims.lines:,} claims in {seconds:.1f} s: {done.claims.lines / seconds:,.0f} a second."
        )
    return done


async def _pieces(file: Path, progress: "Progress", size: int) -> AsyncIterator[bytes]:
    bar = progress.add_task("bytes read", total=size)
    with file.open("rb") as stream:
        while piece := stream.read(_PIECE_BYTES):
            yield piece
            progress.advance(bar, len(piece))


async def _carry_out(room: "ClaimRoom", taken: "ClaimFile", progress: "Progress") -> "ClaimFile":
    """Pay what it claims, or wait for the process that does."""
    from obverse.clearing.claims import FileState
    from obverse.kit.errors import Unavailable

    if taken.state is not FileState.PROCESSING:
        return taken
    bar = progress.add_task("claims carried out", total=taken.claims.lines)
    while (file := await room.files.get(taken.id)).state is FileState.PROCESSING:
        progress.update(bar, completed=sum(count.lines for count in file.report.values()))
        try:
            if await room.work.carry_out(taken.id, partial(progress.advance, bar)) is None:
                await asyncio.sleep(_POLL_S)
        except Unavailable:
            await asyncio.sleep(_POLL_S)
    return file


def _report(file: "ClaimFile") -> None:
    from rich.console import Console
    from rich.table import Table

    from obverse.kit.ids import to_text

    table = Table("outcome", "claims", f"amount ({file.currency or '?'})", title=to_text("cfile", file.id))
    for bucket, count in file.report.items():
        table.add_row(bucket, f"{count.lines:,}", f"{count.amount_minor:,}")
    table.add_row("all", f"{file.claims.lines:,}", f"{file.claims.amount_minor:,}", style="bold")
    Console().print(table)
    if file.problem is not None:
        typer.echo(f"The whole file was refused: {file.problem}. Nothing of it was paid.", err=True)


async def _write_result(room: "ClaimRoom", file: "ClaimFile", path: Path) -> None:
    from obverse.clearing.claims.results import RESULT_HEADER, result_lines

    with path.open("w") as stream:
        stream.write(RESULT_HEADER)
        async for records in room.files.results(file):
            stream.write(result_lines(records))
