"""The fault menu: how a partner misbehaves, switchable while it runs.

A fault that has to do with chance draws from a seeded generator, so that a run can be replayed.
"""

from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Annotated, Self

import msgspec
from msgspec import Meta


class Fault(StrEnum):
    SLOW = "slow"
    """Waits `delay_ms` before it even looks at the request, then does everything right."""
    LATE = "late"
    """Does its work at once and answers `delay_ms` later: choose it beyond the caller's deadline."""
    SILENT = "silent"
    """Does its work and never answers. With `times=n` on reversals: the acknowledgement is lost n times."""
    LOST = "lost"
    """As if the request had never arrived: no work, no answer."""
    CLOSE = "close"
    """Does its work and closes the connection instead of answering."""
    DUPLICATE = "duplicate"
    """Answers twice."""
    GARBAGE = "garbage"
    """Does its work and answers with bytes that are no message."""
    REFUSE = "refuse"
    """Accepts no connection at all, and drops those it has."""
    BREAK = "break"
    """Does its work and answers that it has failed (HTTP 500)."""
    WRONG_BALANCE = "wrong_balance"
    """Says that there is more than there is."""
    REJECT_ALL = "reject_all"
    """Takes a file and rejects everything in it."""
    BOUNCE = "bounce"
    """Refuses a letter for good."""
    POSTPONE = "postpone"
    """Asks for a letter to be brought again later."""
    SHORT = "short"
    """Pays half of what is due."""


class MessageKind(StrEnum):
    AUTHORIZATION = "authorization"
    CHECK = "check"
    """The zero-amount check of a card's details."""
    REVERSAL = "reversal"
    ECHO = "echo"
    STANDING = "standing"
    """A question to the credit bureau."""
    PRESENTMENT_FILE = "presentment_file"
    """A clearing file on its way to the card company."""
    ACKNOWLEDGEMENT = "acknowledgement"
    """The question what became of one."""
    CARD_COMPANY_PAYMENT = "card_company_payment"
    """What the card company pays for one: slow, silent, duplicate, short."""
    TRANSFER = "transfer"
    """Orders on their way to the bank; `duplicate` books each twice."""
    TRANSFER_QUERY = "transfer_query"
    """The question what became of them."""
    COLLECTION = "collection"
    """Money to be taken from somebody's account at the bank; `duplicate` takes each twice."""
    STATEMENT = "statement"
    """A bank statement; `duplicate` shows its last entry twice."""
    MAIL = "mail"
    """A mail on its way into somebody's mailbox."""
    SMS = "sms"
    POINTS_BALANCES = "points_balances"
    POINTS_TAKES = "points_takes"
    """Holds and deductions of points; `duplicate` does each twice."""
    POINTS_CONFIRMATIONS = "points_confirmations"
    POINTS_CANCELLATIONS = "points_cancellations"
    POINTS_LINKS = "points_links"
    """Both steps of linking an account."""
    CONNECTION = "connection"
    """Takes `REFUSE` only."""


@dataclass(frozen=True, slots=True)
class FaultRule:
    """What to do, how often (`times`; None: until taken off), and with what chance (0 to 1)."""

    fault: Fault
    delay_ms: int = 0
    times: int | None = None
    chance: float = 1.0


class FaultSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a fault menu as people set it; `fault` null takes it off."""

    kind: MessageKind
    fault: Fault | None = None
    delay_ms: Annotated[int, Meta(ge=0, le=600_000)] = 0
    times: Annotated[int, Meta(ge=1)] | None = None
    chance: Annotated[float, Meta(ge=0, le=1)] = 1.0

    @property
    def rule(self) -> FaultRule | None:
        if self.fault is None:
            return None
        return FaultRule(self.fault, self.delay_ms, self.times, self.chance)

    @classmethod
    def of(cls, kind: MessageKind, rule: FaultRule) -> Self:
        return cls(kind, rule.fault, rule.delay_ms, rule.times, rule.chance)


class FaultMenu:
    """At most one rule per kind of message."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._rules: dict[MessageKind, FaultRule] = {}
        self._left: dict[MessageKind, int] = {}

    def set(self, kind: MessageKind, rule: FaultRule | None) -> None:
        """Put a rule on the menu, or take it off with None."""
        self._left.pop(kind, None)
        if rule is None:
            self._rules.pop(kind, None)
            return
        self._rules[kind] = rule
        if rule.times is not None:
            self._left[kind] = rule.times

    def clear(self) -> None:
        self._rules.clear()
        self._left.clear()

    def rules(self) -> dict[MessageKind, FaultRule]:
        return dict(self._rules)

    def take(self, kind: MessageKind) -> FaultRule | None:
        """The fault for the message that has just arrived, counted as used; None to behave well."""
        rule = self._rules.get(kind)
        if rule is None or (rule.chance < 1 and self._rng.random() >= rule.chance):
            return None
        if kind in self._left:
            self._left[kind] -= 1
            if self._left[kind] <= 0:
                self.set(kind, None)
        return rule

    def garbage(self) -> bytes:
        """Bytes in a well-formed length prefix that are no ISO 8583 message."""
        body = b"\x00" + self._rng.randbytes(self._rng.randrange(4, 64))
        return len(body).to_bytes(2, "big") + body
