"""`python -m bench [--full]`; LOADS=a,b picks some."""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import asyncpg
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bench import report
from bench.errors import BenchFailed
from bench.full_tables import fill
from bench.loads import Bench
from bench.processes import Platform, free_port, running
from bench.results import LOADS, Load, Results, print_table, write_lines
from bench.stock import Stock
from bench.tpcb import TpcB
from obverse.kit.database.embedded import EmbeddedPostgres
from obverse.kit.database.system_user import postgres_binaries, server_home
from obverse.kit.errors import ObverseError
from obverse.kit.secret import Secret
from obverse.kit.settings import Settings

_HERE: Final = Path(__file__).parent
_ROUNDS: Final = 3
_TPCB_SECONDS: Final = 6
_FULL: Final = "full_tables"
_REFERENCE: Final = "on_us_iso8583"
_ANALYZE: Final = "analyze members, merchants, funding_sources, accounts, cards"
"""What was just filled; autovacuum would within a minute. Other tables are empty, as on a first day."""


async def bench(loads: Sequence[Load], scratch: Path, console: Console) -> tuple[Results, str]:
    """Measure everything, most of it three times; returns the results, and how durable the database was."""
    server = EmbeddedPostgres(scratch)
    results = Results()
    try:
        url = await asyncio.to_thread(server.start)
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("preparing", total=_ROUNDS + sum(load.rounds for load in loads))
            tpcb = TpcB(postgres_binaries(server_home(scratch)[0]), url)
            await tpcb.prepare()
            async with _world(scratch, url) as world:
                await _measure(world, tpcb, loads, results, progress, task, url)
        return results, await _durability(url, scratch)
    finally:
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def _world(scratch: Path, url: Secret) -> AsyncIterator[Bench]:
    """Card company and platform, each in its process, and a stock of members and merchants."""
    port = free_port()
    company = [sys.executable, "-m", "bench.card_company", str(port)]
    with running(company, scratch / "card_company.log", {}):
        async with Stock.opened(Settings.load(data_dir=scratch)) as stock:
            await _run_sql(url, _ANALYZE)
            with Platform.started(scratch, port) as platform, ExitStack() as partners:
                yield Bench(platform, stock, scratch, partners)


async def _measure(
    world: Bench,
    tpcb: TpcB,
    loads: Sequence[Load],
    results: Results,
    progress: Progress,
    task: TaskID,
    url: Secret,
) -> None:
    names = [load.name for load in loads if load.name != _FULL]
    rounds = {load.name: load.rounds for load in loads}
    for number in range(1, _ROUNDS + 1):
        progress.update(task, description=f"round {number}: pgbench TPC-B")
        results.tpcb.append(await tpcb.measure(_TPCB_SECONDS))
        progress.advance(task)
        for name in [name for name in names if number <= rounds[name]]:
            progress.update(task, description=f"round {number}: {name}")
            results.add(name, await world.measure(name))
            progress.advance(task)
    if len(names) < len(loads):
        progress.update(task, description="filling the tables")
        await fill(url)
        for number in range(1, _ROUNDS + 1):
            progress.update(task, description=f"round {number}: {_FULL}")
            results.add(_FULL, await world.measure(_REFERENCE))
            progress.advance(task)


async def _run_sql(url: Secret, statement: str) -> None:
    conn = await asyncpg.connect(url.reveal())
    try:
        await conn.execute(statement)
    finally:
        await conn.close()


async def _durability(url: Secret, scratch: Path) -> str:
    conn = await asyncpg.connect(url.reveal())
    try:
        names = ("fsync", "full_page_writes", "synchronous_commit")
        shown = [f"{name} {await conn.fetchval(f'show {name}')}" for name in names]
        version = await conn.fetchval("show server_version")
    finally:
        await conn.close()
    return f"PostgreSQL {version}, {', '.join(shown)}, on {_file_system(scratch)}; {os.cpu_count()} cores."


def _file_system(path: Path) -> str:
    """What the data lay on: on a tmpfs an fsync would cost nothing."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "an unknown file system"
    under = [mount for mount in mounts if path.resolve().is_relative_to(mount[1])]
    return max(under, key=lambda mount: len(mount[1]))[2]


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder for one run, into which the server's system user can look; nothing of it stays."""
    with tempfile.TemporaryDirectory(prefix="obverse-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        # Where that user cannot get to this folder, the server's home is a link to one elsewhere.
        shutil.rmtree((folder / "postgres").resolve(), ignore_errors=True)


def _chosen(full: bool) -> list[Load]:
    wanted = [name for name in os.environ.get("LOADS", "").split(",") if name]
    unknown = set(wanted) - {load.name for load in LOADS}
    if unknown:
        raise BenchFailed(f"No such load: {', '.join(sorted(unknown))}.")
    chosen = [load for load in LOADS if load.name in wanted] if wanted else list(LOADS)
    if not full and not wanted:
        chosen = [load for load in chosen if load.name != _FULL]
    if any(load.against == _REFERENCE for load in chosen) and LOADS[0] not in chosen:
        chosen.insert(0, LOADS[0])  # what the others are compared with, in the same run
    return chosen


def main() -> int:
    """Run, write bench/results.jsonl, show the table; a complete run also renews the pages in docs/."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--full", action="store_true", help="also with full tables; takes long")
    full = parser.parse_args().full
    console = Console()
    for name in [name for name in os.environ if name.startswith("OBVERSE_")]:
        del os.environ[name]  # what is measured is what a newcomer gets
    try:
        loads = _chosen(full)
        with _scratch() as scratch, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            results, durability = runner.run(bench(loads, scratch, console))
    except (BenchFailed, ObverseError) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    write_lines(_HERE / "results.jsonl", results, loads)
    print_table(console, results, loads, durability)
    if not os.environ.get("LOADS"):
        report.renew(_HERE.parent / "docs", results, loads, durability)
    return 0


if __name__ == "__main__":
    sys.exit(main())
