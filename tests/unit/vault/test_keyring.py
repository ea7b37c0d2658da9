"""The key file: made once, kept closed, replaced whole, followed by every process."""

import json
import os
import random
import stat
from pathlib import Path
from typing import Any

import pytest
from tests.factories.vault import a_key_file

from obverse.kit.errors import CannotStart
from obverse.vault import KeyRing
from obverse.vault.keyring import KEY_BYTES

PURPOSES = ("encryption", "index", "number", "cvv", "identity", "token")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def refusal_of(path: Path) -> str:
    with pytest.raises(CannotStart) as refused:
        KeyRing.load(path)
    message = str(refused.value)
    assert "\n" not in message
    return message


def test_a_new_key_file_is_for_its_owner_only_and_holds_six_kinds_of_key(tmp_path: Path) -> None:
    ring = KeyRing.create(tmp_path / "new" / "keys.json", os.urandom)
    assert mode_of(ring.path) == 0o600
    assert mode_of(ring.path.parent) == 0o700
    keys = ring.keys
    everything = [
        *keys.encryption.values(),
        *keys.index.values(),
        keys.number,
        keys.cvv,
        keys.identity,
        keys.token,
    ]
    assert len(set(everything)) == 6
    assert {len(key) for key in everything} == {KEY_BYTES}


def test_what_was_created_is_what_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    assert KeyRing.create(path, os.urandom).keys == KeyRing.load(path).keys


def test_creating_never_overwrites_a_key_file(tmp_path: Path) -> None:
    path = a_key_file(tmp_path)
    before = path.read_bytes()
    with pytest.raises(CannotStart, match="exists already"):
        KeyRing.create(path, os.urandom)
    assert path.read_bytes() == before


def test_no_draft_is_left_behind(tmp_path: Path) -> None:
    ring = KeyRing.load(a_key_file(tmp_path))
    ring.add_versions(os.urandom)
    ring.drop_old_versions()
    assert [file.name for file in tmp_path.iterdir()] == ["keys.json"]


def test_an_unwritable_place_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CannotStart, match="Cannot write key file") as refused:
        KeyRing.create(tmp_path / "file" / "keys.json", os.urandom)
    assert "\n" not in str(refused.value)


def test_a_missing_key_file_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    message = refusal_of(tmp_path / "keys.json")
    assert "missing" in message
    assert "OBVERSE_KEY_FILE" in message


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o644, 0o610], ids=oct)
def test_a_key_file_open_to_others_is_refused_and_says_what_to_do(tmp_path: Path, mode: int) -> None:
    path = a_key_file(tmp_path)
    path.chmod(mode)
    assert f"chmod 600 {path}" in refusal_of(path)


def test_a_folder_in_place_of_the_key_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys.json").mkdir(mode=0o700)
    assert "cannot be read" in refusal_of(tmp_path / "keys.json")


def without(name: str) -> Any:
    return lambda content: {key: value for key, value in content.items() if key != name}


def with_(**changes: Any) -> Any:
    return lambda content: content | changes


@pytest.mark.parametrize(
    "damage",
    [
        *(pytest.param(without(name), id=f"no {name}") for name in PURPOSES),
        pytest.param(with_(encryption={}), id="no encryption version"),
        pytest.param(with_(index={}), id="no index version"),
        pytest.param(with_(cvv="AAAA"), id="a short key"),
        pytest.param(with_(cvv="!" * 44), id="not base64"),
        pytest.param(with_(cvv=None), id="null for a key"),
        pytest.param(lambda c: c | {"cvv": c["token"]}, id="one key for two purposes"),
        pytest.param(lambda c: c | {"index": {"0": c["index"]["1"]}}, id="version 0"),
        pytest.param(lambda c: c | {"index": {"40000": c["index"]["1"]}}, id="version beyond smallint"),
        pytest.param(lambda c: c | {"index": {"one": c["index"]["1"]}}, id="version in words"),
        pytest.param(with_(pin="x"), id="an unknown purpose"),
        pytest.param(lambda c: [c], id="a list"),
    ],
)  # fmt: skip
def test_a_damaged_key_file_is_refused_without_showing_a_key(tmp_path: Path, damage: Any) -> None:
    path = a_key_file(tmp_path)
    content = json.loads(path.read_bytes())
    path.write_text(json.dumps(damage(content)))
    message = refusal_of(path)
    assert "damaged" in message
    assert content["token"] not in message


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe\x00", b"null"], ids=["empty", "cut", "binary", "null"]
)
def test_bytes_that_are_no_key_ring_are_refused(tmp_path: Path, content: bytes) -> None:
    path = a_key_file(tmp_path)
    path.write_bytes(content)
    assert "damaged" in refusal_of(path)


def test_new_versions_are_on_disk_beside_the_old_ones_and_the_rest_stays(tmp_path: Path) -> None:
    ring = KeyRing.load(a_key_file(tmp_path))
    before = ring.keys
    ring.add_versions(random.Random(5).randbytes)
    stored = KeyRing.load(ring.path).keys
    assert stored == ring.keys
    assert sorted(stored.encryption) == sorted(stored.index) == [1, 2]
    assert stored.encryption[1] == before.encryption[1]
    assert (stored.number, stored.cvv, stored.identity, stored.token) == (
        before.number, before.cvv, before.identity, before.token,
    )  # fmt: skip
    assert mode_of(ring.path) == 0o600


def test_a_version_number_is_never_used_again(tmp_path: Path) -> None:
    ring = KeyRing.load(a_key_file(tmp_path))
    for _ in range(3):
        ring.add_versions(os.urandom)
        ring.drop_old_versions()
    assert list(ring.keys.encryption) == list(ring.keys.index) == [4]


def test_other_processes_follow_the_file_when_it_changed_and_only_then(tmp_path: Path) -> None:
    writer = KeyRing.load(a_key_file(tmp_path))
    reader = KeyRing.load(writer.path)
    assert reader.reload_if_changed() is False
    writer.add_versions(os.urandom)
    assert writer.reload_if_changed() is False
    assert reader.reload_if_changed() is True
    assert reader.keys == writer.keys
    assert reader.reload_if_changed() is False


@pytest.mark.parametrize("harm", ["missing", "damaged", "open"])
def test_a_running_process_keeps_its_keys_while_the_file_is_unusable(tmp_path: Path, harm: str) -> None:
    path = a_key_file(tmp_path)
    ring = KeyRing.load(path)
    before, content = ring.keys, path.read_bytes()
    if harm == "missing":
        path.unlink()
    elif harm == "damaged":
        path.write_bytes(b"{")
    else:
        path.write_bytes(content + b"\n")
        path.chmod(0o644)
    assert ring.reload_if_changed() is False
    assert ring.keys is before
    path.unlink(missing_ok=True)
    KeyRing.create(path, os.urandom)
    assert ring.reload_if_changed() is True


def test_a_write_that_fails_leaves_the_old_file_and_the_old_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = KeyRing.load(a_key_file(tmp_path))
    before, content = ring.keys, ring.path.read_bytes()

    def no_room(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(CannotStart, match="No space left"):
        ring.add_versions(os.urandom)
    assert ring.keys is before
    assert ring.path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["keys.json"]


def test_p11_keys_are_never_printed(tmp_path: Path) -> None:
    ring = KeyRing.load(a_key_file(tmp_path))
    shown = f"{ring!r} {ring.keys!r} {ring.keys}"
    assert repr(ring.keys) == "Keys(***)"
    for key in (*ring.keys.encryption.values(), ring.keys.cvv):
        assert repr(key) not in shown
