"""An issuer's books: who has how many units, what was taken from whom, and what went back."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from obverse.sandbox.errors import SandboxError
from obverse.sandbox.points_issuer.wire import TakeAsk


class Refusal(StrEnum):
    """Why nothing was taken."""

    INSUFFICIENT = "insufficient_points"
    UNKNOWN = "account_unknown"
    BLOCKED = "account_blocked"
    LIMIT = "limit"
    CANCELLED = "cancelled"
    """It had been called off before it came, or was later."""


class ReferenceReused(SandboxError):
    """A reference names one take for ever; this one came with other content."""

    def __init__(self) -> None:
        super().__init__("The reference was used for another take.")


@dataclass(slots=True)
class Account:
    """`number` is how its owner knows it, `handle` how those know it to whom it was linked."""

    number: str
    handle: str
    phone: str
    units: int
    """What can be spent: what is held is gone from it."""
    blocked: bool = False


@dataclass(slots=True)
class Take:
    """One take, or the refusal of one. `units_back` only ever grows."""

    ask: TakeAsk
    approval_code: str | None = None
    refusal: Refusal | None = None
    confirmed: bool = False
    units_back: int = 0

    @property
    def units_kept(self) -> int:
        """What the account is short of by it."""
        return 0 if self.refusal is not None else self.ask.units - self.units_back

    @property
    def state(self) -> str:
        if self.refusal is not None:
            return "declined"
        if not self.units_kept:
            return "cancelled"
        return "spent" if self.confirmed else "held"


class Book:
    """Accounts by number and by handle, takes by reference."""

    def __init__(self, rng: Random, *, two_phase: bool) -> None:
        self._rng, self._two_phase = rng, two_phase
        self.units_max: int | None = None
        """The most that one take may be."""
        self._accounts: dict[str, Account] = {}
        self._by_handle: dict[str, Account] = {}
        self._takes: dict[str, Take] = {}
        self._called_off: set[str] = set()

    @property
    def accounts(self) -> Sequence[Account]:
        return list(self._accounts.values())

    @property
    def takes(self) -> Sequence[Take]:
        """In the order in which they came."""
        return list(self._takes.values())

    def open(self, number: str, phone: str, units: int, *, blocked: bool = False) -> Account:
        """Open an account, or have one there is stand as told; its handle stays."""
        known = self._accounts.get(number)
        handle = known.handle if known is not None else f"acc_{self._rng.getrandbits(80):020x}"
        account = Account(number, handle, phone, units, blocked)
        self._accounts[number] = self._by_handle[handle] = account
        return account

    def account(self, number: str) -> Account | None:
        return self._accounts.get(number)

    def balance(self, handle: str) -> int | Refusal:
        """What can be spent of the account that others know by this handle."""
        account = self._by_handle.get(handle)
        if account is None:
            return Refusal.UNKNOWN
        return Refusal.BLOCKED if account.blocked else account.units

    def taken(self, reference: str) -> Take | None:
        return self._takes.get(reference)

    def take_all(self, asks: Sequence[TakeAsk]) -> Sequence[Take]:
        """Take or refuse each, in order, once per reference: the same again changes nothing.

        Raises `ReferenceReused` before any is taken.
        """
        told: dict[str, TakeAsk] = {}
        for ask in asks:
            known = self._takes.get(ask.reference)
            if told.setdefault(ask.reference, ask if known is None else known.ask) != ask:
                raise ReferenceReused
        return [self._takes.get(ask.reference) or self._take(ask) for ask in asks]

    def confirm(self, reference: str) -> bool:
        """What was held is spent; False where nothing is held or spent under this reference."""
        take = self._takes.get(reference)
        if take is None or not take.units_kept:
            return False
        take.confirmed = True
        return True

    def give_back(self, reference: str, units: int | None = None, units_before: int = 0) -> int:
        """See that `units` went back on top of the `units_before` that others say went back earlier.

        Without `units`: that all went back, and that nothing is ever taken where nothing was. Returns what
        goes back now: nothing, where this or more was done before.
        """
        take = self._takes.get(reference)
        if take is None or take.refusal is not None:
            if units is None:
                self._called_off.add(reference)
            return 0
        due = take.ask.units if units is None else min(units_before + units, take.ask.units)
        now = max(0, due - take.units_back)
        take.units_back += now
        self._by_handle[take.ask.account].units += now
        return now

    def _take(self, ask: TakeAsk) -> Take:
        refusal = self._refusal(ask)
        if refusal is not None:
            take = Take(ask, refusal=refusal)
        else:
            self._by_handle[ask.account].units -= ask.units
            code = f"{self._rng.getrandbits(24):06X}"
            take = Take(ask, code, confirmed=not self._two_phase)
        self._takes[ask.reference] = take
        return take

    def _refusal(self, ask: TakeAsk) -> Refusal | None:
        if ask.reference in self._called_off:
            return Refusal.CANCELLED
        balance = self.balance(ask.account)
        if isinstance(balance, Refusal):
            return balance
        if self.units_max is not None and ask.units > self.units_max:
            return Refusal.LIMIT
        return Refusal.INSUFFICIENT if balance < ask.units else None
