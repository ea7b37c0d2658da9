"""What access needs from outside."""

from typing import Protocol

from obverse.kit.secret import Secret


class TokenHasher(Protocol):
    """Hashes tokens under a key that is not in the database, so that a stolen copy opens nothing."""

    def token_hash(self, token: Secret) -> bytes:
        """The same 32 bytes for the same token, for ever."""
        ...
