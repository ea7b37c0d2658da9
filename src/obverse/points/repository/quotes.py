"""Quotes: what a till or a page was shown."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from obverse.kit.database import Connection
from obverse.points.model import Quote, QuoteLine

INSERT_QUOTES: Final = """
insert into points_quotes (reference, partition_id, card_id, merchant_id, lines, created_at, expires_at)
values ($1, $2, $3, $4, $5::text::jsonb, $6, $7)
"""

LOAD_QUOTES: Final = """
select reference, partition_id, card_id, merchant_id, lines::text, created_at, expires_at from points_quotes
where reference = any($1::text[])
"""

SWEEP: Final = """
delete from points_quotes where reference in (
    select reference from points_quotes where expires_at < $1 limit $2
)
"""


async def insert_quote(conn: Connection, quote: Quote) -> None:
    """Keep what was shown, so that it holds when the payment comes."""
    await conn.execute(
        INSERT_QUOTES,
        quote.reference,
        quote.partition_id,
        quote.card_id,
        quote.merchant_id,
        msgspec.json.encode(quote.lines).decode(),
        quote.created_at,
        quote.expires_at,
    )


async def load_quotes(conn: Connection, references: Iterable[str]) -> dict[str, Quote]:
    """Quotes by their references, whether or not their time is over; unknown ones are absent."""
    rows = await conn.fetch(LOAD_QUOTES, list(references))
    return {
        reference: Quote(
            reference,
            partition_id,
            card_id,
            merchant_id,
            msgspec.json.decode(lines, type=list[QuoteLine]),
            created_at,
            expires_at,
        )
        for reference, partition_id, card_id, merchant_id, lines, created_at, expires_at in rows
    }


async def sweep(conn: Connection, before: datetime, limit: int) -> int:
    """Delete some of those that were over by then; returns how many."""
    status = await conn.execute(SWEEP, before, limit)
    return int(status.rpartition(" ")[2])
