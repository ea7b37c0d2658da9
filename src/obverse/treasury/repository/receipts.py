"""What came in, and what it was for."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from obverse.kit.database import Connection
from obverse.kit.ids import ReceiptId
from obverse.kit.money import CurrencyCode, Money
from obverse.kit.paging import NEWEST, Page, PageRequest, cut
from obverse.kit.secret import Sealed
from obverse.treasury.model import Direction, Placement, Receipt

_COLUMNS: Final = """
id, direction, amount_minor, currency, placed_minor, reference, text, counterparty, bank_code, last_four,
entry_reference, booked_on, created_at
"""

INSERT: Final = """
insert into receipts (id, entry_reference, direction, amount_minor, currency, reference, text, counterparty,
    bank_code, number_key_version, number_sealed, last_four, booked_on, created_at)
select * from unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::integer[], $11::bytea[], $12::text[], $13::date[], $14::timestamptz[])
"""

LOAD: Final = f"select {_COLUMNS} from receipts where id = any($1::uuid[])"

LOCK: Final = LOAD + " order by id for update"

# Oldest first: who has waited longest is served first, and ids sort by time.
UNPLACED: Final = f"""
select {_COLUMNS} from receipts
where placed_minor < amount_minor and direction = 'credit' and starts_with(reference, $1)
    and ($3::uuid is null or id > $3)
order by id limit $2 for update skip locked
"""

UNPLACED_REFERENCES: Final = """
select distinct reference from receipts
where placed_minor < amount_minor and direction = 'credit' and starts_with(reference, $1) and reference > $3
order by reference limit $2
"""

LOCK_UNPLACED: Final = f"""
select {_COLUMNS} from receipts
where reference = any($1::text[]) and placed_minor < amount_minor and direction = 'credit'
order by id for update skip locked
"""

PAGE: Final = f"""
select {_COLUMNS} from receipts where id < coalesce($1, {NEWEST}) order by id desc limit $2
"""

PAGE_UNPLACED: Final = f"""
select {_COLUMNS} from receipts where id < coalesce($1, {NEWEST}) and placed_minor < amount_minor
order by id desc limit $2
"""

SENDER: Final = """
select bank_code, number_key_version, number_sealed from receipts where id = $1 and number_sealed is not null
"""

SENDERS: Final = """
select id, bank_code, number_key_version, number_sealed, counterparty from receipts
where id = any($1::uuid[]) and number_sealed is not null
"""

SET_REFERENCE: Final = "update receipts set reference = $2 where id = $1"

PLACE: Final = """
insert into receipt_placements (receipt_id, partition_id, account_id, amount_minor, subject_id, created_at)
select *, $6 from unnest($1::uuid[], $2::smallint[], $3::uuid[], $4::bigint[], $5::uuid[])
on conflict do nothing
returning receipt_id, partition_id, account_id, amount_minor, subject_id
"""

# What is placed in full needs no way back.
COUNT_PLACED: Final = """
update receipts as r set placed_minor = r.placed_minor + p.minor,
    number_key_version = case when r.placed_minor + p.minor < r.amount_minor then r.number_key_version end,
    number_sealed = case when r.placed_minor + p.minor < r.amount_minor then r.number_sealed end
