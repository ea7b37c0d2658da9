"""A wallet as a plain Python ledger: who pays which part, and what becomes of it.

Written from the requirements (PF-6, PF-7, PR-5, PR-6, PR-8, P16) in fractions and loops, and from nothing of
the engine's: what both say alike is right unless both are wrong in the same way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from math import ceil, floor
from typing import Any

from obverse.points import Rate

GRACE = timedelta(days=30)
"""How long money that comes back into a lot that has ended can be spent."""


@dataclass(eq=False)
class PlainLot:
    id: Any
    expires_at: datetime
    available: int
    held: int = 0

    def comes_back(self, part: int, now: datetime) -> None:
        self.available += part
        self.revive(part, now)

    def revive(self, part: int, now: datetime) -> None:
        if part and self.expires_at <= now:
            self.expires_at = now + GRACE


@dataclass(eq=False)
class Purse:
    """One points account at the merchant: the rate there, and the most that one payment takes."""

    rate: Rate
    units_max: int | None
    told: int
    """What its issuer says there is when it is asked; 0 if it says nothing."""
    shown: int | None = None
    """What there was when the holder was shown it; then nobody is asked again."""

    def units_of(self, amount: int) -> int:
        return _whole_steps(self.rate, ceil(amount * _per_minor(self.rate)), up=True)

    def allows(self, units: int) -> bool:
        return self.rate.minimum_units <= units <= (self.units_max or units)

    def most(self, rest: int, units: int) -> int:
        """What whole steps of units can pay of this, without more of them than that."""
        most = min(units, self.units_max or units, floor(rest * _per_minor(self.rate)))
        return floor(_whole_steps(self.rate, most, up=False) / _per_minor(self.rate))


def _per_minor(rate: Rate) -> Fraction:
    return Fraction(rate.numerator, rate.denominator)


def _whole_steps(rate: Rate, units: int, *, up: bool) -> int:
    steps = Fraction(units, rate.step_units)
    return (ceil(steps) if up else floor(steps)) * rate.step_units


@dataclass(eq=False)
class Share:
    """What one lot, one points account or the card pays of a payment."""

    name: str
    amount: int
    lot: PlainLot | None = None
    units: int | None = None
    rate: Rate | None = None
    captured: int = 0
    released: int = 0
    refunded: int = 0
    disputed: int = 0

    @property
    def open(self) -> int:
        return self.amount - self.captured - self.released

    @property
    def refundable(self) -> int:
        return self.captured - self.refunded - self.disputed

    @property
    def units_back(self) -> int:
        return floor((self.units or 0) * Fraction(self.released + self.refunded, self.amount))


@dataclass(frozen=True)
class PlainPick:
    name: str
    amount: int | None


@dataclass
class PlainWallet:
    """What stands behind one card: `order` names `own`, points accounts and `card`."""

    order: Sequence[str]
    lots: list[PlainLot] = field(default_factory=list)

    def split(
        self,
        amount: int,
        purses: dict[str, Purse],
        picks: Sequence[PlainPick],
        *,
        partial: bool,
        now: datetime,
    ) -> list[Share] | None:
        """Who pays; None where the holder has picked what cannot be, or there is too little."""
        shares: list[Share] = []
        rest, seen = amount, set()
        for pick in picks:
            if pick.name not in self.order or pick.name in seen or (pick.amount or 0) > rest:
                return None
            seen.add(pick.name)
            if pick.name in purses:
                found = _picked_points(pick, purses[pick.name], rest)
            else:
                found = self._own(pick.name, rest if pick.amount is None else pick.amount, now)
            if found is None or sum(share.amount for share in found) < (pick.amount or 0):
                return None
            shares += found
            rest -= sum(share.amount for share in found)
        for name in self.order:
            if name in seen or (picks and name in purses):
                continue
            found = (
                _fitting_points(name, purses[name], rest) if name in purses else self._own(name, rest, now)
            )
            shares += found
            rest -= sum(share.amount for share in found)
        return shares if rest == 0 or (partial and shares) else None

    def _own(self, name: str, wanted: int, now: datetime) -> list[Share]:
        if name == "card":
            return [Share(name, wanted)] if wanted else []
        shares = []
        for lot in sorted(self.lots, key=lambda lot: (lot.expires_at, lot.id)):
            part = min(wanted, lot.available) if lot.expires_at > now else 0
            if part:
                shares.append(Share(name, part, lot))
                wanted -= part
        return shares

    # what becomes of it ------------------------------------------------------------------------------------

    def pay(self, shares: Sequence[Share], *, at_once: bool) -> None:
        for share in shares:
            share.captured = share.amount if at_once else 0
            if share.lot:
                share.lot.available -= share.amount
                share.lot.held += share.open

    def capture(self, shares: Sequence[Share], amount: int, _: datetime) -> None:
        for share, part in _shared(shares, [share.open for share in shares], amount):
            share.captured += part
            if share.lot:
                share.lot.held -= part

    def release(self, shares: Sequence[Share], amount: int, now: datetime) -> None:
        for share, part in _shared(shares[::-1], [share.open for share in shares[::-1]], amount):
            share.released += part
            if share.lot:
                share.lot.held -= part
                share.lot.comes_back(part, now)

    def refund(self, shares: Sequence[Share], amount: int, now: datetime) -> None:
        for share, part in _shared(shares[::-1], [share.refundable for share in shares[::-1]], amount):
            share.refunded += part
            if share.lot:
                share.lot.comes_back(part, now)

    def dispute(self, shares: Sequence[Share], amount: int, now: datetime) -> None:
        for share, part in _shared(shares[::-1], [share.refundable for share in shares[::-1]], amount):
            share.disputed += part
            if share.lot:
                share.lot.held += part
                share.lot.revive(part, now)

    def decide(self, shares: Sequence[Share], now: datetime, *, merchant_pays: bool) -> None:
        for share in shares:
            part, share.disputed = share.disputed, 0
            share.refunded += part if merchant_pays else 0
            if share.lot:
                share.lot.held -= part
                share.lot.comes_back(part if merchant_pays else 0, now)

    def end_lots(self, now: datetime) -> None:
        for lot in self.lots:
            lot.available = lot.available if lot.expires_at > now else 0


def _picked_points(pick: PlainPick, purse: Purse, rest: int) -> list[Share] | None:
    if pick.amount is None:
        return _fitting_points(pick.name, purse, rest) or ([] if rest == 0 else None)
    units = purse.units_of(pick.amount)
    if not purse.allows(units) or units > (units if purse.shown is None else purse.shown):
        return None
    return [Share(pick.name, pick.amount, units=units, rate=purse.rate)]


def _fitting_points(name: str, purse: Purse, rest: int) -> list[Share]:
    part = purse.most(rest, purse.told if purse.shown is None else purse.shown)
    units = purse.units_of(part)
    return [Share(name, part, units=units, rate=purse.rate)] if part and purse.allows(units) else []


def _shared(shares: Sequence[Share], limits: Sequence[int], amount: int) -> list[tuple[Share, int]]:
    parts = []
    for share, limit in zip(shares, limits, strict=True):
        parts.append((share, min(limit, amount)))
        amount -= min(limit, amount)
    assert amount == 0
    return parts
