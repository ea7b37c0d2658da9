"""Sealing: AES-256-GCM under a versioned key, bound to the place the ciphertext is kept."""

from collections.abc import Callable, Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from obverse.kit.secret import Sealed, Secret
from obverse.vault.errors import SealBroken, UnknownKeyVersion

NONCE_BYTES: Final = 12
"""96 random bits: safe for four billion seals under one key version (NIST SP 800-38D section 8.3)."""


class Sealer:
    """Seals with the newest key and opens with any live one.

    `context` is associated data: it names what is sealed and where it is kept (`vault_card:<id>`), so that
    a ciphertext copied into another row or column does not open there.
    """

    __slots__ = ("_active", "_ciphers", "_random_bytes")

    def __init__(self, keys: Mapping[int, bytes], random_bytes: Callable[[int], bytes]) -> None:
        self._ciphers = {version: AESGCM(key) for version, key in keys.items()}
        self._active = max(keys)
        self._random_bytes = random_bytes

    def knows(self, version: int) -> bool:
        return version in self._ciphers

    def seal(self, plain: Secret, context: bytes) -> Sealed:
        nonce = self._random_bytes(NONCE_BYTES)
        cipher = self._ciphers[self._active]
        return Sealed(self._active, nonce + cipher.encrypt(nonce, plain.reveal().encode(), context))

    def open(self, sealed: Sealed, context: bytes) -> Secret:
        """Raises `UnknownKeyVersion`, and `SealBroken` for anything that was not sealed for this context."""
        cipher = self._ciphers.get(sealed.key_version)
        if cipher is None:
            raise UnknownKeyVersion(sealed.key_version)
        nonce, body = sealed.ciphertext[:NONCE_BYTES], sealed.ciphertext[NONCE_BYTES:]
        try:
            return Secret(cipher.decrypt(nonce, body, context).decode())
        except (InvalidTag, ValueError) as error:  # ValueError: cut down to less than a nonce
            raise SealBroken from error