from unnest($1::uuid[], $2::bigint[]) as p (id, minor) where r.id = p.id
"""

COUNT_STALE: Final = "select count(*) from receipts where number_key_version <> $1"

LOCK_STALE: Final = """
select id, number_key_version, number_sealed from receipts
where number_key_version <> $1 order by id limit $2 for update skip locked
"""

RESEAL: Final = """
update receipts as r set number_key_version = s.version, number_sealed = s.sealed
from unnest($1::uuid[], $2::integer[], $3::bytea[]) as s (id, version, sealed) where r.id = s.id
"""


async def unplaced(
    conn: Connection, prefix: str, limit: int, after: ReceiptId | None = None
) -> list[Receipt]:
    """Money that came in with a reference that begins with `prefix`, oldest first, locked for placing.

    What another transaction holds is left out. What fits nothing of the caller's stays where it is, so read
    on with the last one's id as `after` until fewer than `limit` come.
    """
    return [_receipt(row) for row in await conn.fetch(UNPLACED, prefix, limit, after)]


async def unplaced_references(conn: Connection, prefix: str, limit: int, after: str) -> list[str]:
    """The references with this prefix that money waits under, in their order; read on with the last one."""
    return [row["reference"] for row in await conn.fetch(UNPLACED_REFERENCES, prefix, limit, after)]


async def lock_unplaced(conn: Connection, references: Sequence[str]) -> list[Receipt]:
    """All money that waits under these references, oldest first, locked; what somebody else holds is left
    out."""
    return [_receipt(row) for row in await conn.fetch(LOCK_UNPLACED, references)]


async def load(conn: Connection, ids: Sequence[ReceiptId]) -> dict[ReceiptId, Receipt]:
    return {row["id"]: _receipt(row) for row in await conn.fetch(LOAD, ids)}


async def lock(conn: Connection, ids: Sequence[ReceiptId]) -> dict[ReceiptId, Receipt]:
    """These receipts, locked in id order. Unknown ids are simply absent."""
    return {row["id"]: _receipt(row) for row in await conn.fetch(LOCK, ids)}


async def find_page(conn: Connection, page: PageRequest, *, unplaced_only: bool) -> Page[Receipt]:
    """Receipts, newest first."""
    rows = await conn.fetch(PAGE_UNPLACED if unplaced_only else PAGE, page.after, page.limit + 1)
    return cut([_receipt(row) for row in rows], page, lambda receipt: receipt.id)


async def insert(conn: Connection, receipts: Sequence[Receipt], numbers: Sequence[Sealed | None]) -> None:
    """Store what came in; `numbers` are the senders' account numbers, where the bank told them."""
    await conn.execute(
        INSERT,
        [receipt.id for receipt in receipts],
        [receipt.entry_reference for receipt in receipts],
        [receipt.direction for receipt in receipts],
        [receipt.amount.amount_minor for receipt in receipts],
        [receipt.amount.currency for receipt in receipts],
        [receipt.reference for receipt in receipts],
        [receipt.text for receipt in receipts],
        [receipt.counterparty for receipt in receipts],
        [receipt.bank_code for receipt in receipts],
        [number and number.key_version for number in numbers],
        [number and number.ciphertext for number in numbers],
        [receipt.last_four for receipt in receipts],
        [receipt.booked_on for receipt in receipts],
        [receipt.created_at for receipt in receipts],
    )


async def sender(conn: Connection, id_: ReceiptId) -> tuple[str, Sealed] | None:
    """Bank code and sealed number of the account that this came from, if the bank told it."""
    row = await conn.fetchrow(SENDER, id_)
    return (row[0], Sealed(row[1], row[2])) if row else None


async def senders(conn: Connection, ids: Sequence[ReceiptId]) -> dict[ReceiptId, tuple[str, Sealed, str]]:
    """Bank code, sealed number and name of those that these came from, where the bank told the account."""
    rows = await conn.fetch(SENDERS, ids)
    return {row[0]: (row[1], Sealed(row[2], row[3]), row[4]) for row in rows}


async def set_reference(conn: Connection, id_: ReceiptId, reference: str) -> None:
    await conn.execute(SET_REFERENCE, id_, reference)


async def place(conn: Connection, placements: Sequence[Placement], now: datetime) -> list[Placement]:
    """Store placements of locked receipts; returns those that were not there before."""
    rows = await conn.fetch(
        PLACE,
        [placement.receipt_id for placement in placements],
        [placement.partition_id for placement in placements],
        [placement.account_id for placement in placements],
        [placement.amount_minor for placement in placements],
        [placement.subject_id for placement in placements],
        now,
    )
    return [Placement(**row) for row in rows]


async def count_placed(conn: Connection, placed_minor: Mapping[ReceiptId, int]) -> None:
    """Add to what is placed of these locked receipts."""
    await conn.execute(COUNT_PLACED, list(placed_minor), list(placed_minor.values()))


async def count_stale(conn: Connection, active: int) -> int:
    """How many senders' numbers are sealed under another key version."""
    count: int = await conn.fetchval(COUNT_STALE, active)
    return count


async def lock_stale(conn: Connection, active: int, limit: int) -> list[tuple[ReceiptId, Sealed]]:
    """Some of them, locked; what somebody else holds is left out."""
    rows = await conn.fetch(LOCK_STALE, active, limit)
    return [(row[0], Sealed(row[1], row[2])) for row in rows]


async def reseal(conn: Connection, fresh: Sequence[tuple[ReceiptId, Sealed]]) -> None:
    await conn.execute(
        RESEAL,
        [id_ for id_, _ in fresh],
        [sealed.key_version for _, sealed in fresh],
        [sealed.ciphertext for _, sealed in fresh],
    )


def _receipt(row: Any) -> Receipt:
    id_, direction, amount_minor, currency, placed_minor, reference, text, counterparty, *rest = row
    bank_code, last_four, entry_reference, booked_on, created_at = rest
    return Receipt(
        id=id_,
        direction=Direction(direction),
        amount=Money(amount_minor, CurrencyCode(currency)),
        placed_minor=placed_minor,
        reference=reference,
        text=text,
        counterparty=counterparty,
        bank_code=bank_code,
        last_four=last_four,
        entry_reference=entry_reference,
        booked_on=booked_on,
        created_at=created_at,
    )
