"""The PostgreSQL we bring along: as root and as nobody in particular, after kills, on bad directories."""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from obverse.kit.database import Database, system_user
from obverse.kit.database.checks import check_server
from obverse.kit.database.embedded import EmbeddedPostgres
from obverse.kit.errors import CannotStart
from obverse.kit.secret import Secret

SMALL = {"shared_buffers": "16MB", "min_wal_size": "32MB", "max_wal_size": "64MB"}
UNSAFE = ["fsync", "full_page_writes", "synchronous_commit"]


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A directory that PostgreSQL's system user can reach; pytest's own are closed to everybody else."""
    folder = Path(tempfile.mkdtemp(prefix="obverse-test-"))
    folder.chmod(0o755)
    yield folder / "data"
    shutil.rmtree(folder)


async def answer(url: Secret, statement: str = "select 1") -> object:
    conn = await asyncpg.connect(url.reveal())
    try:
        return await conn.fetchval(statement)
    finally:
        await conn.close()


def kill_server(server: EmbeddedPostgres) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    while server.pid is not None:
        time.sleep(0.001)


def test_it_starts_keeps_its_data_and_leaves_no_process_behind(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, settings=SMALL)
    url = server.start()
    asyncio.run(answer(url, "create table kept (it int)"))
    pid = server.pid
    assert pid is not None
    server.stop()
    assert not Path(f"/proc/{pid}").exists()

    again = EmbeddedPostgres(data_dir, settings=SMALL)
    before = time.monotonic()
    url = again.start()
    assert time.monotonic() - before < 3
    assert asyncio.run(answer(url, "select count(*) from kept")) == 0
    again.stop()


def test_only_its_owner_can_enter_and_only_with_the_password(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, settings=SMALL)
    url = server.start()
    home = (data_dir / "postgres").resolve()
    try:
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert stat.S_IMODE((home / "password").stat().st_mode) == 0o600
        assert asyncio.run(answer(url, "show listen_addresses")) == ""
        wrong = Secret(url.reveal().replace("postgres:", "postgres:not"))
        with pytest.raises(asyncpg.InvalidPasswordError):
            asyncio.run(answer(wrong))
        assert "password" not in repr(url)
    finally:
        server.stop()


def test_two_processes_share_one_server_and_the_last_one_stops_it(data_dir: Path) -> None:
    first, second = EmbeddedPostgres(data_dir, settings=SMALL), EmbeddedPostgres(data_dir, settings=SMALL)
    assert first.start() == second.start()
    first.stop()
    assert second.pid is not None
    second.stop()
    assert second.pid is None


def test_it_comes_back_after_being_killed(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, settings=SMALL)
    url = server.start()
    asyncio.run(answer(url, "create table kept (it int)"))

    async def kill_under_load() -> Secret:
        # Backends that are busy outlive their postmaster for a moment, and hold its memory.
        busy = await asyncpg.connect(url.reveal())
        sleeping = asyncio.create_task(busy.execute("select count(*) from generate_series(1, 20000000)"))
        await asyncio.sleep(0.1)
        kill_server(server)
        again = await asyncio.to_thread(EmbeddedPostgres(data_dir, settings=SMALL).start)
        await asyncio.gather(sleeping, return_exceptions=True)
        busy.terminate()
        return again

    again = asyncio.run(kill_under_load())
    assert asyncio.run(answer(again, "select count(*) from kept")) == 0
    last = EmbeddedPostgres(data_dir, settings=SMALL)
    last.start()
    server.stop()
    last.stop()


def test_a_server_that_died_is_revived_at_the_same_address(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, settings=SMALL)
    url = server.start()
    assert not server.revive()
    kill_server(server)
    assert server.revive()
    assert asyncio.run(answer(url)) == 1
    server.stop()


def test_a_recycled_process_id_is_not_taken_for_the_server(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, settings=SMALL)
    server.start()
    server.stop()
    stale = (data_dir / "postgres").resolve() / "data" / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{stale.parent}\n1\n5432\n/nowhere\n\n\nready\n")
    server = EmbeddedPostgres(data_dir, settings=SMALL)
    assert asyncio.run(answer(server.start())) == 1
    server.stop()


def test_a_long_path_gets_its_socket_elsewhere(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir / ("long" * 20), settings=SMALL)
    url = server.start()
    assert asyncio.run(answer(url)) == 1
    socket_dir = Path(url.reveal().partition("host=")[2].partition("&")[0])
    assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
    server.stop()
    again = EmbeddedPostgres(data_dir / ("long" * 20), settings=SMALL)
    assert again.start() == url
    again.stop()
    shutil.rmtree(socket_dir)


def test_a_directory_closed_to_others_is_left_closed(data_dir: Path) -> None:
    closed = data_dir / "mine-only"
    closed.mkdir(parents=True, mode=0o700)
    server = EmbeddedPostgres(closed / "data", settings=SMALL)
    url = server.start()
    server.stop()
    home = closed / "data" / "postgres"
    assert home.is_symlink() == (os.geteuid() == 0)  # root's server runs as somebody else
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    again = EmbeddedPostgres(closed / "data", settings=SMALL)
    assert again.start() == url
    again.stop()
    shutil.rmtree(home.resolve())


def test_binaries_that_the_system_user_cannot_reach_are_copied(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unreachable:
        is_other = True

        def can(self, test: str, path: Path) -> bool:
            return False

    monkeypatch.setattr(system_user, "_SHARED", data_dir)
    user: Any = Unreachable()
    binaries = system_user.postgres_binaries(user)
    assert binaries.is_relative_to(data_dir)
    version = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("postgres (PostgreSQL) 18")
    copied = [path for path in data_dir.rglob("*") if not path.is_symlink()]
    assert [path for path in copied if path.stat().st_mode & 0o022] == []
    assert len(list(data_dir.iterdir())) == 1


def test_a_directory_that_cannot_be_written_is_refused_in_one_line(data_dir: Path) -> None:
    data_dir.write_text("a file where the directory should be")
    with pytest.raises(CannotStart, match=r"^Cannot write the data directory .*OBVERSE_DATA_DIR.*$"):
        EmbeddedPostgres(data_dir).start()


@pytest.mark.parametrize("setting", UNSAFE)
def test_a_server_without_durability_is_refused(data_dir: Path, setting: str) -> None:
    server = EmbeddedPostgres(data_dir, settings=SMALL | {setting: "off"})
    url = server.start()

    async def check() -> None:
        async with Database(url, role=None) as database:
            await check_server(database)

    try:
        with pytest.raises(CannotStart, match=setting):
            asyncio.run(check())
    finally:
        server.stop()
