"""The pieces of orders in the database."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import asyncpg

from obverse.kit.database import Connection, Table, insert_rows
from obverse.kit.ids import LetterId, OrderId
from obverse.kit.secret import Sealed
from obverse.orders.model import Piece, PieceState

PIECES: Final = Table(
    "order_pieces",
    {
        "order_id": "uuid",
        "at": "int",
        "programme_id": "uuid",
        "amount_minor": "bigint",
        "state": "text",
        "card_id": "uuid",
        "pin_sealed": "bytea",
        "pin_key": "smallint",
        "gift_sealed": "bytea",
        "gift_key": "smallint",
        "letter_id": "uuid",
        "sent_key": "text",
    },
)
_COLUMNS: Final = ", ".join(PIECES.columns)

AFTER: Final = f"select {_COLUMNS} from order_pieces where order_id = $1 and at > $2 order by at limit $3"

THESE: Final = f"select {_COLUMNS} from order_pieces where order_id = $1 and at = any($2::int[]) order by at"

IN_STATES: Final = f"""
select {_COLUMNS} from order_pieces where order_id = $1 and state = any($2::text[]) order by at
"""

ALL: Final = f"select {_COLUMNS} from order_pieces where order_id = $1 order by at"

# The gift stays as it was sealed: only what allocation and what follows it decide is written.
SAVE: Final = """
update order_pieces as p set state = new.state, card_id = new.card_id, pin_sealed = new.pin_sealed,
    pin_key = new.pin_key, letter_id = new.letter_id, sent_key = new.sent_key
from unnest($2::int[], $3::text[], $4::uuid[], $5::bytea[], $6::smallint[], $7::uuid[], $8::text[])
    as new (at, state, card_id, pin_sealed, pin_key, letter_id, sent_key)
where p.order_id = $1 and p.at = new.at
"""

SAVE_GIFT: Final = "update order_pieces set gift_sealed = $3, gift_key = $4 where order_id = $1 and at = $2"

# Only where that letter is still the newest.
MARK_UNDELIVERED: Final = """
update order_pieces as p set state = 'undelivered'
from unnest($1::uuid[]) as came_back (letter_id)
where p.letter_id = came_back.letter_id and p.state = 'given'
returning p.order_id, p.at
"""

# Of a gift's letters only the newest counts. A letter is tried for three days, and can be sent again for
# thirty: what is older was looked at before.
BOUNCED: Final = f"""
select {", ".join(f"p.{column}" for column in PIECES.columns)}
from letters as l join order_pieces as p on p.letter_id = l.id
where l.state = any('{{bounced,failed}}') and l.id > $1 and p.state = 'given'
order by p.order_id, p.at limit $2
"""

COUNT_STALE: Final = """
select (select count(*) from order_pieces where pin_key < $1)
    + (select count(*) from order_pieces where gift_key < $1)
"""

LOCK_STALE: Final = f"""
select {_COLUMNS} from order_pieces
where (order_id, at) in (
    (select order_id, at from order_pieces where pin_key < $1 order by pin_key limit $2)
    union (select order_id, at from order_pieces where gift_key < $1 order by gift_key limit $2)
) limit $2 for update skip locked
"""

RESEAL: Final = """
update order_pieces as p set pin_sealed = fresh.pin, pin_key = fresh.pin_key, gift_sealed = fresh.gift,
    gift_key = fresh.gift_key
from unnest($1::uuid[], $2::int[], $3::bytea[], $4::smallint[], $5::bytea[], $6::smallint[])
    as fresh (order_id, at, pin, pin_key, gift, gift_key)
