"""Rates of issuers in the database: one at a time for each merchant, and one for every merchant."""

from datetime import datetime
from typing import Any, Final

from obverse.kit.database import Connection
from obverse.kit.ids import MerchantId, PointsIssuerId, PointsRateId
from obverse.kit.paging import NEWEST, Page, PageRequest, cut
from obverse.points.model import IssuerRate, Rate

_COLUMNS: Final = """
id, issuer_id, merchant_id, numerator, denominator, minimum_units, step_units, starts_at, ends_at
"""

INSERT: Final = f"insert into points_rates ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)"

LOCK_IN_FORCE: Final = f"""
select {_COLUMNS} from points_rates
where issuer_id = $1 and merchant_id is not distinct from $2 and ends_at is null for update
"""

LOCK: Final = f"select {_COLUMNS} from points_rates where id = $1 for update"

SET_END: Final = "update points_rates set ends_at = $2 where id = $1"

PAGE: Final = f"""
select {_COLUMNS} from points_rates
where id < coalesce($1, {NEWEST}) and ($3::uuid is null or issuer_id = $3) order by id desc limit $2
"""


async def insert(conn: Connection, set_: IssuerRate) -> None:
    rate = set_.rate
    await conn.execute(
        INSERT,
        set_.id,
        set_.issuer_id,
        set_.merchant_id,
        rate.numerator,
        rate.denominator,
        rate.minimum_units,
        rate.step_units,
        set_.starts_at,
        set_.ends_at,
    )


async def lock_in_force(
    conn: Connection, issuer_id: PointsIssuerId, merchant_id: MerchantId | None
) -> IssuerRate | None:
    """The rate that has not ended, at this very merchant or (None) for every one, locked."""
    row = await conn.fetchrow(LOCK_IN_FORCE, issuer_id, merchant_id)
    return _rate(row) if row else None


async def lock(conn: Connection, id_: PointsRateId) -> IssuerRate | None:
    row = await conn.fetchrow(LOCK, id_)
    return _rate(row) if row else None


async def set_end(conn: Connection, id_: PointsRateId, ends_at: datetime) -> None:
    await conn.execute(SET_END, id_, ends_at)


async def find_page(
    conn: Connection, page: PageRequest, issuer_id: PointsIssuerId | None
) -> Page[IssuerRate]:
    """Rates, newest first, those that have ended included; of one issuer if given."""
    rows = await conn.fetch(PAGE, page.after, page.limit + 1, issuer_id)
    return cut([_rate(row) for row in rows], page, lambda rate: rate.id)


def _rate(row: Any) -> IssuerRate:
    id_, issuer_id, merchant_id, numerator, denominator, minimum, step, starts_at, ends_at = row
    rate = Rate(numerator, denominator, minimum, step)
    return IssuerRate(id_, issuer_id, merchant_id, rate, starts_at, ends_at)
