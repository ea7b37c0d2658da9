"""Cards to be made and posted, in the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from obverse.cards.fulfilment_model import Fulfilment, FulfilmentState, Place
from obverse.kit.database import Connection
from obverse.kit.ids import CardId, FulfilmentId, MemberId
from obverse.kit.paging import NEWEST, Page, PageRequest, cut
from obverse.kit.secret import Sealed

_COLUMNS: Final = """
id, partition_id, card_id, member_id, state, design, embossed_name, place, address_key, address_sealed, run,
tracking, created_at, moved_at
"""

INSERT: Final = f"""
insert into fulfilments ({_COLUMNS})
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""

LIVE: Final = f"""
select {_COLUMNS} from fulfilments where card_id = $1 and state in ('ordered', 'making', 'posted')
"""

BEING_MADE: Final = """
select card_id from fulfilments where card_id = any($1::uuid[]) and state in ('ordered', 'making')
"""

LOCK: Final = f"select {_COLUMNS} from fulfilments where id = $1 for update"

LOAD: Final = f"select {_COLUMNS} from fulfilments where id = $1"

OF_RUN: Final = f"select {_COLUMNS} from fulfilments where run = $1 order by id"

# Two operators who take at once take different cards.
TAKE: Final = f"""
update fulfilments set state = 'making', run = $1, moved_at = now
from (select id, $3::timestamptz as now from fulfilments
      where state = 'ordered' order by id limit $2 for update skip locked) as next
where fulfilments.id = next.id
returning {_COLUMNS.replace("id, partition_id", "fulfilments.id, partition_id", 1)}
"""

NEXT_RUN: Final = "select nextval('fulfilment_runs')"

MOVE: Final = """
update fulfilments set state = $2, tracking = $3, address_sealed = $4, address_key = $5, moved_at = $6
where id = $1
"""

PAGE: Final = f"""
select {_COLUMNS} from fulfilments
where id < coalesce($1, {NEWEST}) and ($3::text is null or state = $3)
    and ($4::uuid is null or card_id = $4) and ($5::uuid is null or member_id = $5)
    and ($6::bigint is null or run = $6)
order by id desc limit $2
"""

COUNT_STALE: Final = "select count(*) from fulfilments where address_key < $1"

LOCK_STALE: Final = """
select id, address_key, address_sealed from fulfilments where address_key < $1
order by id limit $2 for update skip locked
"""

RESEAL: Final = """
update fulfilments set address_sealed = fresh.sealed, address_key = fresh.key_version
from unnest($1::uuid[], $2::bytea[], $3::smallint[]) as fresh (id, sealed, key_version)
where fulfilments.id = fresh.id
"""


async def insert(conn: Connection, fulfilment: Fulfilment) -> None:
    """Violates `fulfilments_live` where the card is on its way already."""
    address = fulfilment.address
    await conn.execute(
        INSERT,
        fulfilment.id,
        fulfilment.partition_id,
        fulfilment.card_id,
        fulfilment.member_id,
        fulfilment.state,
        fulfilment.design,
        fulfilment.embossed_name,
        fulfilment.place,
        address.key_version if address is not None else None,
        address.ciphertext if address is not None else None,
        fulfilment.run,
        fulfilment.tracking,
        fulfilment.created_at,
        fulfilment.moved_at,
    )


async def live(conn: Connection, card_id: CardId) -> Fulfilment | None:
    """The one under way for this card. Read under the card's lock where it decides something."""
    row = await conn.fetchrow(LIVE, card_id)
    return _fulfilment(row) if row else None


async def being_made(conn: Connection, card_ids: Sequence[CardId]) -> list[CardId]:
    """Those of these cards whose plastic the maker has, or will get."""
    return [row["card_id"] for row in await conn.fetch(BEING_MADE, card_ids)]


async def load(conn: Connection, id_: FulfilmentId) -> Fulfilment | None:
    row = await conn.fetchrow(LOAD, id_)
    return _fulfilment(row) if row else None


async def lock(conn: Connection, id_: FulfilmentId) -> Fulfilment | None:
    """The same, held until the commit."""
    row = await conn.fetchrow(LOCK, id_)
    return _fulfilment(row) if row else None


async def of_run(conn: Connection, run: int) -> list[Fulfilment]:
    """What the maker makes at once, in the order in which it was asked for."""
    return [_fulfilment(row) for row in await conn.fetch(OF_RUN, run)]


async def take(conn: Connection, count: int, now: datetime) -> list[Fulfilment]:
    """Put the next `count` that wait into a run of their own; nothing is taken where nothing waits."""
    run = await conn.fetchval(NEXT_RUN)
    taken = [_fulfilment(row) for row in await conn.fetch(TAKE, run, count, now)]
    return sorted(taken, key=lambda fulfilment: fulfilment.id)


async def move(conn: Connection, fulfilment: Fulfilment) -> None:
    """Store where a card is now, and its address as far as it is still needed."""
    address = fulfilment.address
    await conn.execute(
        MOVE,
        fulfilment.id,
        fulfilment.state,
        fulfilment.tracking,
        address.ciphertext if address is not None else None,
        address.key_version if address is not None else None,
        fulfilment.moved_at,
    )


async def find_page(
    conn: Connection,
    page: PageRequest,
    state: FulfilmentState | None,
    card_id: CardId | None,
    member_id: MemberId | None,
    run: int | None,
) -> Page[Fulfilment]:
    """Newest first; what is None restricts nothing."""
    rows = await conn.fetch(PAGE, page.after, page.limit + 1, state, card_id, member_id, run)
    return cut([_fulfilment(row) for row in rows], page, lambda fulfilment: fulfilment.id)


async def count_stale(conn: Connection, key_version: int) -> int:
    """How many addresses are sealed under an older key."""
    count: int = await conn.fetchval(COUNT_STALE, key_version)
    return count


async def lock_stale(conn: Connection, key_version: int, limit: int) -> list[tuple[FulfilmentId, Sealed]]:
    """Up to `limit` of them in id order, passing over what others hold."""
    rows = await conn.fetch(LOCK_STALE, key_version, limit)
    return [(FulfilmentId(id_), Sealed(version, sealed)) for id_, version, sealed in rows]


async def reseal(conn: Connection, addresses: Sequence[tuple[FulfilmentId, Sealed]]) -> None:
    await conn.execute(
        RESEAL,
        [id_ for id_, _ in addresses],
        [sealed.ciphertext for _, sealed in addresses],
        [sealed.key_version for _, sealed in addresses],
    )


def _fulfilment(row: Any) -> Fulfilment:
    return Fulfilment(
        id=row["id"],
        partition_id=row["partition_id"],
        card_id=row["card_id"],
        member_id=row["member_id"],
        state=FulfilmentState(row["state"]),
        design=row["design"],
        embossed_name=row["embossed_name"],
        place=Place(row["place"]),
        address=Sealed(row["address_key"], row["address_sealed"]) if row["address_sealed"] else None,
        run=row["run"],
        tracking=row["tracking"],
        created_at=row["created_at"],
        moved_at=row["moved_at"],
    )
