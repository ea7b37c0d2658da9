"""Draws in the database."""

from collections.abc import Sequence
from typing import Final

import asyncpg

from obverse.authorization import Decline
from obverse.draws.model import Draw, DrawState
from obverse.kit.database import Connection
from obverse.kit.ids import CardId, DrawId
from obverse.kit.money import CurrencyCode, Money
from obverse.kit.paging import NEWEST, Page, PageRequest, cut
from obverse.kit.secret import Sealed

_COLUMNS: Final = """
id, partition_id, card_id, amount_minor, currency, state, decline, transfer_id, account_sealed, account_key,
account_hash, request_key, fingerprint, created_at
"""

INSERT: Final = f"""
insert into draws ({_COLUMNS})
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
on conflict do nothing returning id
"""

LOAD: Final = f"select {_COLUMNS} from draws where id = any($1::uuid[])"

LOCK: Final = f"{LOAD} order by id for update"

BY_KEY: Final = f"select {_COLUMNS} from draws where request_key = $1"

ASKED: Final = f"select {_COLUMNS} from draws where state = 'asked' order by id limit $1"

PAGE: Final = f"""
select {_COLUMNS} from draws where card_id = $1 and id < coalesce($2, {NEWEST}) order by id desc limit $3
"""

# Whoever comes first, the request itself or the background, concludes a draw; the other changes nothing.
CONCLUDE: Final = """
update draws set state = new.state, decline = new.decline, amount_minor = new.amount_minor,
    account_sealed = null, account_key = null
from unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[]) as new (id, state, decline, amount_minor)
where draws.id = new.id and draws.state = 'asked'
returning draws.id
"""

SET_ACCOUNT: Final = "update draws set account_hash = $2 where id = $1"

DRAWN: Final = "select distinct card_id from draws where card_id = any($1::uuid[]) and state = 'ordered'"

COUNT_STALE: Final = "select count(*) from draws where account_key < $1"

LOCK_STALE: Final = f"""
select {_COLUMNS} from draws where account_key < $1 order by account_key limit $2 for update skip locked
"""

RESEAL: Final = """
update draws set account_sealed = fresh.sealed, account_key = fresh.key
from unnest($1::uuid[], $2::bytea[], $3::smallint[]) as fresh (id, sealed, key) where draws.id = fresh.id
"""


async def insert(conn: Connection, draw: Draw) -> bool:
    """Store a new draw; False where an earlier one has its key."""
    sealed = draw.account
    stored = await conn.fetchval(
        INSERT,
        draw.id,
        draw.partition_id,
        draw.card_id,
        draw.amount.amount_minor,
        draw.amount.currency,
        draw.state,
        draw.decline,
        draw.transfer_id,
        sealed.ciphertext if sealed is not None else None,
        sealed.key_version if sealed is not None else None,
        draw.account_hash,
        draw.request_key,
        draw.fingerprint,
        draw.created_at,
    )
    return stored is not None


async def load(conn: Connection, ids: Sequence[DrawId]) -> dict[DrawId, Draw]:
    """These draws; unknown ids are simply absent."""
    return {draw.id: draw for draw in map(_draw, await conn.fetch(LOAD, ids))}


async def lock(conn: Connection, ids: Sequence[DrawId]) -> dict[DrawId, Draw]:
    """The same, locked in id order until the commit."""
    return {draw.id: draw for draw in map(_draw, await conn.fetch(LOCK, ids))}


async def find_by_key(conn: Connection, request_key: str) -> Draw | None:
    row = await conn.fetchrow(BY_KEY, request_key)
    return _draw(row) if row else None


async def find_asked(conn: Connection, limit: int) -> list[Draw]:
    """Draws that nobody has concluded yet, oldest first."""
    return [_draw(row) for row in await conn.fetch(ASKED, limit)]


async def find_page(conn: Connection, page: PageRequest, card_id: CardId) -> Page[Draw]:
    """A card's draws, newest first."""
    rows = await conn.fetch(PAGE, card_id, page.after, page.limit + 1)
    return cut([_draw(row) for row in rows], page, lambda draw: draw.id)


async def conclude(conn: Connection, draws: Sequence[Draw]) -> set[DrawId]:
    """Store what came of draws, and forget their accounts; returns those that were still asked."""
    rows = await conn.fetch(
        CONCLUDE,
        [draw.id for draw in draws],
        [draw.state for draw in draws],
        [draw.decline for draw in draws],
        [draw.amount.amount_minor for draw in draws],
    )
    return {row["id"] for row in rows}


async def set_account(conn: Connection, draw_id: DrawId, account_hash: bytes) -> None:
    """Note to which account a draw was redirected; the caller holds the lock."""
    await conn.execute(SET_ACCOUNT, draw_id, account_hash)


async def find_drawn(conn: Connection, card_ids: Sequence[CardId]) -> set[CardId]:
    """Those of these cards of which something was drawn."""
    return {row["card_id"] for row in await conn.fetch(DRAWN, card_ids)}


async def count_stale(conn: Connection, key_version: int) -> int:
    count: int = await conn.fetchval(COUNT_STALE, key_version)
    return count


async def lock_stale(conn: Connection, key_version: int, limit: int) -> list[tuple[DrawId, Sealed]]:
    """Up to `limit` draws whose account is sealed under an older key, passing over what others hold."""
    rows = await conn.fetch(LOCK_STALE, key_version, limit)
    return [(row["id"], Sealed(row["account_key"], row["account_sealed"])) for row in rows]


async def reseal(conn: Connection, fresh: Sequence[tuple[DrawId, Sealed]]) -> None:
    await conn.execute(
        RESEAL,
        [id_ for id_, _ in fresh],
        [sealed.ciphertext for _, sealed in fresh],
        [sealed.key_version for _, sealed in fresh],
    )


def _draw(row: asyncpg.Record) -> Draw:
    sealed = row["account_sealed"]
    return Draw(
        id=row["id"],
        partition_id=row["partition_id"],
        card_id=row["card_id"],
        amount=Money(row["amount_minor"], CurrencyCode(row["currency"])),
        state=DrawState(row["state"]),
        decline=Decline(row["decline"]) if row["decline"] else None,
        transfer_id=row["transfer_id"],
        account=Sealed(row["account_key"], sealed) if sealed is not None else None,
        account_hash=row["account_hash"],
        request_key=row["request_key"],
        fingerprint=row["fingerprint"],
        created_at=row["created_at"],
    )
