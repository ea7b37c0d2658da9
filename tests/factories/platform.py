"""The platform as a child process, to be killed, stopped and started again."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from obverse.kit.database.embedded import EmbeddedPostgres

_START_SECONDS_MAX = 60
_STOP_SECONDS_MAX = 30
_UP = re.compile(r"REST http://[^:]+:(\d+) .* ISO 8583 [^:]+:(\d+)\.")


def obverse(*arguments: str) -> list[str]:
    """The `obverse` command, run by this very Python."""
    return [sys.executable, "-c", "from obverse.cli import main; main()", *arguments]


def environment(**settings: object) -> dict[str, str]:
    """A clean environment with these settings: `rest_port=0` becomes `OBVERSE_REST_PORT=0`."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {f"OBVERSE_{name.upper()}": str(value) for name, value in settings.items()}


class PlatformProcess:
    """`obverse serve` on free ports; everything it writes is kept in `folder`."""

    def __init__(self, folder: Path, settings: Mapping[str, object]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._environment = environment(**{"rest_port": 0, "acquirer_port": 0} | dict(settings))
        self.stdout, self.stderr = folder / "stdout", folder / "stderr"
        self._process: subprocess.Popen[bytes] | None = None
        self.rest_port = self.acquirer_port = 0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start, and return once both doors are open."""
        process, said_before = self._spawn()
        deadline = time.monotonic() + _START_SECONDS_MAX
        while (up := _UP.search(self.stdout.read_text()[said_before:])) is None:
            assert process.poll() is None, f"it ended while starting: {self.stderr.read_text()[-3000:]}"
            assert time.monotonic() < deadline, "it does not start"
            await asyncio.sleep(0.02)
        self.rest_port, self.acquirer_port = int(up[1]), int(up[2])

    def _spawn(self) -> tuple[subprocess.Popen[bytes], int]:
        with self.stdout.open("ab") as out, self.stderr.open("ab") as err:
            said_before = out.tell()
            self._process = subprocess.Popen(
                obverse("serve"), env=self._environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )
        return self._process, said_before

    def kill(self) -> None:
        """kill -9, and wait until nothing is left of it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    async def stop(self) -> None:
        """Ask it to stop, as an operator does; it must end by itself and without an error."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS_MAX
        while self._process.poll() is None:
            assert time.monotonic() < deadline, "it does not stop"
            await asyncio.sleep(0.02)
        code, self._process = self._process.returncode, None
        assert code == 0, f"it stopped with {code}: {self.stderr.read_text()[-3000:]}"

    def written(self) -> bytes:
        """All it has written so far, in all its lives."""
        return self.stdout.read_bytes() + self.stderr.read_bytes()


@asynccontextmanager
async def running(folder: Path, settings: Mapping[str, object]) -> AsyncIterator[PlatformProcess]:
    """A platform that is up; stopped in an orderly way at the end, killed if the test failed."""
    platform = PlatformProcess(folder, settings)
    try:
        await platform.start()
        yield platform
        await platform.stop()
    finally:
        platform.kill()


def kill_postgres(server: EmbeddedPostgres) -> None:
    """kill -9 every process of this server; returns when the postmaster, stopped first, is gone."""
    postmaster = freeze_postgres(server)
    for process in [*_children(postmaster), postmaster]:
        _signal(process, signal.SIGKILL)
    _wait_until_gone(server, postmaster)


def stop_postgres(server: EmbeddedPostgres) -> None:
    """Shut this server down as an operator does, whoever is connected to it."""
    postmaster = server.pid
    assert postmaster is not None, "there is no server to stop"
    os.kill(postmaster, signal.SIGINT)
    _wait_until_gone(server, postmaster)


def freeze_postgres(server: EmbeddedPostgres) -> int:
    """Let no process of this server do anything: connections stay open and nothing is answered."""
    postmaster = server.pid
    assert postmaster is not None, "there is no server to freeze"
    os.kill(postmaster, signal.SIGSTOP)
    for child in _children(postmaster):
        _signal(child, signal.SIGSTOP)
    return postmaster


def thaw_postgres(postmaster: int) -> None:
    """Let a frozen server go on."""
    for process in [*_children(postmaster), postmaster]:
        _signal(process, signal.SIGCONT)


def _wait_until_gone(server: EmbeddedPostgres, postmaster: int) -> None:
    deadline = time.monotonic() + _STOP_SECONDS_MAX
    while server.pid == postmaster:
        assert time.monotonic() < deadline, "it does not end"
        time.sleep(0.005)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it has ended by itself meanwhile


def _children(pid: int) -> list[int]:
    entries = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [int(entry.name) for entry in entries if _parent_of(entry) == pid]


def _parent_of(entry: Path) -> int | None:
    try:
        # The name in brackets may hold blanks; the parent is the second field behind it.
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None
