"""Claim links in the database."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from obverse.cards.model import ClaimLink
from obverse.kit.database import Connection, Table, insert_rows
from obverse.kit.ids import CardId

_LINK_COLUMNS: Final = "token_hash, partition_id, card_id, created_at, expires_at, claimed_at, withdrawn_at"

FIND_LINK: Final = f"select {_LINK_COLUMNS} from claim_links where token_hash = $1"

LINKS_OF_CARDS: Final = f"select {_LINK_COLUMNS} from claim_links where card_id = any($1::uuid[])"

LINKS: Final = Table(
    "claim_links",
    {
        "token_hash": "bytea",
        "partition_id": "smallint",
        "card_id": "uuid",
        "created_at": "timestamptz",
        "expires_at": "timestamptz",
    },
)

MARK_CLAIMED: Final = "update claim_links set claimed_at = $2 where token_hash = $1"

MARK_WITHDRAWN: Final = "update claim_links set withdrawn_at = $2 where token_hash = any($1::bytea[])"


async def find_link(conn: Connection, token_hash: bytes) -> ClaimLink | None:
    row = await conn.fetchrow(FIND_LINK, token_hash)
    return ClaimLink(*row.values()) if row else None


async def links_of_cards(conn: Connection, card_ids: Sequence[CardId]) -> list[ClaimLink]:
    """Every link these cards ever had. Read under the cards' locks where it decides something."""
    return [ClaimLink(*row.values()) for row in await conn.fetch(LINKS_OF_CARDS, card_ids)]


async def insert_links(conn: Connection, links: Sequence[ClaimLink]) -> None:
    rows = [
        (link.token_hash, link.partition_id, link.card_id, link.created_at, link.expires_at) for link in links
    ]
    await insert_rows(conn, LINKS, rows)


async def mark_claimed(conn: Connection, token_hash: bytes, now: datetime) -> None:
    await conn.execute(MARK_CLAIMED, token_hash, now)


async def mark_withdrawn(conn: Connection, token_hashes: Iterable[bytes], now: datetime) -> None:
    await conn.execute(MARK_WITHDRAWN, list(token_hashes), now)
