"""Who pays which part of a payment: what the holder has picked, then the order set in the wallet. Pure.

Own balances pay lot by lot, points as many whole units as fit, a linked card all that is left.
Source: PF-7, PR-5, PR-6, PR-8.
"""

from collections.abc import Iterator, Sequence

import msgspec

from obverse.authorization.known import KnownCard, Purse
from obverse.authorization.model import AuthorizationRequest, LegPlan, Rule, Tender
from obverse.kit.ids import AccountId, SourceId
from obverse.ledger.rules import Books
from obverse.merchants.model import Merchant
from obverse.points.rules import most_minor, units_for
from obverse.wallet.model import STORED, Source, SourceKind, SourceState

_NO_FAILURE = Rule(0)


class Split(msgspec.Struct, frozen=True):
    """The legs that would pay, what is wrong with them, and whose balances have to be asked first."""

    legs: Sequence[LegPlan] = ()
    failed: Rule = _NO_FAILURE
    to_ask: frozenset[SourceId] = frozenset()


def split(request: AuthorizationRequest, known: KnownCard, books: Books) -> Split:
    """Share a payment out. Where the request says that less will do, what there is is enough."""
    usable = [s for s in known.sources if s.state is SourceState.ACTIVE]
    if not any(source.currency == request.amount.currency for source in usable):
        return Split(failed=Rule.FUNDING_ACTIVE)
    if request.merchant is None:
        return Split()
    plan = _Plan(request, request.merchant, known, books)
    for pick in request.tender:
        plan.take_pick(pick)
    plan.take_in_order()
    return plan.result()


def own_accounts(known: KnownCard) -> Iterator[tuple[Source, AccountId]]:
    """The accounts that pay without anybody being asked, in their order: every lot of a balance is one."""
    for source in known.sources:
        if source.state is SourceState.ACTIVE:
            for account_id in _accounts(source, known):
                yield source, account_id


def _accounts(source: Source, known: KnownCard) -> Sequence[AccountId]:
    if source.kind in STORED:
        return [lot.account_id for lot in known.lots.get(source.id, ())]
    return () if source.account_id is None else (source.account_id,)


