"""Agents' batches in the database, and what cards and ledger say of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from obverse.kit.database import Connection
from obverse.kit.ids import CardBatchId, CardId
from obverse.kit.money import CurrencyCode
from obverse.kit.paging import NEWEST, Page, PageRequest, cut
from obverse.kit.secret import Sealed
from obverse.wallet.batch_model import BatchCount, BatchState, CardBatch

_COLUMNS: Final = """
id, partition_id, programme_id, merchant_id, state, count, face_value_minor, currency, seed_key, seed_sealed,
exported_at, created_at
"""

INSERT: Final = f"""
insert into card_batches ({_COLUMNS}, request_key, request_fingerprint)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
on conflict (request_key) do nothing
returning id
"""

LOAD: Final = f"select {_COLUMNS} from card_batches where id = $1"

LOCK: Final = f"{LOAD} for update"

BY_REQUEST: Final = f"select {_COLUMNS}, request_fingerprint from card_batches where request_key = $1"

PAGE: Final = f"""
select {_COLUMNS} from card_batches where id < coalesce($1, {NEWEST}) order by id desc limit $2
"""

FORGET_SEED: Final = """
update card_batches set seed_sealed = null, seed_key = null, exported_at = $2 where id = $1
"""

CLOSE: Final = "update card_batches set state = 'closed' where id = $1"

# Without a PIN a card is told from one that was sold and is closed since, also where its sale was taken back.
VOID_CARDS: Final = """
update cards set state = 'closed', pin_hash = null from (
    select id, partition_id from cards where batch_id = $1 and state = 'inactive' order by id for update
) as unsold
where cards.id = unsold.id and cards.partition_id = unsold.partition_id
returning cards.id
"""

CARDS: Final = """
select id, bin, serial, created_at from cards
where batch_id = $1 and id > coalesce($2, '00000000-0000-0000-0000-000000000000'::uuid) order by id limit $3
"""

# A card that was sold had its face value paid in; what refunds brought back on top of that is not another
# sale. In a card that was not sold there is nothing, also where a sale was taken back. What was bought is
# given money once the card has been given away, and its next holder need not have set a PIN.
COUNT: Final = """
with paid as (
    select c.id, c.state, c.face_value_minor,
        c.pin_hash is null and not coalesce(bool_or(l.kind = 'given'), false) as without_pin,
        coalesce(sum(a.credits_posted_minor), 0) as in_minor,
        coalesce(sum(a.credits_posted_minor - a.debits_posted_minor), 0) as left_minor
    from cards as c
    left join lots as l
        on l.source_id = c.own_source_id and l.partition_id = c.partition_id and l.kind in ('bought', 'given')
    left join accounts as a on a.id = l.account_id and a.partition_id = l.partition_id
    where c.batch_id = $1
    group by c.id, c.state, c.face_value_minor, c.pin_hash
), judged as (
    select face_value_minor, in_minor, left_minor,
        state = 'inactive' as unsold, state = 'closed' and without_pin as voided
    from paid
)
select count(*) as made, count(*) filter (where unsold) as unsold, count(*) filter (where voided) as voided,
    count(*) filter (where not unsold and not voided) as activated,
    coalesce(sum(face_value_minor) filter (where not unsold and not voided), 0) as activated_minor,
    coalesce(sum(case when unsold or voided then left_minor else least(in_minor, face_value_minor) end), 0)
        as ledger_minor
from judged
"""

COUNT_STALE: Final = "select count(*) from card_batches where seed_key < $1"

LOCK_STALE: Final = """
select id, seed_key, seed_sealed from card_batches where seed_key < $1
order by id limit $2 for update skip locked
"""

RESEAL: Final = """
update card_batches set seed_sealed = fresh.sealed, seed_key = fresh.key_version
from unnest($1::uuid[], $2::bytea[], $3::smallint[]) as fresh (id, sealed, key_version)
where card_batches.id = fresh.id
"""


class BatchCard(NamedTuple):
    """What a card's number and face are made from."""

    id: CardId
    bin: str
    serial: int
    created_at: datetime


