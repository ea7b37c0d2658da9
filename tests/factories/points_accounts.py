"""Points behind members' cards, ready to be paid with: issuers tell balances and approve as they are told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from tests.factories.merchants import BY_HAND
from tests.factories.points import FakeLinkIssuers, PointsHouse
from tests.factories.wallet import House

from obverse.authorization.ports import LegAnswer, LegOutcome, PointsRequest
from obverse.cards import Card
from obverse.kit.ids import MerchantId, PointsIssuerId, SourceId
from obverse.merchants.model import MerchantChange
from obverse.points import Issuer, Quotes, Rate
from obverse.points.ports import BalanceAnswer, BalanceAsk, Trouble

QUOTE_LIFETIME = timedelta(minutes=5)


@dataclass
class FakePoints(FakeLinkIssuers):
    """All issuers in one: balances by account, and one answer for every take that these allow."""

    units: dict[SourceId, int] = field(default_factory=dict)
    trouble: dict[SourceId, Trouble] = field(default_factory=dict)
    outcome: LegOutcome = LegOutcome.APPROVED
    taken: list[PointsRequest] = field(default_factory=list)

    async def take(self, leg: PointsRequest) -> LegAnswer:
        self.taken.append(leg)
        if self.outcome is not LegOutcome.APPROVED:
            return LegAnswer(self.outcome)
        if leg.units > self.units.get(leg.source_id, 0):
            return LegAnswer(LegOutcome.DECLINED, "insufficient_points")
        return LegAnswer(self.outcome, None, "P77001", to_confirm=True)

    async def balances(self, asks: Sequence[BalanceAsk]) -> Mapping[SourceId, BalanceAnswer]:
        return {ask.source_id: self._balance(ask.source_id) for ask in asks}

    def is_answering(self, issuer_id: PointsIssuerId) -> bool | None:
        return self.outcome is not LegOutcome.UNREACHABLE

    def _balance(self, source_id: SourceId) -> BalanceAnswer:
        if source_id in self.trouble:
            return BalanceAnswer(None, self.trouble[source_id])
        return BalanceAnswer(self.units.get(source_id, 0))


def quotes_of(house: House, network: FakePoints) -> Quotes:
    return Quotes(
        house.database,
        network,
        clock=house.clock,
        random_bytes=house.random_bytes,
        lifetime=QUOTE_LIFETIME,
    )


async def an_accepted_issuer(
    points: PointsHouse, merchant_id: MerchantId, rate: Rate, **terms: object
) -> Issuer:
    """An issuer whose points this merchant takes at this rate, besides those it took before."""
    issuer = await points.issuer(**terms)
    merchants = points.house.merchants
    accepts = (await merchants.get(merchant_id)).accepts_points | {issuer.id}
    await merchants.change(merchant_id, MerchantChange(accepts_points=accepts), BY_HAND)
    await points.rates.set(issuer.id, merchant_id, rate, BY_HAND)
    return issuer


async def points_behind(
    points: PointsHouse, network: FakePoints, card: Card, issuer: Issuer, units: int
) -> SourceId:
    """A proved account with this many units, last behind this card of a member's."""
    assert card.member_id is not None
    account = await points.account(card.member_id, issuer, card.id)
    network.units[account.id] = units
    return account.id