class _Plan:
    """A payment being shared out: the legs so far, and what is left to be paid."""

    __slots__ = ("_books", "_known", "_merchant", "_picked", "_request", "failed", "legs", "rest", "to_ask")

    def __init__(
        self, request: AuthorizationRequest, merchant: Merchant, known: KnownCard, books: Books
    ) -> None:
        self._request = request
        self._merchant = merchant
        self._known = known
        self._books = books
        self._picked: set[SourceId] = set()
        self.rest = request.amount.amount_minor
        self.legs: list[LegPlan] = []
        self.failed = _NO_FAILURE
        self.to_ask: set[SourceId] = set()

    def take_pick(self, pick: Tender) -> None:
        """Take what the holder has picked, or note why that cannot be."""
        source = self._source_of(pick)
        if source is None or source.id in self._picked:
            self.failed |= Rule.TENDER
            return
        self._picked.add(source.id)
        if source.state is not SourceState.ACTIVE:
            self.failed |= Rule.FUNDING_ACTIVE
        elif pick.amount_minor is not None and pick.amount_minor > self.rest:
            self.failed |= Rule.TENDER_AMOUNT
        elif source.kind is SourceKind.ISSUER_POINTS:
            self._take_picked_points(source, pick.amount_minor)
        else:
            wanted = self.rest if pick.amount_minor is None else pick.amount_minor
            if self._take_own(source, wanted) < (pick.amount_minor or 0):
                self.failed |= Rule.FUNDS

    def take_in_order(self) -> None:
        """Let the card's sources pay what is left, in the order that its holder has set (WA-5).

        Who has picked points has picked all that they want to spend.
        """
        for source in self._known.sources:
            if self.rest <= 0:
                return
            if source.state is not SourceState.ACTIVE or source.id in self._picked:
                continue
            if source.currency != self._request.amount.currency:
                continue
            if source.kind is not SourceKind.ISSUER_POINTS:
                self._take_own(source, self.rest)
            elif not self._request.tender:
                self._take_points_that_fit(source)

    def result(self) -> Split:
        enough = self.rest <= 0 or (self._request.partial and bool(self.legs))
        return Split(self.legs, self.failed if enough else self.failed | Rule.FUNDS, frozenset(self.to_ask))

    def _source_of(self, pick: Tender) -> Source | None:
        """The card's own source that was picked; of numbers the quote says which is which, else the order."""
        wanted = pick.source_id
        if pick.number is not None:
            if self._known.quote is not None:
                lines = self._known.quote.lines
                wanted = next((line.source_id for line in lines if line.number == pick.number), None)
            else:
                points = [s.id for s in self._known.sources if s.kind is SourceKind.ISSUER_POINTS]
                wanted = points[pick.number - 1] if 1 <= pick.number <= len(points) else None
        return next((source for source in self._known.sources if source.id == wanted), None)

    def _take_own(self, source: Source, wanted_minor: int) -> int:
        """Take up to that much from a source that is ours, or a linked card, which takes all of it."""
        left = wanted_minor
        for account_id in _accounts(source, self._known):
            available = self._books.available_minor(account_id)
            part = left if available is None else min(left, available)
            if part > 0:
                self._add(source, part, account_id)
                left -= part
        return wanted_minor - left

    def _take_picked_points(self, source: Source, wanted_minor: int | None) -> None:
        purse = self._known.purses.get(source.id)
        if purse is None or purse.rate is None:
            self.failed |= Rule.POINTS_ACCEPTED
        elif wanted_minor is None:
            if self.rest and not self._take_points_that_fit(source):
                enough = (purse.units or 0) >= units_for(purse.rate, self.rest)
                self.failed |= Rule.POINTS_MINIMUM if enough else Rule.POINTS_BALANCE
        elif failed := _points_failure(purse, units := units_for(purse.rate, wanted_minor)):
            self.failed |= failed
        elif wanted_minor:
            self._add_points(source, purse, wanted_minor, units)

    def _take_points_that_fit(self, source: Source) -> bool:
        """Take as many whole units as fit into what is left; False where that is none, and will stay so."""
        purse = self._known.purses.get(source.id)
        if purse is None or purse.rate is None:
            return False
        if purse.units is None:
            self.to_ask.add(source.id)
            return True
        most = purse.units if purse.units_max is None else min(purse.units, purse.units_max)
        part = most_minor(purse.rate, most, self.rest)
        units = units_for(purse.rate, part)
        if not part or _points_failure(purse, units):
            return False
        self._add_points(source, purse, part, units)
        return True

    def _add_points(self, source: Source, purse: Purse, part: int, units: int) -> None:
        assert source.account_id is not None, "what its issuer owes is one account"
        self._add(source, part, source.account_id, purse, units)

    def _add(
        self,
        source: Source,
        part: int,
        account_id: AccountId,
        purse: Purse | None = None,
        units: int | None = None,
    ) -> None:
        rate = None if purse is None else purse.rate
        self.legs.append(
            LegPlan(source.id, source.kind, part, account_id, self._merchant.account_id, units, rate)
        )
        self.rest -= part


def _points_failure(purse: Purse, units: int) -> Rule:
    """Why so many units cannot be taken, as far as that can be told without asking the issuer."""
    assert purse.rate is not None, "the caller has seen that there is a rate"
    if units < purse.rate.minimum_units:
        return Rule.POINTS_MINIMUM
    if purse.units_max is not None and units > purse.units_max:
        return Rule.POINTS_MAXIMUM
    if purse.units is not None and units > purse.units:
        return Rule.POINTS_BALANCE
    return _NO_FAILURE
