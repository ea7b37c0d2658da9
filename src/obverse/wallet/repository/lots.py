"""Lots in the database: what a balance is made of, each an account of the ledger."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from obverse.kit.database import Connection, Table, insert_rows
from obverse.kit.ids import AccountId, PartitionId, SourceId
from obverse.ledger import repository as ledger
from obverse.ledger.model import Transfer
from obverse.wallet import rules
from obverse.wallet.model import Lot, LotBalance, LotKind

GRACE: Final = timedelta(days=30)
"""How long money may still be spent that a refund or a release brings back into a lot that has ended."""

_COLUMNS: Final = "account_id, partition_id, source_id, kind, currency, expires_at"

# In the order in which they are spent: what ends first goes first.
LOAD_LOTS: Final = f"""
select {_COLUMNS} from lots
where source_id = any($1::uuid[]) and expires_at > $2 and closed_at is null
order by source_id, expires_at, account_id
"""

OPEN: Final = f"""
insert into lots ({_COLUMNS}, created_at)
select account_id, $1, source_id, kind, currency, expires_at, $7
from unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[])
    as new (account_id, source_id, kind, currency, expires_at)
order by account_id on conflict (account_id, partition_id) do update set closed_at = null
where lots.closed_at is not null
"""

GIVEN: Final = f"select {_COLUMNS} from lots where source_id = any($1::uuid[]) and kind = 'given'"

BALANCES: Final = """
select l.account_id, l.partition_id, l.source_id, l.kind, l.currency, l.expires_at,
    a.credits_posted_minor - a.debits_posted_minor - a.debits_pending_minor as available_minor,
    a.debits_pending_minor as held_minor
from lots as l join accounts as a on a.id = l.account_id and a.partition_id = l.partition_id
where l.source_id = any($1::uuid[]) and (l.closed_at is null
    or a.credits_posted_minor - a.debits_posted_minor > 0)
order by l.source_id, l.expires_at, l.account_id
"""

EXPIRED: Final = f"""
select {_COLUMNS} from lots
where partition_id = $1 and expires_at <= $2 and closed_at is null
order by expires_at, account_id limit $3
"""

STILL_EXPIRED: Final = f"""
select {_COLUMNS} from lots
where partition_id = $1 and account_id = any($2::uuid[]) and expires_at <= $3 and closed_at is null
order by expires_at, account_id
"""

# The caller says which accounts money came back to; only lots that have ended are among those that change.
REVIVE: Final = """
update lots set expires_at = $4, closed_at = null
where partition_id = $1 and account_id = any($2::uuid[]) and expires_at <= $3
"""

CLOSE: Final = """
update lots set closed_at = $3 where partition_id = $1 and account_id = any($2::uuid[]) and closed_at is null
"""


MAKE_GIVEN: Final = """
update lots set kind = 'given' where source_id = any($1::uuid[]) and kind in ('bought', 'charged')
"""

BALANCE_ENTRIES: Final = Table(
    "balance_entries",
    {"partition_id": "smallint", "transfer_id": "uuid", "account_id": "uuid", "source_id": "uuid"},
)


async def load_lots(
    conn: Connection, source_ids: Iterable[SourceId], now: datetime
) -> dict[SourceId, list[Lot]]:
    """The lots of these balances that may be spent now, in the order in which they are."""
    found: dict[SourceId, list[Lot]] = {}
    for row in await conn.fetch(LOAD_LOTS, list(source_ids), now):
        lot = _lot(row)
        found.setdefault(lot.source_id, []).append(lot)
    return found


async def open_lots(conn: Connection, partition_id: PartitionId, lots: Sequence[Lot], now: datetime) -> None:
    """Store lots and their accounts, in id order; what is there already stays as it is.

    One that has ended and was dealt with is to be dealt with again: money comes into it.
    """
    new = sorted({lot.account_id: lot for lot in lots}.values(), key=lambda lot: lot.account_id)
    await ledger.open_accounts(conn, [rules.lot_account(lot) for lot in new])
    await conn.execute(
        OPEN,
        partition_id,
        [lot.account_id for lot in new],
        [lot.source_id for lot in new],
        [lot.kind for lot in new],
        [lot.currency for lot in new],
        [lot.expires_at for lot in new],
        now,
    )


async def revive_lots(
    conn: Connection, partition_id: PartitionId, account_ids: Sequence[AccountId], now: datetime
) -> None:
    """Let money that comes back into lots that have ended be spent for a while longer."""
    await conn.execute(REVIVE, partition_id, account_ids, now, now + GRACE)


async def balances(conn: Connection, source_ids: Iterable[SourceId]) -> list[LotBalance]:
    """Every lot of these sources that may be spent or has something in it, in the order of spending."""
    rows = await conn.fetch(BALANCES, list(source_ids))
    return [LotBalance(_lot(row), row["available_minor"], row["held_minor"]) for row in rows]


async def find_expired(conn: Connection, partition_id: PartitionId, now: datetime, limit: int) -> list[Lot]:
    """Lots whose time is over and that were not dealt with yet."""
    return [_lot(row) for row in await conn.fetch(EXPIRED, partition_id, now, limit)]


async def still_expired(
    conn: Connection, partition_id: PartitionId, account_ids: Sequence[AccountId], now: datetime
) -> list[Lot]:
    """Those of these lots whose time is over, now that their accounts are locked: money may have come back
    into some, which is to be spent for a while longer."""
    return [_lot(row) for row in await conn.fetch(STILL_EXPIRED, partition_id, account_ids, now)]


async def given(conn: Connection, source_ids: Iterable[SourceId]) -> list[Lot]:
    """The lots of these balances that were given away with their cards, or by the programme."""
    return [_lot(row) for row in await conn.fetch(GIVEN, list(source_ids))]


async def close(
    conn: Connection, partition_id: PartitionId, account_ids: Sequence[AccountId], now: datetime
) -> None:
    await conn.execute(CLOSE, partition_id, account_ids, now)


async def make_given(conn: Connection, source_ids: Sequence[SourceId]) -> None:
    """Turn what was paid in for these balances into a gift: their holder has not paid for it."""
    await conn.execute(MAKE_GIVEN, source_ids)


async def note_entries(conn: Connection, lots: Sequence[Lot], transfers: Sequence[Transfer]) -> None:
    """Note which balances these transfers moved, lot by lot: payments are found by their cards, these not."""
    rows = [
        (lot.partition_id, transfer.id, lot.account_id, lot.source_id)
        for lot, transfer in zip(lots, transfers, strict=True)
    ]
    await insert_rows(conn, BALANCE_ENTRIES, rows)


_KIND: Final = {kind.value: kind for kind in LotKind}


def _lot(row: Any) -> Lot:
    return Lot(row[0], row[1], row[2], _KIND[row[3]], row[4], row[5])
