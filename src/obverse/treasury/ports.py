"""What the treasury needs from outside: a bank, somebody who reads its statements, and the vault."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from obverse.kit.database import Connection
from obverse.kit.money import Money
from obverse.kit.secret import Sealed, Secret
from obverse.treasury.model import BankAccount, Statement, StatusReport


class Verdict(StrEnum):
    """What a bank says of one order, or that it says nothing."""

    ACCEPTED = "accepted"
    """It has the order and has not booked it yet."""
    DONE = "done"
    REFUSED = "refused"
    UNKNOWN_ID = "unknown_id"
    """It never got the order: sending it is safe."""
    NO_ANSWER = "no_answer"
    """Nothing is known. The order may have been carried out."""


class Answer(msgspec.Struct, frozen=True):
    """`reason` is the bank's own where it refused, for operators to read."""

    verdict: Verdict
    reason: str = ""


class Outgoing(msgspec.Struct, frozen=True):
    """One order as the bank gets it. `wire_id` is what it must not carry out twice."""

    wire_id: UUID
    amount: Money
    to: BankAccount
    reference: str


class Batch(msgspec.Struct, frozen=True):
    """Orders given to the bank together. After `expires_at` it must not be given any more: somebody else may
    have found that the bank does not have it, and have sent its orders in another batch."""

    id: UUID
    created_at: datetime
    expires_at: datetime
    orders: Sequence[Outgoing]


class Asked(msgspec.Struct, frozen=True):
    """An order that was sent before, and the batch it went in."""

    wire_id: UUID
    batch_id: UUID


class StatementFile(msgspec.Struct, frozen=True):
    """A statement as it came; `name` is for logs and for putting it away."""

    name: str
    content: bytes


class Bank(Protocol):
    """The programme's bank. None of its methods raises for what happens at the far end."""

    async def submit(self, batch: Batch) -> Sequence[Answer]:
        """Give the orders to the bank; one answer each, in their order. Never `UNKNOWN_ID`."""
        ...

    async def outcomes(self, asked: Sequence[Asked]) -> Sequence[Answer]:
        """Ask what became of orders; one answer each, in their order."""
        ...

    async def statements(self, days: Sequence[date]) -> Sequence[StatementFile]:
        """What there is to read about these days, or at all; nothing while the bank does not answer.

        What was put away is not handed out again unless it has changed."""
        ...

    async def put_away(self, file: StatementFile, problem: str | None) -> None:
        """The file was read, or cannot be read for this reason."""
        ...


class ReadDocument(Protocol):
    """Reads what the bank sends: camt.053 statements, pain.002 reports. Raises `StatementUnreadable`."""

    def __call__(self, content: bytes, /) -> Sequence[Statement | StatusReport]: ...


class AccountVault(Protocol):
    """Seals account numbers; the keys stay behind it."""

    @property
    def active_encryption(self) -> int:
        """The key version that `seal` uses."""
        ...

    def seal(self, plain: Secret, context: bytes) -> Sealed:
        """`context` names the place; a sealed text does not open anywhere else."""
        ...

    def open(self, sealed: Sealed, context: bytes) -> Secret: ...

    def token_hash(self, token: Secret) -> bytes:
        """A keyed hash: the same text gives the same hash for ever."""
        ...

    async def pin_keys(self, conn: Connection) -> None:
        """Keep key versions as they are until this transaction ends; comes before storing what was sealed."""
        ...
