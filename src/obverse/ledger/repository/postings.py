"""Accounts and transfers: opening, locking, posting. Sets in, sets out, in the caller's transaction."""

from collections.abc import Mapping, Sequence
from typing import Final

import asyncpg

from obverse.kit.database import Connection
from obverse.kit.ids import AccountId, PartitionId, TransferId
from obverse.kit.money import CurrencyCode
from obverse.ledger.model import Account, AccountKind, Transfer, TransferKind
from obverse.ledger.rules import Pending, deltas

OPEN: Final = """
insert into accounts (partition_id, id, kind, owner_id, currency, floor_minor, rolled_up, created_at)
select * from unnest($1::smallint[], $2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::bigint[],
        $7::boolean[])
    cross join (select now()) as opened
on conflict do nothing
"""

_BALANCES: Final = """
    partition_id, id, kind, owner_id, currency, floor_minor, rolled_up,
    debits_pending_minor, debits_posted_minor, credits_pending_minor, credits_posted_minor
"""

# Rolled-up accounts are everybody's: they are read, never locked.
LOCK: Final = f"""
select {_BALANCES} from accounts
where partition_id = $1 and id = any($2) and not rolled_up order by id for update
"""

FIND: Final = f"select {_BALANCES} from accounts where partition_id = $1 and id = any($2)"

APPEND: Final = """
insert into transfers (partition_id, id, kind, debit_account_id, credit_account_id, amount_minor, currency,
    subject_id, created_at)
select $1, * from unnest($2::uuid[], $3::text[], $4::uuid[], $5::uuid[], $6::bigint[], $7::text[],
    $8::uuid[], $9::timestamptz[])
"""

# Apart from the rest, because most batches have none and every column costs.
APPEND_RESOLUTIONS: Final = """
insert into transfers (partition_id, id, kind, debit_account_id, credit_account_id, amount_minor, currency,
    subject_id, created_at, pending_id, pending_minor, resolved_before_minor)
select $1, * from unnest($2::uuid[], $3::text[], $4::uuid[], $5::uuid[], $6::bigint[], $7::text[],
    $8::uuid[], $9::timestamptz[], $10::uuid[], $11::bigint[], $12::bigint[])
"""

MOVE: Final = """
update accounts set
    debits_pending_minor = debits_pending_minor + delta.debits_pending,
    debits_posted_minor = debits_posted_minor + delta.debits_posted,
    credits_pending_minor = credits_pending_minor + delta.credits_pending,
    credits_posted_minor = credits_posted_minor + delta.credits_posted
from unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
    as delta (id, debits_pending, debits_posted, credits_pending, credits_posted)
where accounts.partition_id = $1 and accounts.id = delta.id and not accounts.rolled_up
"""

PENDING: Final = """
select id, debit_account_id, credit_account_id, amount_minor, currency, subject_id, created_at, (
        select coalesce(sum(done.amount_minor), 0)::bigint from transfers as done
        where done.partition_id = $1 and done.pending_id = pending.id
    ) as resolved_minor
from transfers as pending where partition_id = $1 and id = any($2) and kind = 'pending'
"""


async def open_accounts(conn: Connection, accounts: Sequence[Account]) -> None:
    """Open accounts; one that is open already stays as it is, so this may be repeated."""
    await conn.execute(
        OPEN,
        [a.partition_id for a in accounts],
        [a.id for a in accounts],
        [a.kind for a in accounts],
        [a.owner_id for a in accounts],
        [a.currency for a in accounts],
        [a.floor_minor for a in accounts],
        [a.rolled_up for a in accounts],
    )


async def lock_accounts(
    conn: Connection, partition_id: PartitionId, ids: Sequence[AccountId]
) -> list[Account]:
    """Lock these accounts in id order; rolled-up ones are left out, nobody may wait for them."""
    return [_account(row) for row in await conn.fetch(LOCK, partition_id, ids)] if ids else []


async def find_accounts(
    conn: Connection, partition_id: PartitionId, ids: Sequence[AccountId]
) -> list[Account]:
    """Read these accounts without a lock."""
    return [_account(row) for row in await conn.fetch(FIND, partition_id, ids)] if ids else []


async def post(conn: Connection, partition_id: PartitionId, transfers: Sequence[Transfer]) -> None:
    """Append transfers to the journal and move the balances of their accounts.

    The caller holds the locks of `lock_accounts` on every account that has a floor, and has decided.
    """
    if not transfers:
        return
    fresh = [t for t in transfers if t.pending_id is None]
    resolutions = [t for t in transfers if t.pending_id is not None]
    if fresh:
        await conn.execute(APPEND, partition_id, *_columns(fresh))
    if resolutions:
        await conn.execute(
            APPEND_RESOLUTIONS,
            partition_id,
            *_columns(resolutions),
            [t.pending_id for t in resolutions],
            [t.pending_minor for t in resolutions],
            [t.resolved_before_minor for t in resolutions],
        )
    changes = deltas(transfers)
    await conn.execute(
        MOVE,
        partition_id,
        list(changes),
        [d.debits_pending_minor for d in changes.values()],
        [d.debits_posted_minor for d in changes.values()],
        [d.credits_pending_minor for d in changes.values()],
        [d.credits_posted_minor for d in changes.values()],
    )


def _columns(transfers: Sequence[Transfer]) -> Sequence[Sequence[object]]:
    return (
        [t.id for t in transfers],
        [t.kind for t in transfers],
        [t.debit_account_id for t in transfers],
        [t.credit_account_id for t in transfers],
        [t.amount_minor for t in transfers],
        [t.currency for t in transfers],
        [t.subject_id for t in transfers],
        [t.created_at for t in transfers],
    )


async def load_pending(
    conn: Connection, partition_id: PartitionId, ids: Sequence[TransferId]
) -> Mapping[TransferId, Pending]:
    """The pending transfers among `ids`, each with what was resolved of it so far."""
    rows = await conn.fetch(PENDING, partition_id, ids) if ids else []
    return {row["id"]: Pending(_pending(row), row["resolved_minor"]) for row in rows}


def _account(row: asyncpg.Record) -> Account:
    return Account(
        partition_id=row[0],
        id=row[1],
        kind=AccountKind(row[2]),
        owner_id=row[3],
        currency=row[4],
        floor_minor=row[5],
        rolled_up=row[6],
        debits_pending_minor=row[7],
        debits_posted_minor=row[8],
        credits_pending_minor=row[9],
        credits_posted_minor=row[10],
    )


def _pending(row: asyncpg.Record) -> Transfer:
    return Transfer(
        id=row["id"],
        kind=TransferKind.PENDING,
        debit_account_id=row["debit_account_id"],
        credit_account_id=row["credit_account_id"],
        amount_minor=row["amount_minor"],
        currency=CurrencyCode(row["currency"]),
        subject_id=row["subject_id"],
        created_at=row["created_at"],
    )