where p.order_id = fresh.order_id and p.at = fresh.at
"""


async def insert(conn: Connection, pieces: Sequence[Piece]) -> None:
    """Store the pieces of a new order."""
    rows = [
        (p.order_id, p.at, p.programme_id, p.amount_minor, p.state, p.card_id,
         *_parts(p.pin), *_parts(p.gift), p.letter_id, p.sent_key)
        for p in pieces
    ]  # fmt: skip
    await insert_rows(conn, PIECES, rows)


async def find_after(conn: Connection, order_id: OrderId, at: int, limit: int) -> list[Piece]:
    """Up to `limit` pieces behind this one, in their order."""
    return [_piece(row) for row in await conn.fetch(AFTER, order_id, at, limit)]


async def find(conn: Connection, order_id: OrderId, numbers: Sequence[int] | None) -> list[Piece]:
    """These pieces in their order, or all; numbers that there are not are simply absent."""
    if numbers is None:
        return [_piece(row) for row in await conn.fetch(ALL, order_id)]
    return [_piece(row) for row in await conn.fetch(THESE, order_id, numbers)]


async def find_in(conn: Connection, order_id: OrderId, states: Sequence[PieceState]) -> list[Piece]:
    """The pieces of an order that are in one of these states, in their order."""
    return [_piece(row) for row in await conn.fetch(IN_STATES, order_id, states)]


async def find_bounced(conn: Connection, after: UUID, limit: int) -> list[Piece]:
    """Gifts whose newest letter, made after this id, came back or could not be sent."""
    return [_piece(row) for row in await conn.fetch(BOUNCED, after, limit)]


async def mark_undelivered(
    conn: Connection, letter_ids: Sequence[LetterId | None]
) -> list[tuple[OrderId, int]]:
    """Note whose gifts did not arrive; returns the news. The caller has locked the orders."""
    rows = await conn.fetch(MARK_UNDELIVERED, letter_ids)
    return sorted((row["order_id"], row["at"]) for row in rows)


async def save(conn: Connection, order_id: OrderId, pieces: Sequence[Piece]) -> None:
    """Store what has become of pieces of one order, but for their gifts."""
    pins = [_parts(piece.pin) for piece in pieces]
    await conn.execute(
        SAVE,
        order_id,
        [piece.at for piece in pieces],
        [piece.state for piece in pieces],
        [piece.card_id for piece in pieces],
        [sealed for sealed, _ in pins],
        [key for _, key in pins],
        [piece.letter_id for piece in pieces],
        [piece.sent_key for piece in pieces],
    )


async def save_gift(conn: Connection, piece: Piece) -> None:
    """Store to whom a piece is given now."""
    await conn.execute(SAVE_GIFT, piece.order_id, piece.at, *_parts(piece.gift))


async def count_stale(conn: Connection, key_version: int) -> int:
    count: int = await conn.fetchval(COUNT_STALE, key_version)
    return count


async def lock_stale(conn: Connection, key_version: int, limit: int) -> list[Piece]:
    """Up to `limit` pieces with something sealed under an older key, passing over what others hold."""
    return [_piece(row) for row in await conn.fetch(LOCK_STALE, key_version, limit)]


async def reseal(conn: Connection, pieces: Sequence[Piece]) -> None:
    pins, gifts = [_parts(piece.pin) for piece in pieces], [_parts(piece.gift) for piece in pieces]
    await conn.execute(
        RESEAL,
        [piece.order_id for piece in pieces],
        [piece.at for piece in pieces],
        [sealed for sealed, _ in pins],
        [key for _, key in pins],
        [sealed for sealed, _ in gifts],
        [key for _, key in gifts],
    )


def _parts(sealed: Sealed | None) -> tuple[bytes | None, int | None]:
    return (sealed.ciphertext, sealed.key_version) if sealed is not None else (None, None)


def _sealed(ciphertext: bytes | None, key_version: int | None) -> Sealed | None:
    return Sealed(key_version, ciphertext) if ciphertext is not None and key_version is not None else None


def _piece(row: asyncpg.Record) -> Piece:
    return Piece(
        order_id=row["order_id"],
        at=row["at"],
        programme_id=row["programme_id"],
        amount_minor=row["amount_minor"],
        state=PieceState(row["state"]),
        card_id=row["card_id"],
        pin=_sealed(row["pin_sealed"], row["pin_key"]),
        gift=_sealed(row["gift_sealed"], row["gift_key"]),
        letter_id=row["letter_id"],
        sent_key=row["sent_key"],
    )
