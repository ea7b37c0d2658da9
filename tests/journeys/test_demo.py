"""`obverse demo` and `obverse journeys` as a newcomer runs them: as processes, with their own PostgreSQL."""

import asyncio
import json
import os
import shutil
import signal
import socket
import stat
import sys
import tempfile
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.factories.waiting import eventually

UP = "Ctrl-C stops everything."
START_SECONDS_MAX = 300
STOP_SECONDS_MAX = 30

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """One for all: setting up a database takes longest, and whatever comes first has to do it.

    Not below pytest's own folder: as root, PostgreSQL runs as another user, and every pytest that starts on
    this machine takes that user's way into pytest's folder away.
    """
    folder = Path(tempfile.mkdtemp(prefix="obverse-demo-"))
    folder.chmod(0o755)
    yield folder / ".obverse"
    shutil.rmtree(folder)


@pytest.fixture
async def start(data_dir: Path) -> AsyncIterator[Callable[..., Any]]:
    """Starts an `obverse` command over this data directory; what still runs at the end is killed."""
    started: list[Process] = []

    async def start_command(*arguments: str, **settings: str) -> Process:
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-c", "from obverse.cli import main; main()", *arguments],
            env={**os.environ, **settings, "OBVERSE_DATA_DIR": str(data_dir)},
            stdout=PIPE,
            stderr=STDOUT,
        )
        started.append(process)
        return process

    yield start_command
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        await eventually(lambda: not left_over(data_dir), STOP_SECONDS_MAX)
    finally:
        for pid in left_over(data_dir):  # the test has failed already; the machine should not suffer for it
            os.kill(pid, signal.SIGKILL)


async def read_until(process: Process, text: str) -> str:
    """Everything printed up to the line with `text` in it."""
    assert process.stdout is not None
    printed = ""
    async with asyncio.timeout(START_SECONDS_MAX):
        while text not in printed:
            line = await process.stdout.readline()
            assert line, f"it ended without saying {text!r}:\n{printed}"
            printed += line.decode()
    return printed


def left_over(data_dir: Path) -> dict[int, str]:
    """Processes that work on this data directory, by id: those with it in their environment; PostgreSQL."""
    found = {}
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and str(data_dir).encode() in (process / "environ").read_bytes():
                found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue  # it has ended meanwhile, or is not ours to look at
    pid_file = data_dir / "postgres" / "data" / "postmaster.pid"
    if pid_file.exists():
        pid = int(pid_file.read_text().split("\n")[0])
        if Path("/proc", str(pid)).exists():
            found[pid] = "PostgreSQL"
    return found


async def test_the_demo_runs_until_ctrl_c_and_its_second_start_knows_everybody(
    start: Callable[..., Any], data_dir: Path
) -> None:
    first = await start("demo", "--free-ports")
    printed = await read_until(first, UP)
    assert "steps as they should be" in printed
    file = data_dir / "demo.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    told = json.loads(file.read_text())
    async with httpx.AsyncClient(trust_env=False) as client:
        for url in (told["docs_url"], told["mall_url"], f"{told['rest_url']}/health"):
            assert (await client.get(url)).status_code == 200
    for door in ("acquirer", "clearing_house"):
        socket.create_connection((told[door]["host"], told[door]["port"]), timeout=2).close()

    walked = await start("journeys", "OT-J1", "PP-J5")
    printed, _ = await asyncio.wait_for(walked.communicate(), START_SECONDS_MAX)
    assert walked.returncode == 0, printed.decode()
    assert f"Walking in the demo that runs at {told['rest_url']}" in printed.decode()

    first.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(first.wait(), STOP_SECONDS_MAX) == 0
    assert left_over(data_dir) == {}

    second = await start("demo", "--free-ports", "--no-walk")
    assert "steps" not in await read_until(second, UP)
    again = json.loads(file.read_text())
    assert [again[name] for name in ("api_key", "members", "merchants")] == [
        told[name] for name in ("api_key", "members", "merchants")
    ]
    second.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(second.wait(), STOP_SECONDS_MAX) == 0
    assert left_over(data_dir) == {}


async def test_nothing_outlives_a_demo_that_was_killed(start: Callable[..., Any], data_dir: Path) -> None:
    demo = await start("demo", "--free-ports", "--no-walk")
    await read_until(demo, UP)
    assert len(left_over(data_dir)) >= 4
    demo.kill()
    await demo.wait()
    await eventually(lambda: not left_over(data_dir), STOP_SECONDS_MAX)


async def test_ctrl_c_while_it_starts_leaves_nothing_behind(
    start: Callable[..., Any], data_dir: Path
) -> None:
    demo = await start("demo", "--free-ports")
    await read_until(demo, "Starting")
    await eventually(lambda: len(left_over(data_dir)) >= 2, START_SECONDS_MAX)
    demo.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(demo.wait(), STOP_SECONDS_MAX) == 0
    assert left_over(data_dir) == {}


async def test_journeys_start_what_they_need_and_exit(start: Callable[..., Any], data_dir: Path) -> None:
    walked = await start("journeys", "OT-J5")
    printed, _ = await asyncio.wait_for(walked.communicate(), START_SECONDS_MAX)
    assert walked.returncode == 0, printed.decode()
    assert "OT-J5" in printed.decode()
    assert "OT-J1" not in printed.decode()
    assert left_over(data_dir) == {}


@pytest.mark.parametrize("door", ["rest", "acquirer", "card_company"])
async def test_a_taken_port_is_one_clear_line(start: Callable[..., Any], data_dir: Path, door: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        demo = await start("demo", "--free-ports", **{f"OBVERSE_{door.upper()}_PORT": port})
        printed, _ = await asyncio.wait_for(demo.communicate(), START_SECONDS_MAX)
    lines = printed.decode().strip().splitlines()
    assert demo.returncode == 2
    assert len(lines) == 2
    assert f"cannot listen on 127.0.0.1:{port}" in lines[1]
    assert left_over(data_dir) == {}


async def test_an_unwritable_data_directory_is_one_clear_line(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-c", "from obverse.cli import main; main()", "demo", "--free-ports"],
        env={**os.environ, "OBVERSE_DATA_DIR": str(tmp_path / "file" / ".obverse")},
        stdout=PIPE,
        stderr=STDOUT,
    )
    printed, _ = await asyncio.wait_for(process.communicate(), START_SECONDS_MAX)
    assert process.returncode == 2
    assert "Cannot write the data directory" in printed.decode().splitlines()[-1]
