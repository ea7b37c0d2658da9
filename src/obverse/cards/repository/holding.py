"""Whose a card is, and its PIN, in the database. The caller has locked the cards."""

import json
from collections.abc import Sequence
from typing import Final

from obverse.cards.model import Card
from obverse.kit.database import Connection
from obverse.kit.ids import CardId, PartitionId

# Who claims a card gets a number of their own: one that the giver noted before is worth nothing after (OT-8).
HAND_ON: Final = """
update cards
set held_by = $3, member_id = $4, state = $5, holder_token_hash = $6, serial = $7, last_four = $8,
    number_hash = $9, number_hash_key = $10, pin_hash = $11, pin_failures = $12, pin_hint = $13,
    name = $14, tell_of_use = $15, metadata = $16::text::jsonb, funding = $17
where partition_id = $1 and id = $2
"""

SET_HOLDER: Final = """
update cards set held_by = $3, member_id = $4, holder_token_hash = $5 where partition_id = $1 and id = $2
"""

SET_PIN: Final = """
update cards set pin_hash = $3, pin_hint = $4, pin_failures = 0, state = $5
where partition_id = $1 and id = $2
"""

COUNT_PIN_FAILURE: Final = """
update cards set pin_failures = pin_failures + 1 where partition_id = $1 and id = $2
"""

PIN_HINTS: Final = """
select id, pin_hint from cards
where partition_id = $1 and id = any($2::uuid[]) and pin_hint is not null
"""

SET_FUNDING: Final = "update cards set funding = $3 where partition_id = $1 and id = $2"

SET_DETAILS: Final = "update cards set name = $3, tell_of_use = $4 where partition_id = $1 and id = $2"


async def hand_on(
    conn: Connection, card: Card, number_hash_key: int, holder_token_hash: bytes | None, pin_hint: str | None
) -> None:
    """Store a card as it is after it was claimed: new holder, new number, and no PIN but the one given."""
    await conn.execute(
        HAND_ON,
        card.partition_id,
        card.id,
        card.held_by,
        card.member_id,
        card.state,
        holder_token_hash,
        card.serial,
        card.last_four,
        card.number_hash,
        number_hash_key,
        card.pin_hash,
        card.pin_failures,
        pin_hint,
        card.name,
        card.tell_of_use,
        json.dumps(dict(card.metadata)),
        card.funding,
    )


async def set_holder(conn: Connection, card: Card, holder_token_hash: bytes | None) -> None:
    """Store whose the card is now; number and PIN stay."""
    await conn.execute(
        SET_HOLDER, card.partition_id, card.id, card.held_by, card.member_id, holder_token_hash
    )


async def set_pin(conn: Connection, card: Card, hint: str | None) -> None:
    """Store the card's PIN, forget failures, and bring it to its state."""
    await conn.execute(SET_PIN, card.partition_id, card.id, card.pin_hash, hint, card.state)


async def count_pin_failure(conn: Connection, card: Card) -> None:
    await conn.execute(COUNT_PIN_FAILURE, card.partition_id, card.id)


async def pin_hints(conn: Connection, partition_id: PartitionId, ids: Sequence[CardId]) -> dict[CardId, str]:
    """What the holders of these cards wrote down to remember their PINs by."""
    rows = await conn.fetch(PIN_HINTS, partition_id, ids)
    return {CardId(row["id"]): row["pin_hint"] for row in rows}


async def set_funding(conn: Connection, card: Card) -> None:
    """Store what pays behind the card, in order."""
    await conn.execute(SET_FUNDING, card.partition_id, card.id, card.funding)


async def set_details(conn: Connection, card: Card) -> None:
    await conn.execute(SET_DETAILS, card.partition_id, card.id, card.name, card.tell_of_use)
