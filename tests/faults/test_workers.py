"""A platform in several processes that share ports and database."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import pytest
from tests.factories.callers import AcquirerLine
from tests.factories.estate import Estate
from tests.factories.platform import PlatformProcess, environment, obverse, running
from tests.factories.waiting import eventually

WORKERS = 3


def mates_of(platform: PlatformProcess) -> set[int]:
    """The processes that the first one has started and that are still alive."""
    found = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(platform.pid)], capture_output=True, text=True, check=False
    ).stdout
    return {int(line.split()[0]) for line in found.splitlines() if "obverse.cli.mates" in line}


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_p01_workers_that_share_a_port_approve_each_number_once(estate: Estate, tmp_path: Path) -> None:
    faces = await estate.on_us_cards(40)
    async with running(tmp_path / "log", estate.settings(tmp_path / "data", workers=WORKERS)) as platform:
        assert len(mates_of(platform)) == WORKERS - 1
        lines = [await AcquirerLine.open(platform.acquirer_port) for _ in range(24)]
        answers = [await line.ask(estate.purchase(face)) for face in faces for line in (lines[0], lines[-1])]
        asked = [line.ask(estate.purchase(face)) for face in faces for line in lines]
        answers += [await answer for answer in asked]
        for line in lines:
            line.close()
    assert sum(answer["39"] == "00" for answer in answers) == len(faces)
    await estate.books_are_right()


async def test_a_worker_that_dies_is_replaced_and_payments_go_on(estate: Estate, tmp_path: Path) -> None:
    faces = await estate.on_us_cards(10)
    async with running(tmp_path / "log", estate.settings(tmp_path / "data", workers=WORKERS)) as platform:
        before = mates_of(platform)
        os.kill(min(before), signal.SIGKILL)
        await eventually(lambda: len(mates_of(platform) - before) == 1, seconds=30)
        for face in faces:
            line = await AcquirerLine.open(platform.acquirer_port)
            assert (await line.ask(estate.purchase(face)))["39"] == "00"
            line.close()


async def test_workers_end_with_the_first_process_even_if_that_is_killed(
    estate: Estate, tmp_path: Path
) -> None:
    platform = PlatformProcess(tmp_path / "log", estate.settings(tmp_path / "data", workers=WORKERS))
    await platform.start()
    mates = mates_of(platform)
    platform.kill()
    assert len(mates) == WORKERS - 1
    await eventually(lambda: not any(is_alive(pid) for pid in mates), seconds=30)


@pytest.mark.parametrize("door", ["rest", "acquirer"])
async def test_workers_do_not_share_a_port_with_another_installation(
    estate: Estate, tmp_path: Path, door: str
) -> None:
    async with running(tmp_path / "log", estate.settings(tmp_path / "data", workers=2)) as platform:
        taken = platform.rest_port if door == "rest" else platform.acquirer_port
        other = estate.settings(tmp_path / "other", workers=2, **{f"{door}_port": taken})
        ended = await asyncio.to_thread(
            subprocess.run,
            obverse("serve"),
            env=environment(**({"rest_port": 0, "acquirer_port": 0} | other)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode == 2
    assert str(taken) in ended.stderr
    assert "OBVERSE_REST_PORT" in ended.stderr
