"""What pays behind cards, when a source goes."""

from typing import Final

from obverse.kit.database import Connection
from obverse.kit.ids import CardId, MemberId, SourceId

LOCK_FUNDED_BY: Final = """
select id from cards where member_id = $1 and $2 = any(funding) order by id for update
"""

TAKE_OUT: Final = """
update cards set funding = array_remove(funding, $3) where member_id = $1 and id = any($2::uuid[])
"""


async def lock_funded_by(conn: Connection, member_id: MemberId, source_id: SourceId) -> list[CardId]:
    """A member's cards behind which this source stands, locked in id order until the commit."""
    return [row[0] for row in await conn.fetch(LOCK_FUNDED_BY, member_id, source_id)]


async def take_out_source(
    conn: Connection, member_id: MemberId, ids: list[CardId], source_id: SourceId
) -> None:
    """Take a source from behind these cards, which the caller has locked; what else pays stays in order."""
    await conn.execute(TAKE_OUT, member_id, ids, source_id)
