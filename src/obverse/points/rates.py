"""What points are worth, as operators agree it with issuers: one rate at a time for each merchant (PR-6)."""

from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.ids import MerchantId, NewId, PointsIssuerId, PointsRateId, to_text
from obverse.kit.paging import Page, PageRequest
from obverse.merchants import repository as merchants
from obverse.merchants.errors import MerchantNotFound
from obverse.merchants.model import Decision
from obverse.points import rules
from obverse.points.errors import PointsIssuerNotFound, PointsRateNotFound
from obverse.points.journal import Journal
from obverse.points.model import IssuerRate, Rate
from obverse.points.repository import issuers
from obverse.points.repository import rates as repository

_MOMENT: Final = timedelta(microseconds=1)
"""A rate holds for some time, be it the shortest that the database tells apart."""


class IssuerRates:
    """The rates at which issuers' points are taken. Payments keep the rate that they were made at."""

    def __init__(self, database: Database, *, clock: Clock, new_id: NewId) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._journal = Journal(clock, new_id)

    async def set(
        self, issuer_id: PointsIssuerId, merchant_id: MerchantId | None, rate: Rate, decision: Decision
    ) -> IssuerRate:
        """Have this rate hold from now on, at one merchant or (None) wherever no other does.

        The one in force ends in the same commit; the very same rate again changes nothing. Raises
        `InvalidRequest`, `PointsIssuerNotFound`, `MerchantNotFound`.
        """
        async with self._database.transaction() as conn:
            issuer = (await issuers.lock(conn, [issuer_id])).get(issuer_id)
            if issuer is None:
                raise PointsIssuerNotFound("issuer")
            rate = rules.checked_rate(rate, issuer.units_max)
            if merchant_id is not None and not await merchants.load(conn, [merchant_id]):
                raise MerchantNotFound("merchant")
            before = await repository.lock_in_force(conn, issuer_id, merchant_id)
            if before is not None and before.rate == rate:
                return before
            starts_at = self._clock.now() if before is None else await self._end(conn, before)
            fresh = IssuerRate(PointsRateId(self._new_id()), issuer_id, merchant_id, rate, starts_at, None)
            await repository.insert(conn, fresh)
            await self._tell(conn, "points_rate.set", fresh, decision)
        return fresh

    async def end(self, id_: PointsRateId, decision: Decision) -> IssuerRate:
        """Let this rate end now: where no other holds, the issuer's points pay nothing any more.

        Asked again it changes nothing. Raises `PointsRateNotFound`, `InvalidRequest`.
        """
        async with self._database.transaction() as conn:
            rate = await repository.lock(conn, id_)
            if rate is None:
                raise PointsRateNotFound
            if rate.ends_at is None:
                rate = replace(rate, ends_at=await self._end(conn, rate))
                await self._tell(conn, "points_rate.ended", rate, decision)
        return rate

    async def list(self, page: PageRequest, issuer_id: PointsIssuerId | None = None) -> Page[IssuerRate]:
        """Rates, newest first, those that have ended included; of one issuer if given."""
        async with self._database.connection() as conn:
            return await repository.find_page(conn, page, issuer_id)

    async def _end(self, conn: Connection, rate: IssuerRate) -> datetime:
        ends_at = max(self._clock.now(), rate.starts_at + _MOMENT)
        await repository.set_end(conn, rate.id, ends_at)
        return ends_at

    async def _tell(self, conn: Connection, news: str, set_: IssuerRate, decision: Decision) -> None:
        rate = set_.rate
        told = {
            "rate": str(rate),
            "minimum_units": str(rate.minimum_units),
            "step_units": str(rate.step_units),
        }
        if set_.merchant_id is not None:
            told["merchant"] = to_text("mer", set_.merchant_id)
        await self._journal.tell(conn, news, ("prt", set_.id), set_.issuer_id, decision, told)
