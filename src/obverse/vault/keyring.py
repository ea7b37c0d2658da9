"""The key ring: one JSON file, readable by its owner only, that holds every key of the platform.

`encryption` and `index` have versions, because what they protect can be sealed and hashed anew. `number`,
`cvv`, `identity` and `token` have one key each for ever; docs/decisions/003-keys-and-numbers.md says why.
"""

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, Self

import msgspec
import structlog

from obverse.kit.errors import CannotStart

KEY_BYTES: Final = 32
VERSION_MAX: Final = 32_767
"""Rows keep the version in a smallint."""

_log = structlog.get_logger(__name__)


class Keys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of the file at one moment. Of the versioned keys the highest version is the active one."""

    encryption: dict[int, bytes]
    """AES-256-GCM for linked card numbers and addresses."""
    index: dict[int, bytes]
    """HMAC-SHA256 by which card numbers are found."""
    number: bytes
    """FF1: from serial to card number."""
    cvv: bytes
    identity: bytes
    token: bytes

    def __repr__(self) -> str:
        return "Keys(***)"


class _Stamp(NamedTuple):
    """What changes when a file is replaced. Comparing stamps costs one stat, so it can be done often."""

    inode: int
    size: int
    modified_ns: int


class KeyRing:
    """The key file and its content as last read. Writers replace the whole file; readers follow it.

    Changes by several processes are put in order by the vault (`Vault.lock_keys`), not here.
    """

    __slots__ = ("_stamp", "keys", "path")

    def __init__(self, path: Path, keys: Keys, stamp: _Stamp | None) -> None:
        self.path = path
        self.keys = keys
        self._stamp = stamp

    @classmethod
    def create(cls, path: Path, random_bytes: Callable[[int], bytes]) -> Self:
        """Make a new key file with fresh keys. Raises `CannotStart` where there is one, or no room for one.

        Never overwrites: a lost key file is lost numbers.
        """
        first = {1: random_bytes(KEY_BYTES)}, {1: random_bytes(KEY_BYTES)}
        keys = Keys(*first, *(random_bytes(KEY_BYTES) for _ in range(4)))
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _written(path, keys) as draft:
                os.link(draft, path)  # unlike a rename, fails where the file exists
        except OSError as error:
            if path.exists():
                raise CannotStart(f"Key file {path} exists already and is not overwritten.") from None
            raise CannotStart(f"Cannot write key file {path}: {error.strerror}.") from None
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the key file. Raises `CannotStart` if it is missing, open to others, or not a key ring."""
        return cls(path, *_read(path))

    def reload_if_changed(self) -> bool:
        """Follow the file if it was replaced; True if there are other keys now.

        A running process keeps the keys it has when the file is gone or damaged, and says so in the log
        once: payments go on while somebody puts the file back.
        """
        stamp = _stamp_of(self.path)
        if stamp == self._stamp:
            return False
        before, self._stamp = self.keys, stamp
        try:
            self.keys, self._stamp = _read(self.path)
        except CannotStart as error:
            _log.error("key_file_not_reloaded", reason=str(error))
        return self.keys != before

    def add_versions(self, random_bytes: Callable[[int], bytes]) -> None:
        """Give `encryption` and `index` a new version each, which is active once this returns."""
        self._replace(
            msgspec.structs.replace(
                self.keys,
                encryption=_with_next(self.keys.encryption, random_bytes),
                index=_with_next(self.keys.index, random_bytes),
            )
        )

    def drop_old_versions(self) -> None:
        """Keep only the active versions. What still needs the others is lost for good."""
        self._replace(
            msgspec.structs.replace(
                self.keys, encryption=_newest(self.keys.encryption), index=_newest(self.keys.index)
            )
        )

    def _replace(self, keys: Keys) -> None:
        try:
            with _written(self.path, keys) as draft:
                draft.replace(self.path)
        except OSError as error:
            raise CannotStart(f"Cannot write key file {self.path}: {error.strerror}.") from None
        self.keys, self._stamp = keys, _stamp_of(self.path)


def _with_next(versions: dict[int, bytes], random_bytes: Callable[[int], bytes]) -> dict[int, bytes]:
    return versions | {max(versions) + 1: random_bytes(KEY_BYTES)}


def _newest(versions: dict[int, bytes]) -> dict[int, bytes]:
    return {max(versions): versions[max(versions)]}


def _read(path: Path) -> tuple[Keys, _Stamp]:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read()
    except FileNotFoundError:
        raise CannotStart(
            f"Key file {path} is missing: restore it from your backup, or point OBVERSE_KEY_FILE at it."
        ) from None
    except OSError as error:
        raise CannotStart(f"Key file {path} cannot be read: {error.strerror}.") from None
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise CannotStart(f"Key file {path} is open to other users of this machine: run `chmod 600 {path}`.")
    try:
        keys = msgspec.json.decode(content, type=Keys)
    except msgspec.DecodeError:
        keys = None
    if keys is None or not _is_sound(keys):
        raise CannotStart(f"Key file {path} is damaged: restore it from your backup.")
    return keys, _stamp_from(status)


def _is_sound(keys: Keys) -> bool:
    singles = (keys.number, keys.cvv, keys.identity, keys.token)
    all_keys = (*keys.encryption.values(), *keys.index.values(), *singles)
    versions = (*keys.encryption, *keys.index)
    return (
        bool(keys.encryption and keys.index)
        and all(1 <= version <= VERSION_MAX for version in versions)
        and all(len(key) == KEY_BYTES for key in all_keys)
        and len(set(all_keys)) == len(all_keys)  # the same key twice would break the walls between purposes
    )


@contextlib.contextmanager
def _written(path: Path, keys: Keys) -> Iterator[Path]:
    """A finished draft beside `path`, 0600 from its first byte, for the caller to put in place.

    Content and new name are both on disk when the block has ended.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(keys)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        yield draft
        _sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make the new name itself durable, not only the bytes behind it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _stamp_of(path: Path) -> _Stamp | None:
    try:
        return _stamp_from(path.stat())
    except OSError:
        return None


def _stamp_from(status: os.stat_result) -> _Stamp:
    return _Stamp(status.st_ino, status.st_size, status.st_mtime_ns)
