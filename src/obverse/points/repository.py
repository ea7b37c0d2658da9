"""Points issuers, accounts, rates, quotes and messages in the database."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec

from obverse.kit.database import Connection, Table, insert_rows
from obverse.kit.ids import MerchantId, PartitionId, PointsIssuerId, SourceId
from obverse.kit.secret import Sealed
from obverse.points.model import Holding, PointsMessage, Quote, QuoteLine, Rate
from obverse.points.rules import Rates

LOAD_HOLDINGS: Final = """
select a.id, a.issuer_id, a.handle_key, a.handle_sealed, i.units_max, i.state = 'active'
from points_accounts as a join points_issuers as i on i.id = a.issuer_id
where a.id = any($1::uuid[]) and a.state = 'proved'
"""

RATES_IN_FORCE: Final = """
select issuer_id, merchant_id, numerator, denominator, minimum_units, step_units from points_rates
where issuer_id = any($1::uuid[]) and (merchant_id is null or merchant_id = any($2::uuid[]))
    and starts_at <= $3 and (ends_at is null or ends_at > $3)
"""

INSERT_QUOTES: Final = """
insert into points_quotes (reference, partition_id, card_id, merchant_id, lines, created_at, expires_at)
values ($1, $2, $3, $4, $5::text::jsonb, $6, $7)
"""

LOAD_QUOTES: Final = """
select reference, partition_id, card_id, merchant_id, lines::text, created_at, expires_at from points_quotes
where reference = any($1::text[])
"""

MESSAGES: Final = Table(
    "points_messages",
    {
        "partition_id": "smallint",
        "id": "uuid",
        "source_id": "uuid",
        "authorization_id": "uuid",
        "position": "smallint",
        "reference": "text",
        "kind": "text",
        "units": "bigint",
        "units_before": "bigint",
        "created_at": "timestamptz",
        "next_at": "timestamptz",
    },
)


async def load_holdings(conn: Connection, ids: Iterable[SourceId]) -> dict[SourceId, Holding]:
    """Proved accounts as payments need them; others are absent."""
    rows = await conn.fetch(LOAD_HOLDINGS, list(ids))
    return {
        id_: Holding(id_, issuer_id, Sealed(version, sealed), units_max, is_active)
        for id_, issuer_id, version, sealed, units_max, is_active in rows
    }


async def load_rates(
    conn: Connection, issuers: Iterable[PointsIssuerId], merchants: Iterable[MerchantId], now: datetime
) -> Rates:
    """What rates hold now for these issuers, at these merchants and for everybody."""
    rows = await conn.fetch(RATES_IN_FORCE, list(issuers), list(merchants), now)
    return {(issuer_id, merchant_id): Rate(*rate) for issuer_id, merchant_id, *rate in rows}


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


async def insert_messages(
    conn: Connection, partition_id: PartitionId, messages: Sequence[PointsMessage]
) -> None:
    """Store what issuers are to be told, due at once."""
    rows = [
        (
            partition_id,
            message.id,
            message.source_id,
            message.authorization_id,
            message.position,
            message.reference,
            message.kind,
            message.units,
            message.units_before,
            message.created_at,
            message.created_at,
        )
        for message in messages
    ]
    await insert_rows(conn, MESSAGES, rows)
