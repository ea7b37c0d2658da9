"""Calls, and the line on which a calling server asks for them."""

from dataclasses import dataclass
from typing import Protocol

from obverse.kit.secret import Secret
from obverse.sandbox.errors import SandboxError


@dataclass(frozen=True, slots=True)
class Card:
    """What a caller keys in."""

    number: Secret
    pin: Secret


@dataclass(frozen=True, slots=True)
class Granted:
    """How far a call may go, in seconds from its beginning; `is_last` says that it ends there."""

    session: str
    until: int
    is_last: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was made: seconds talked, what it cost, and whether the balance ended it."""

    session: str
    seconds: int
    cost: int
    ended_by_balance: bool


class NoCall(SandboxError):
    """The platform lets nobody call with this card; `reason` is what it answered."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Line(Protocol):
    """One way to ask the platform. Each raises `NoCall` for what the platform refuses."""

    async def open(self, card: Card, seconds: int) -> Granted:
        """Begin a call, of which so much is to be paid for first."""
        ...

    async def extend(self, granted: Granted, used: int, until: int) -> Granted:
        """Report how much was talked in all, and ask for more."""
        ...

    async def close(self, granted: Granted, used: int) -> int:
        """End the call; returns what it cost."""
        ...
