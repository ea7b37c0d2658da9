"""Quotes: what a card's points are worth at a merchant, as a till or a page shows it (PR-3, PR-4)."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
from msgspec.structs import replace

from obverse.cards.model import Card
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import PointsIssuerId, SourceId
from obverse.merchants.model import Merchant
from obverse.points.model import Holding, Issuer, Quote, QuoteLine, Rate
from obverse.points.ports import BalanceAnswer, BalanceAsk, PointsBalances, Trouble
from obverse.points.repository import holdings as accounts
from obverse.points.repository import issuers, quotes
from obverse.points.rules import Rates, rate_at, worth_minor

_ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""32 letters and digits, none of which looks like another."""
_REFERENCE_LENGTH: Final = 12
_KEPT_FOR: Final = timedelta(days=1)
"""How much longer than it holds a quote is there, so that it is known as one whose time is over."""
_SWEEP_BATCH: Final = 5_000


class ShownLine(msgspec.Struct, frozen=True):
    """One points account. `number` is what it is picked by; accounts in trouble have theirs too."""

    number: int
    source_id: SourceId
    issuer_id: PointsIssuerId
    issuer: str
    unit: str
    units_max: int | None
    rate: Rate | None
    units: int | None = None
    worth_minor: int | None = None
    """What its units would pay here, those that one payment may take."""
    trouble: Trouble | None = None
    """Why there is no balance."""


class Shown(msgspec.Struct, frozen=True):
    """A card's points. `reference` names what is kept of them until `expires_at`, where that is anything."""

    lines: Sequence[ShownLine]
    reference: str | None = None
    expires_at: datetime | None = None


class Quotes:
    """Asks all issuers of a card's points at once, and keeps what they say for the payment to come."""

    def __init__(
        self,
        database: Database,
        balances: PointsBalances,
        *,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        lifetime: timedelta,
    ) -> None:
        self._database = database
        self._balances = balances
        self._clock = clock
        self._random_bytes = random_bytes
        self._lifetime = lifetime

    async def quote(self, card: Card, merchant: Merchant) -> Shown:
        """The points behind a card in the order in which they pay, and what they are worth here and now.

        An issuer in trouble costs its own line only. Raises `Unavailable`.
        """
        unasked = await self._lines(card, merchant)
        answers = await self._balances.balances([ask for line, ask in unasked if line.trouble is None])
        lines = [_answered(line, answers.get(line.source_id)) for line, _ in unasked]
        known = [
            QuoteLine(line.number, line.source_id, line.rate, line.units)
            for line in lines
            if line.rate is not None and line.units is not None
        ]
        if not known:
            return Shown(lines)
        quote = self._new(card, merchant, known)
        async with self._database.transaction() as conn:
            await quotes.insert_quote(conn, quote)
        return Shown(lines, quote.reference, quote.expires_at)

    async def sweep(self) -> None:
        """Delete quotes whose time has long been over."""
        swept = _SWEEP_BATCH
        while swept == _SWEEP_BATCH:
            async with self._database.transaction() as conn:
                swept = await quotes.sweep(conn, self._clock.now() - _KEPT_FOR, _SWEEP_BATCH)

    async def _lines(self, card: Card, merchant: Merchant) -> Sequence[tuple[ShownLine, BalanceAsk]]:
        async with self._database.connection() as conn:
            held = await accounts.load_holdings(conn, card.funding)
            issuer_ids = {holding.issuer_id for holding in held.values()}
            names = await issuers.load(conn, issuer_ids)
            rates = await accounts.load_rates(conn, issuer_ids, [merchant.id], self._clock.now())
        in_order = [held[source_id] for source_id in card.funding if source_id in held]
        return [
            (
                _unasked(number, holding, names[holding.issuer_id], merchant, rates),
                BalanceAsk(holding.source_id, holding.issuer_id, holding.handle),
            )
            for number, holding in enumerate(in_order, 1)
        ]

    def _new(self, card: Card, merchant: Merchant, lines: Sequence[QuoteLine]) -> Quote:
        now = self._clock.now()
        letters = [_ALPHABET[byte % len(_ALPHABET)] for byte in self._random_bytes(_REFERENCE_LENGTH)]
        return Quote(
            reference="".join(letters),
            partition_id=card.partition_id,
            card_id=card.id,
            merchant_id=merchant.id,
            lines=lines,
            created_at=now,
            expires_at=now + self._lifetime,
        )


def _unasked(number: int, holding: Holding, issuer: Issuer, merchant: Merchant, rates: Rates) -> ShownLine:
    accepted = holding.issuer_id in merchant.accepts_points
    rate = rate_at(rates, holding.issuer_id, merchant.id) if accepted else None
    trouble = None if holding.is_active else Trouble.DOWN
    return ShownLine(
        number=number,
        source_id=holding.source_id,
        issuer_id=holding.issuer_id,
        issuer=issuer.short_name,
        unit=issuer.unit,
        units_max=holding.units_max,
        rate=rate,
        trouble=Trouble.NOT_ACCEPTED if rate is None else trouble,
    )


def _answered(line: ShownLine, answer: BalanceAnswer | None) -> ShownLine:
    if answer is None or line.rate is None:
        return line
    if answer.units is None:
        return replace(line, trouble=answer.trouble)
    payable = answer.units if line.units_max is None else min(answer.units, line.units_max)
    return replace(line, units=answer.units, worth_minor=worth_minor(line.rate, payable))
