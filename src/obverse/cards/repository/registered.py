"""Registered cards in the database: found by the real card, renewed with it, and followed by another."""

from datetime import datetime
from typing import Final

from obverse.cards.model import Card
from obverse.cards.repository.cards import COLUMNS, as_card
from obverse.kit.database import Connection
from obverse.kit.ids import VaultCardId

FIND: Final = f"select {COLUMNS} from cards where vault_card_id = $1 and state <> 'closed'"

LOCK: Final = FIND + " for update"

RENEW: Final = "update cards set expires_at = $2 where vault_card_id = $1 and state <> 'closed'"

# What a keyed hash of a number never is.
FORGET_NUMBER: Final = """
update cards set number_hash = sha256(id::text::bytea), number_hash_key = null
where vault_card_id = $1 and state = 'closed' and number_hash_key is not null
"""


async def find_registered(conn: Connection, vault_card_id: VaultCardId) -> Card | None:
    """The card as which this real one is registered at present."""
    row = await conn.fetchrow(FIND, vault_card_id)
    return as_card(row) if row else None


async def lock_registered(conn: Connection, vault_card_id: VaultCardId) -> Card | None:
    """The same, locked until the commit."""
    row = await conn.fetchrow(LOCK, vault_card_id)
    return as_card(row) if row else None


async def renew_registered(conn: Connection, vault_card_id: VaultCardId, expires_at: datetime) -> None:
    """Let a registered card live as long as its new plastic; none is registered where nothing happens."""
    await conn.execute(RENEW, vault_card_id, expires_at)


async def forget_number(conn: Connection, vault_card_id: VaultCardId) -> None:
    """Leave the number to whoever registers the real card now: those that were closed go by none any more.

    Until then a closed card keeps it, so that its payments are still reversed and refunded by it.
    """
    await conn.execute(FORGET_NUMBER, vault_card_id)
