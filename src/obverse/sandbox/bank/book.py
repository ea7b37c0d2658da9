"""The bank's books: who has how much, what was ordered, what was booked when."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from obverse.kit.clock import Clock
from obverse.sandbox.bank.model import BankAccount, Entry, Order, Outcome, Status

BANKS: Final = frozenset(
    {"002", "003", "004", "007", "011", "020", "023", "027", "031", "032", "034", "035", "037", "039", "081"}
    | {"045", "048", "071", "088", "089", "090", "092"}
)
"""Codes of Korean banks (KFTC)."""

UNKNOWN_BANK: Final = Outcome(Status.REFUSED, "RC01 no such bank")
CLOSED: Final = Outcome(Status.REFUSED, "AC04 account closed")
WRONG_CURRENCY: Final = Outcome(Status.REFUSED, "AM03 currency not kept here")
NO_MANDATE: Final = Outcome(Status.REFUSED, "MD01 no mandate")
NO_MONEY: Final = Outcome(Status.REFUSED, "AM04 insufficient funds")


class BankBook:
    """Accounts come to be when they are first paid to; what is booked is booked at once."""

    def __init__(self, provider: BankAccount, currency: str, zone: str, clock: Clock, rng: Random) -> None:
        self.provider = provider
        self.currency = currency
        self._zone, self._clock = ZoneInfo(zone), clock
        self._accounts = {provider.number: provider}
        self._orders: dict[str, tuple[Order, Outcome]] = {}
        self._mandates: dict[str, str] = {}
        self._entries: dict[str, list[Entry]] = defaultdict(list)
        # References differ from run to run: the platform remembers those of all days.
        self._run = f"{rng.getrandbits(48):012X}"
        self._count = 0

    @property
    def accounts(self) -> Sequence[BankAccount]:
        return list(self._accounts.values())

    def account(self, number: str) -> BankAccount | None:
        return self._accounts.get(number)

    def open(self, account: BankAccount) -> BankAccount:
        """Open an account, or replace it as it stands."""
        self._accounts[account.number] = account
        return account

    def today(self) -> date:
        return self._clock.now().astimezone(self._zone).date()

    def carry_out(self, id_: str, order: Order, *, times: int = 1) -> Outcome:
        """Carry an order out once; the same id again gets the first answer. `times`: a bank may err."""
        known = self._orders.get(id_)
        if known is not None:
            return known[1] if known[0] == order else Outcome(Status.CONFLICT, "DU01 id used before")
        outcome = self._refusal(order) or Outcome(Status.BOOKED)
        self._orders[id_] = order, outcome
        if outcome.status is Status.BOOKED:
            for _ in range(times):
                self._book(order)
        return outcome

    def collect(self, id_: str, order: Order, mandate: str, *, times: int = 1) -> Outcome:
        """Take money from the payer of an order, once per id. A mandate is good for one account: the one
        that it was first used for."""
        if not mandate or self._mandates.setdefault(mandate, order.payer) != order.payer:
            return NO_MANDATE
        return self.carry_out(id_, order, times=times)

    def outcome(self, id_: str) -> Outcome:
        known = self._orders.get(id_)
        return known[1] if known is not None else Outcome(Status.UNKNOWN)

    def pay(self, order: Order) -> Outcome:
        """Carry out an order that has no id: somebody at a counter."""
        refusal = self._refusal(order)
        if refusal is None:
            self._book(order)
        return refusal or Outcome(Status.BOOKED)

    def entries(self, number: str, day: date) -> Sequence[Entry]:
        return [entry for entry in self._entries[number] if entry.booked_on == day]

    def opening(self, number: str, day: date) -> int:
        """What the account held when the day began."""
        since = sum(entry.amount_minor for entry in self._entries[number] if entry.booked_on >= day)
        return self._accounts[number].balance_minor - since

    def version(self, number: str) -> str:
        """Changes whenever a statement of this account may have."""
        return f"{self._run}-{len(self._entries[number])}"

    def _refusal(self, order: Order) -> Outcome | None:
        payer, payee = self._accounts.get(order.payer), self._accounts.get(order.payee)
        if order.currency != self.currency:
            return WRONG_CURRENCY
        if order.payee_bank not in BANKS:
            return UNKNOWN_BANK
        if payer is None or payer.closed or (payee is not None and payee.closed):
            return CLOSED
        if not payer.may_overdraw and payer.balance_minor < order.amount_minor:
            return NO_MONEY
        return None

    def _book(self, order: Order) -> None:
        payer = self._accounts[order.payer]
        payee = self._accounts.setdefault(
            order.payee, BankAccount(order.payee_bank, order.payee, order.payee_holder)
        )
        self._enter(payer, -order.amount_minor, order, payee)
        self._enter(payee, order.amount_minor, order, payer)

    def _enter(self, account: BankAccount, amount_minor: int, order: Order, other: BankAccount) -> None:
        self._count += 1
        reference = f"{self._run}{self._count:08d}"
        account.balance_minor += amount_minor
        self._entries[account.number].append(
            Entry(reference, amount_minor, self.today(), order.end_to_end_id, order.reference, other)
        )
