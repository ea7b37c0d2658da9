"""What issuers ask about presented cards (PR-9)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from obverse.kit.database import Connection
from obverse.kit.ids import CardId, PointsIssuerId
from obverse.kit.secret import Sealed
from obverse.points.model import FoundAccount

# One row for each issuer: the minute before is forgotten with the first question of the next.
COUNT: Final = """
insert into points_lookups as l (issuer_id, minute, count) values ($1, $2, 1)
on conflict (issuer_id) do update
set minute = excluded.minute, count = case when l.minute = excluded.minute then l.count + 1 else 1 end
returning count
"""

# One row without an account where the card is registered and none of this issuer's stands behind it.
FIND: Final = """
select c.id, a.id, a.last_four, a.handle_key, a.handle_sealed
from cards as c left join (
    points_accounts as a join funding_sources as f on f.id = a.id and f.state = 'active'
) on a.id = any(c.funding) and a.issuer_id = $2 and a.state = 'proved'
where c.number_hash = any($1::bytea[]) and c.kind = 'registered' and c.state = 'active'
    and c.expires_at > $3
order by array_position(c.funding, a.id)
"""


async def count(conn: Connection, issuer_id: PointsIssuerId, minute: datetime) -> int:
    """Count one more question of this issuer's in this minute; returns how many that makes."""
    made: int = await conn.fetchval(COUNT, issuer_id, minute)
    return made


async def find(
    conn: Connection, number_hashes: Sequence[bytes], issuer_id: PointsIssuerId, now: datetime
) -> tuple[CardId, Sequence[FoundAccount]] | None:
    """The registered card with this number, and the issuer's accounts behind it in funding order."""
    rows = await conn.fetch(FIND, number_hashes, issuer_id, now)
    if not rows:
        return None
    found = [FoundAccount(row[1], row[2], Sealed(row[3], row[4])) for row in rows if row[1] is not None]
    return rows[0][0], found
