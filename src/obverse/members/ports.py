"""What the members room needs of the vault and of the letters."""

from collections.abc import Sequence
from typing import Protocol

from obverse.kit.database import Connection
from obverse.kit.secret import Sealed, Secret
from obverse.letters.model import Letter


class IdentityVault(Protocol):
    """Keyed hashes and seals; the keys stay behind it."""

    @property
    def active_encryption(self) -> int:
        """The key version that `seal` uses."""
        ...

    def identity_hash(self, identity: Secret) -> bytes:
        """The same number gives the same hash for ever."""
        ...

    def token_hash(self, token: Secret) -> bytes: ...

    def seal(self, plain: Secret, context: bytes) -> Sealed:
        """`context` names the place; a sealed text does not open anywhere else."""
        ...

    def open(self, sealed: Sealed, context: bytes) -> Secret: ...

    async def pin_keys(self, conn: Connection) -> None:
        """Keep key versions as they are until this transaction ends; comes before storing what was sealed."""
        ...


class Post(Protocol):
    """Sends letters."""

    async def post(self, conn: Connection, letters: Sequence[Letter]) -> int:
        """Have these sent, if and only if the caller's transaction commits."""
        ...
