"""What notifications need from outside."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from obverse.kit.database import Connection
from obverse.kit.ids import MemberId
from obverse.kit.secret import Sealed, Secret
from obverse.members import Contact
from obverse.notifications.model import Attempt, Message


class Sender(Protocol):
    """Sends one message to one address, as Standard Webhooks has it."""

    async def check(self, url: str) -> None:
        """Raises `InvalidRequest` for an address that nothing would be sent to."""
        ...

    async def send(self, message: Message) -> Attempt:
        """Try once, within seconds. Whatever the other side does is an `Attempt`, not an exception."""
        ...


class SecretVault(Protocol):
    """Seals signing secrets."""

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


class Contacts(Protocol):
    """Knows how members are reached."""

    async def contacts(self, conn: Connection, ids: Sequence[MemberId]) -> Mapping[MemberId, Contact]:
        """Where and how these members are written to; who has no profile is absent."""
        ...
