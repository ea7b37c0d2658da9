"""The vault: the only room that sees real card numbers and keys.

It makes card numbers and CVVs from serials, seals what must be read again (AES-256-GCM), hashes what must
only be found again (HMAC-SHA256), keeps members' linked cards, and turns over its keys while payments run.
Why it is built this way: docs/decisions/003-keys-and-numbers.md. Source: PF-3, OT-6, promise P11.
"""

from obverse.vault.errors import (
    CardAlreadyStored,
    KeyVersionsInUse,
    NumbersExhausted,
    SealBroken,
    UnknownKeyVersion,
)
from obverse.vault.keyring import KeyRing
from obverse.vault.model import KeyedHash, OpenedCard, VaultCard
from obverse.vault.ports import Rekey, ReportProgress
from obverse.vault.service import Vault

__all__ = [
    "CardAlreadyStored",
    "KeyRing",
    "KeyVersionsInUse",
    "KeyedHash",
    "NumbersExhausted",
    "OpenedCard",
    "Rekey",
    "ReportProgress",
    "SealBroken",
    "UnknownKeyVersion",
    "Vault",
    "VaultCard",
]
