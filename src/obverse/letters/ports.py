"""What the letters room needs of the vault and of the networks."""

from typing import Protocol

from obverse.kit.database import Connection
from obverse.kit.secret import Sealed, Secret
from obverse.letters.model import Attempt, Written


class Sealer(Protocol):
    """Seals addresses and contents."""

    @property
    def active_encryption(self) -> int:
        """The key version that `seal` uses."""
        ...

    def seal(self, plain: Secret, context: bytes) -> Sealed:
        """Seal a text for the place that `context` names. Call `pin_keys` first."""
        ...

    def open(self, sealed: Sealed, context: bytes) -> Secret:
        """The text that was sealed for this very place."""
        ...

    async def pin_keys(self, conn: Connection) -> None:
        """Hold the key versions as they are until this transaction ends."""
        ...


class Carrier(Protocol):
    """Takes letters of one channel to where they are delivered."""

    async def carry(self, letter: Written) -> Attempt:
        """Send one letter. It never raises for what the far end does or does not do.

        Two letters with one id are one letter to whoever can tell: the id is in the message.
        """
        ...
