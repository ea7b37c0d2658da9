"""Settings come from `OBVERSE_*`, and a wrong one is refused in one line that does not repeat it."""

from pathlib import Path

import pytest

from obverse.kit.errors import CannotStart
from obverse.kit.secret import Secret
from obverse.kit.settings import Settings, settings_table

ROOT = Path(__file__).resolve().parents[3]


def test_the_defaults_need_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OBVERSE_DATABASE_URL", raising=False)
    settings = Settings.load()
    assert settings.database_url is None
    assert settings.key_ring_file == Path(".obverse/keys.json")
    assert not settings.live


def test_the_environment_decides_and_a_database_url_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBVERSE_REST_PORT", "9")
    monkeypatch.setenv("OBVERSE_DATABASE_URL", "postgresql://me:hunter2@host/db")
    settings = Settings.load()
    assert settings.rest_port == 9
    assert settings.database_url == Secret("postgresql://me:hunter2@host/db")
    assert "hunter2" not in repr(settings) + settings.model_dump_json()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REST_PORT", "65536"),
        ("REST_PORT", "hunter2"),
        ("BIN", "94101"),
        ("BIN", "９４１０１２"),
        ("PARTITIONS", "0"),
        ("PARTITIONS", "101"),
        ("OFF_US_TIMEOUT_MS", "99"),
        ("LOG_LEVEL", "LOUD"),
        ("LIVE", "perhaps"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"OBVERSE_{name}", value)
    with pytest.raises(CannotStart, match=rf"^OBVERSE_{name} is wrong: [^\n]+$") as caught:
        Settings.load()
    assert value not in str(caught.value)


def test_every_setting_is_described_in_the_docs() -> None:
    assert settings_table() in (ROOT / "docs" / "settings.md").read_text()
    assert all(field.description for field in Settings.model_fields.values())