async def insert(
    conn: Connection, batch: CardBatch, request_key: str | None, fingerprint: bytes | None
) -> bool:
    """Store a new batch; False where a twin with the same request key came first."""
    assert batch.seed is not None, "a new batch has one"
    inserted = await conn.fetchval(
        INSERT,
        batch.id,
        batch.partition_id,
        batch.programme_id,
        batch.merchant_id,
        batch.state,
        batch.count,
        batch.face_value_minor,
        batch.currency,
        batch.seed.key_version,
        batch.seed.ciphertext,
        batch.exported_at,
        batch.created_at,
        request_key,
        fingerprint,
    )
    return inserted is not None


async def load(conn: Connection, id_: CardBatchId) -> CardBatch | None:
    row = await conn.fetchrow(LOAD, id_)
    return _batch(row) if row else None


async def lock(conn: Connection, id_: CardBatchId) -> CardBatch | None:
    """The same, held until the commit."""
    row = await conn.fetchrow(LOCK, id_)
    return _batch(row) if row else None


async def by_request(conn: Connection, request_key: str) -> tuple[CardBatch, bytes] | None:
    """What an earlier request with this key made, and its fingerprint."""
    row = await conn.fetchrow(BY_REQUEST, request_key)
    return (_batch(row), row["request_fingerprint"]) if row else None


async def find_page(conn: Connection, page: PageRequest) -> Page[CardBatch]:
    """All batches, newest first."""
    rows = await conn.fetch(PAGE, page.after, page.limit + 1)
    return cut([_batch(row) for row in rows], page, lambda batch: batch.id)


async def forget_seed(conn: Connection, id_: CardBatchId, now: datetime) -> None:
    await conn.execute(FORGET_SEED, id_, now)


async def close(conn: Connection, id_: CardBatchId) -> int:
    """Close a batch and what was not sold of it; returns how many cards that are."""
    voided = await conn.fetch(VOID_CARDS, id_)
    await conn.execute(CLOSE, id_)
    return len(voided)


async def cards_of(conn: Connection, id_: CardBatchId, after: CardId | None, limit: int) -> list[BatchCard]:
    """A batch's cards behind this one, in the order in which they were made."""
    return [BatchCard(*row.values()) for row in await conn.fetch(CARDS, id_, after, limit)]


async def count(conn: Connection, id_: CardBatchId) -> BatchCount:
    """How many were made and sold, and what the ledger has for them."""
    [row] = await conn.fetch(COUNT, id_)
    return BatchCount(**{name: int(value) for name, value in row.items()})


async def count_stale(conn: Connection, key_version: int) -> int:
    """How many seeds are sealed under an older key."""
    stale: int = await conn.fetchval(COUNT_STALE, key_version)
    return stale


async def lock_stale(conn: Connection, key_version: int, limit: int) -> list[tuple[CardBatchId, Sealed]]:
    """Up to `limit` of them in id order, passing over what others hold."""
    rows = await conn.fetch(LOCK_STALE, key_version, limit)
    return [(CardBatchId(id_), Sealed(version, sealed)) for id_, version, sealed in rows]


async def reseal(conn: Connection, seeds: Sequence[tuple[CardBatchId, Sealed]]) -> None:
    await conn.execute(
        RESEAL,
        [id_ for id_, _ in seeds],
        [sealed.ciphertext for _, sealed in seeds],
        [sealed.key_version for _, sealed in seeds],
    )


def _batch(row: Any) -> CardBatch:
    return CardBatch(
        id=row["id"],
        partition_id=row["partition_id"],
        programme_id=row["programme_id"],
        merchant_id=row["merchant_id"],
        state=BatchState(row["state"]),
        count=row["count"],
        face_value_minor=row["face_value_minor"],
        currency=CurrencyCode(row["currency"]),
        seed=Sealed(row["seed_key"], row["seed_sealed"]) if row["seed_sealed"] else None,
        exported_at=row["exported_at"],
        created_at=row["created_at"],
    )
