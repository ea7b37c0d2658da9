"""Proved accounts and rates, as payments need them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from obverse.kit.database import Connection
from obverse.kit.ids import MerchantId, PointsIssuerId, SourceId
from obverse.kit.secret import Sealed
from obverse.points.model import Holding, Rate
from obverse.points.rules import Rates

LOAD_HOLDINGS: Final = """
select a.id, a.issuer_id, a.handle_key, a.handle_sealed, i.units_max, i.state = 'active'
from points_accounts as a join points_issuers as i on i.id = a.issuer_id
where a.id = any($1::uuid[]) and a.state = 'proved'
"""

OWNERS: Final = "select id, issuer_id from points_accounts where id = any($1::uuid[])"

RATES_IN_FORCE: Final = """
select issuer_id, merchant_id, numerator, denominator, minimum_units, step_units from points_rates
where issuer_id = any($1::uuid[]) and (merchant_id is null or merchant_id = any($2::uuid[]))
    and starts_at <= $3 and (ends_at is null or ends_at > $3)
"""


async def load_holdings(conn: Connection, ids: Iterable[SourceId]) -> dict[SourceId, Holding]:
    """Proved accounts as payments need them; others are absent."""
    rows = await conn.fetch(LOAD_HOLDINGS, list(ids))
    return {
        id_: Holding(id_, issuer_id, Sealed(version, sealed), units_max, is_active)
        for id_, issuer_id, version, sealed, units_max, is_active in rows
    }


async def owners_of(conn: Connection, ids: Iterable[SourceId]) -> dict[SourceId, PointsIssuerId]:
    """Whose points these accounts hold, whatever became of them since."""
    return {row["id"]: row["issuer_id"] for row in await conn.fetch(OWNERS, list(ids))}


async def load_rates(
    conn: Connection, issuers: Iterable[PointsIssuerId], merchants: Iterable[MerchantId], now: datetime
) -> Rates:
    """What rates hold now for these issuers, at these merchants and for everybody."""
    rows = await conn.fetch(RATES_IN_FORCE, list(issuers), list(merchants), now)
    return {(issuer_id, merchant_id): Rate(*rate) for issuer_id, merchant_id, *rate in rows}
