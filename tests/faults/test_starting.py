"""What has to be put right before the platform starts: one clear line, exit code not 0, no traceback."""

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.factories.estate import Estate
from tests.factories.platform import PlatformProcess, environment, obverse

from obverse.kit.database.embedded import EmbeddedPostgres

START_SECONDS_MAX = 60


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def refused(settings: dict[str, object], run: Callable[[list[str]], list[str]] = list) -> str:
    """What `obverse serve` tells a person when it does not start; the rest about it is checked here."""
    ended = subprocess.run(
        run(obverse("serve")),
        env=environment(**({"rest_port": 0, "acquirer_port": 0, "log_level": "INFO"} | settings)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_SECONDS_MAX,
        check=False,
    )
    assert ended.returncode not in (0, None)
    assert ended.returncode > 0, "it was killed"
    assert "Traceback" not in ended.stdout + ended.stderr
    assert "is up" not in ended.stdout
    spoken = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert len(spoken) == 1, ended.stderr
    return spoken[0]


@pytest.mark.parametrize("door", ["rest", "acquirer", "diameter"])
def test_a_taken_port_is_named_with_what_to_do(
    estate: Estate, tmp_path: Path, taken_port: int, door: str
) -> None:
    said = refused(estate.settings(tmp_path / "data", **{f"{door}_port": taken_port}))
    assert str(taken_port) in said
    assert f"OBVERSE_{door.upper()}_PORT" in said


def test_an_unwritable_data_directory_is_named_with_what_to_do(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    said = refused({"data_dir": closed / "data"}, without_privileges)
    assert str(closed / "data") in said
    assert "OBVERSE_DATA_DIR" in said


def test_a_data_directory_that_is_a_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    said = refused({"data_dir": file})
    assert str(file) in said
    assert "OBVERSE_DATA_DIR" in said


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes", "synchronous_commit"])
def test_a_server_that_may_forget_is_refused(tmp_path: Path, own_folder: Path, setting: str) -> None:
    server = EmbeddedPostgres(own_folder, settings={setting: "off", "shared_buffers": "64MB"})
    try:
        url = server.start().reveal()
        said = refused({"data_dir": tmp_path / "data", "database_url": url})
        assert f"{setting} off" in said
        assert "Turn it on" in said
        assert url not in said
    finally:
        server.stop()


def test_a_missing_key_file_is_named_when_there_is_data_that_needs_it(estate: Estate, tmp_path: Path) -> None:
    missing = tmp_path / "elsewhere" / "keys.json"
    said = refused(estate.settings(tmp_path / "data", key_file=missing))
    assert str(missing) in said
    assert "OBVERSE_KEY_FILE" in said
    assert not missing.exists(), "new keys could not read what is stored"


def test_a_damaged_key_file_is_named(estate: Estate, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.json"
    damaged.write_text(estate.key_file.read_text()[:-20])
    damaged.chmod(0o600)
    said = refused(estate.settings(tmp_path / "data", key_file=damaged))
    assert str(damaged) in said


async def test_a_database_of_another_programme_is_refused(
    estate: Estate, platform: PlatformProcess, tmp_path: Path
) -> None:
    said = refused(estate.settings(tmp_path / "data", bin="941013"))
    assert "OBVERSE_BIN=941012" in said


def test_a_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    url = f"postgresql://postgres:hidden@/postgres?host={tmp_path}"
    said = refused({"data_dir": tmp_path / "data", "database_url": url})
    assert "database" in said.lower()
    assert "hidden" not in said


@pytest.mark.parametrize(
    ("name", "value"),
    [("rest_port", "eighty"), ("acquirer_port", 70_000), ("bin", "94101"), ("off_us_timeout_ms", 1)],
)
def test_a_wrong_setting_is_named_and_its_value_is_not_repeated(name: str, value: object) -> None:
    said = refused({name: value})
    assert f"OBVERSE_{name.upper()}" in said


def without_privileges(command: list[str]) -> list[str]:
    """As a user whom file modes hold back: root loses the right to pass over them."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command]
