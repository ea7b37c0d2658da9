"""Vaults, key files and real card numbers for tests."""

import random
from pathlib import Path

from stdnum import luhn

from obverse.kit.secret import Secret
from obverse.vault import KeyRing, Vault
from obverse.vault.keyring import KEY_BYTES, Keys

NOWHERE = Path("/nowhere/keys.json")


def a_vault(seed: int = 1) -> Vault:
    """A vault with keys of its own that no file backs: it neither rotates nor reloads."""
    source = random.Random(seed)
    return Vault(KeyRing(NOWHERE, some_keys(seed), None), source.randbytes)


def some_keys(seed: int = 1) -> Keys:
    source = random.Random(f"keys {seed}")
    single = [source.randbytes(KEY_BYTES) for _ in range(4)]
    return Keys({1: source.randbytes(KEY_BYTES)}, {1: source.randbytes(KEY_BYTES)}, *single)


def a_key_file(folder: Path, seed: int = 1) -> Path:
    """A key file on disk, for tests in which several vaults share it."""
    path = folder / "keys.json"
    KeyRing.create(path, random.Random(f"file {seed}").randbytes)
    return path


def a_vault_on(path: Path, seed: int = 1) -> Vault:
    """A vault over a key file, as each process has one."""
    return Vault(KeyRing.load(path), random.Random(f"vault {seed}").randbytes)


def a_real_number(index: int = 0) -> Secret:
    """The `index`-th of a series of Luhn-valid numbers in the sandbox card company's BIN."""
    body = f"953010{index:09d}"
    return Secret(body + luhn.calc_check_digit(body))
