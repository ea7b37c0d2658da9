"""The vault's refusals. None of them carries a number, a key or a ciphertext."""

from obverse.kit.errors import ObverseError
from obverse.kit.ids import VaultCardId


class CardAlreadyStored(ObverseError):
    """This card number is in the vault already.

    Never tell the caller whose it is: to a second person the number must look merely refused (OT-1, OT-2).
    """

    code = "card_already_stored"
    param = "number"

    def __init__(self, vault_card_id: VaultCardId) -> None:
        self.vault_card_id = vault_card_id
        super().__init__("This card cannot be linked.")


class UnknownKeyVersion(ObverseError):
    """A row names a key version that the key file does not hold, even after reading it again.

    Either the key file is an old copy, or the version was retired too early; restore the newest key file.
    """

    code = "unknown_key_version"

    def __init__(self, version: int) -> None:
        self.version = version
        super().__init__(f"The key file holds no encryption key version {version}.")


class SealBroken(ObverseError):
    """A ciphertext was altered, or moved to a place it was not sealed for."""

    code = "seal_broken"

    def __init__(self) -> None:
        super().__init__("A sealed value does not open: it was altered or moved.")


class NumbersExhausted(ObverseError):
    """All serials of the BIN have been given out; issuing needs another BIN."""

    code = "numbers_exhausted"

    def __init__(self, bin_: str) -> None:
        self.bin = bin_
        super().__init__(f"BIN {bin_} has no numbers left. Set another one.")


class KeyVersionsInUse(ObverseError):
    """Retiring was asked for while rows still need the old versions; `rows` counts them by kind."""

    code = "key_versions_in_use"

    def __init__(self, rows: dict[str, int]) -> None:
        self.rows = rows
        listed = ", ".join(f"{count} {name}" for name, count in rows.items())
        super().__init__(f"Old key versions are still used by {listed}. Run `obverse keys rotate` first.")
