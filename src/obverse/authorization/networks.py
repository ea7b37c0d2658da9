"""Whom a payment asks outside, and in which order: points first, card companies last (PR-8)."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from obverse.authorization.ports import (
    CardCompany,
    LegAnswer,
    LegOutcome,
    LegRequest,
    PointsIssuers,
    PointsRequest,
)
from obverse.kit.ids import SourceId
from obverse.points.model import Holding
from obverse.points.ports import BalanceAsk, PointsBalances


class PointsNetwork(PointsIssuers, PointsBalances, Protocol):
    """Points issuers, as far as payments need them."""


class Networks:
    """Asks card companies and points issuers for a payment's legs."""

    def __init__(self, card_company: CardCompany, points: PointsNetwork | None) -> None:
        self._card_company = card_company
        self._points = points

    async def ask(self, asks: Sequence[tuple[int, LegRequest | PointsRequest]]) -> Mapping[int, LegAnswer]:
        """Ask for every leg, by position: all points at the same time, then card companies.

        A card is only asked once all points are there: points that are given back again have cost their
        holder nothing, while a card company's hold may be seen for days.
        """
        points = {at: leg for at, leg in asks if isinstance(leg, PointsRequest)}
        cards = {at: leg for at, leg in asks if isinstance(leg, LegRequest)}
        answers = dict(zip(points, await self._take_points(list(points.values())), strict=True))
        if all(answer.outcome is LegOutcome.APPROVED for answer in answers.values()):
            heard = await asyncio.gather(*[self._card_company.authorize(leg) for leg in cards.values()])
        else:
            heard = [LegAnswer(LegOutcome.UNREACHABLE)] * len(cards)
        return answers | dict(zip(cards, heard, strict=True))

    async def balances(self, holdings: Sequence[Holding]) -> Mapping[SourceId, int]:
        """Units in these accounts; none where an issuer gives no answer in time (PR-3)."""
        assert self._points is not None, "accounts are linked where there are issuers"
        asks = [BalanceAsk(held.source_id, held.issuer_id, held.handle) for held in holdings]
        answers = await self._points.balances(asks)
        return {id_: answer.units or 0 for id_, answer in answers.items()}

    async def _take_points(self, legs: Sequence[PointsRequest]) -> list[LegAnswer]:
        if not legs:
            return []
        assert self._points is not None, "accounts are linked where there are issuers"
        return await asyncio.gather(*[self._points.take(leg) for leg in legs])
