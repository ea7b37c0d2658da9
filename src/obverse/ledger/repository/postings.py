"""Accounts and transfers: opening, locking, posting. Sets in, sets out, in the caller's transaction."""

from collections.abc import Mapping, Sequence
from typing import Final

import asyncpg

from obverse.kit.database import Connection, Table, insert_rows
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

TRANSFERS: Final = Table(
    "transfers",
    {
        "partition_id": "smallint",
        "id": "uuid",
        "kind": "text",
        "debit_account_id": "uuid",
        "credit_account_id": "uuid",
        "amount_minor": "bigint",
        "currency": "text",
        "subject_id": "uuid",
        "created_at": "timestamptz",
        "pending_id": "uuid",
        "pending_minor": "bigint",
        "resolved_before_minor": "bigint",
    },
)

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
    await insert_rows(conn, TRANSFERS, [_row(partition_id, transfer) for transfer in transfers])
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


def _row(partition_id: PartitionId, t: Transfer) -> tuple[object, ...]:
    return (
        partition_id,
        t.id,
        t.kind,
        t.debit_account_id,
        t.credit_account_id,
        t.amount_minor,
        t.currency,
        t.subject_id,
        t.created_at,
        t.pending_id,
        t.pending_minor,
        t.resolved_before_minor,
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
