"""Bank transfers in the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from obverse.kit.database import Connection
from obverse.kit.ids import BankTransferId
from obverse.kit.money import CurrencyCode, Money
from obverse.kit.paging import NEWEST, Page, PageRequest, cut
from obverse.kit.secret import Sealed
from obverse.treasury.model import BankAccount, BankTransfer, TransferOrder, TransferState
from obverse.treasury.ports import Asked
from obverse.treasury.rules import Change, Sent

INSERT: Final = """
insert into bank_transfers (id, wire_id, partition_id, amount_minor, currency, bank_code, number_key_version,
    number_sealed, last_four, holder, reference, subject_id, state, created_at, updated_at)
select o.id, o.id, o.partition_id, o.amount_minor, o.currency, o.bank_code, o.key_version, o.sealed,
    o.last_four, o.holder, o.reference, o.subject_id, 'ready', $12, $12
from unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::text[], $5::text[], $6::integer[], $7::bytea[],
        $8::text[], $9::text[], $10::text[], $11::uuid[])
    as o (id, partition_id, amount_minor, currency, bank_code, key_version, sealed, last_four, holder,
        reference, subject_id)
order by o.id
on conflict (id) do nothing
returning id
"""

_COLUMNS: Final = """
id, partition_id, amount_minor, currency, bank_code, last_four, holder, reference, subject_id, state, reason,
created_at, updated_at
"""

LOAD: Final = f"select {_COLUMNS} from bank_transfers where id = any($1::uuid[])"

STATES: Final = "select id, state from bank_transfers where id = any($1::uuid[])"

PAGE: Final = f"""
select {_COLUMNS} from bank_transfers
where id < coalesce($1, {NEWEST}) and ($3::text is null or state = $3) order by id desc limit $2
"""

# Several processes share the work: each takes what nobody else is taking.
CLAIM_READY: Final = """
update bank_transfers set state = 'sent', batch_id = $1, sent_at = $2, asked = 0, ask_at = $3, updated_at = $2
where id in (
    select id from bank_transfers where state = 'ready' order by id limit $4 for update skip locked
)
returning id, wire_id, amount_minor, currency, bank_code, number_key_version, number_sealed, holder, reference
"""

CLAIM_TO_ASK: Final = """
update bank_transfers set asked = asked + 1, ask_at = $2
where id in (
    select id from bank_transfers where ask_at <= $1 order by ask_at limit $3 for update skip locked
)
returning wire_id, batch_id
"""

# In id order, like everything that locks several of these.
LOCK_SENT: Final = """
select id, wire_id, amount_minor, state, asked from bank_transfers
where wire_id = any($1::uuid[]) order by id for update
"""

WIRE_IDS_OF: Final = "select wire_id, batch_id from bank_transfers where batch_id = any($1::uuid[])"

CHANGE: Final = """
update bank_transfers as t set state = c.state, reason = c.reason, ask_at = c.ask_at, updated_at = $5,
    number_key_version = case when c.state <> 'done' then t.number_key_version end,
    number_sealed = case when c.state <> 'done' then t.number_sealed end
from unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[]) as c (id, state, reason, ask_at)
where t.id = c.id
returning t.id, t.partition_id, t.amount_minor, t.currency, t.bank_code, t.last_four, t.holder, t.reference,
    t.subject_id, t.state, t.reason, t.created_at, t.updated_at
"""

LOCK: Final = f"select {_COLUMNS} from bank_transfers where id = $1 for update"

REDIRECT: Final = """
update bank_transfers set wire_id = $2, bank_code = $3, number_key_version = $4, number_sealed = $5,
    last_four = $6, holder = $7, state = 'ready', reason = null, updated_at = $8
where id = $1
"""

COUNT_STALE: Final = "select count(*) from bank_transfers where number_key_version <> $1"

LOCK_STALE: Final = """
select id, number_key_version, number_sealed from bank_transfers
where number_key_version <> $1 order by id limit $2 for update skip locked
"""

RESEAL: Final = """
update bank_transfers as t set number_key_version = s.version, number_sealed = s.sealed
from unnest($1::uuid[], $2::integer[], $3::bytea[]) as s (id, version, sealed) where t.id = s.id
"""


class Claimed(msgspec.Struct, frozen=True):
    """A transfer that is about to be given to the bank, its account still sealed."""

    id: BankTransferId
    wire_id: UUID
    amount: Money
    bank_code: str
    number: Sealed
    holder: str
    reference: str


async def states(conn: Connection, ids: Sequence[BankTransferId]) -> dict[BankTransferId, TransferState]:
    """How far these transfers have come. Unknown ids are simply absent."""
    return {row["id"]: TransferState(row["state"]) for row in await conn.fetch(STATES, ids)}


async def load_transfers(
    conn: Connection, ids: Sequence[BankTransferId]
) -> dict[BankTransferId, BankTransfer]:
    """These transfers as they may be shown. Unknown ids are simply absent."""
    return {row["id"]: _transfer(row) for row in await conn.fetch(LOAD, ids)}


async def find_page(conn: Connection, page: PageRequest, state: TransferState | None) -> Page[BankTransfer]:
    """Transfers, newest first; with `state`, those in it."""
    rows = await conn.fetch(PAGE, page.after, page.limit + 1, state)
    return cut([_transfer(row) for row in rows], page, lambda transfer: transfer.id)


async def insert(
    conn: Connection, orders: Sequence[TransferOrder], numbers: Sequence[Sealed], now: datetime
) -> set[BankTransferId]:
    """Store orders as `ready`; returns those that were not there before."""
    rows = await conn.fetch(
        INSERT,
        [order.id for order in orders],
        [order.partition_id for order in orders],
        [order.amount.amount_minor for order in orders],
        [order.amount.currency for order in orders],
        [order.to.bank_code for order in orders],
        [number.key_version for number in numbers],
        [number.ciphertext for number in numbers],
        [order.to.last_four for order in orders],
        [order.to.holder for order in orders],
        [order.reference for order in orders],
        [order.subject_id for order in orders],
        now,
    )
    return {row["id"] for row in rows}


async def claim_ready(
    conn: Connection, batch_id: UUID, now: datetime, ask_at: datetime, limit: int
) -> list[Claimed]:
    """Mark up to `limit` ready transfers as sent, oldest first, for the caller to send after its commit."""
    rows = await conn.fetch(CLAIM_READY, batch_id, now, ask_at, limit)
    return sorted(map(_claimed, rows), key=lambda claimed: claimed.id)


async def claim_to_ask(conn: Connection, now: datetime, ask_at: datetime, limit: int) -> list[Asked]:
    """Take up to `limit` transfers that are to be asked for; nobody else does before `ask_at`."""
    rows = await conn.fetch(CLAIM_TO_ASK, now, ask_at, limit)
    return [Asked(row["wire_id"], row["batch_id"]) for row in rows]


async def lock_sent(conn: Connection, wire_ids: Sequence[UUID]) -> dict[UUID, Sent]:
    """The transfers that the bank knows by these ids, locked in id order."""
    rows = await conn.fetch(LOCK_SENT, wire_ids)
    return {
        row["wire_id"]: Sent(
            row["id"], row["wire_id"], row["amount_minor"], TransferState(row["state"]), row["asked"]
        )
        for row in rows
    }


async def wire_ids_of(conn: Connection, batch_ids: Sequence[UUID]) -> list[tuple[UUID, UUID]]:
    """The orders last sent in these batches, each with its batch."""
    return [(row[0], row[1]) for row in await conn.fetch(WIRE_IDS_OF, batch_ids)] if batch_ids else []


async def change(conn: Connection, changes: Sequence[Change], now: datetime) -> list[BankTransfer]:
    """Carry out decisions on locked transfers; one that is done forgets the number it went to."""
    rows = await conn.fetch(
        CHANGE,
        [change.id for change in changes],
        [change.state for change in changes],
        [change.reason for change in changes],
        [change.ask_at for change in changes],
        now,
    )
    return [_transfer(row) for row in rows]


async def lock(conn: Connection, id_: BankTransferId) -> BankTransfer | None:
    row = await conn.fetchrow(LOCK, id_)
    return _transfer(row) if row else None


async def redirect(
    conn: Connection, id_: BankTransferId, wire_id: UUID, to: BankAccount, number: Sealed, now: datetime
) -> None:
    """Make a locked transfer ready again, to this account and under a new wire id."""
    await conn.execute(REDIRECT, id_, wire_id, to.bank_code, *number, to.last_four, to.holder, now)


async def count_stale(conn: Connection, active: int) -> int:
    """How many account numbers are sealed under another key version."""
    count: int = await conn.fetchval(COUNT_STALE, active)
    return count


async def lock_stale(conn: Connection, active: int, limit: int) -> list[tuple[BankTransferId, Sealed]]:
    """Some of them, locked; what somebody else holds is left out."""
    rows = await conn.fetch(LOCK_STALE, active, limit)
    return [(row[0], Sealed(row[1], row[2])) for row in rows]


async def reseal(conn: Connection, fresh: Sequence[tuple[BankTransferId, Sealed]]) -> None:
    await conn.execute(
        RESEAL,
        [id_ for id_, _ in fresh],
        [sealed.key_version for _, sealed in fresh],
        [sealed.ciphertext for _, sealed in fresh],
    )


def _transfer(row: Any) -> BankTransfer:
    id_, partition_id, amount_minor, currency, *rest = row
    bank_code, last_four, holder, reference, subject_id, state, reason, created_at, updated_at = rest
    return BankTransfer(
        id=id_,
        partition_id=partition_id,
        amount=Money(amount_minor, CurrencyCode(currency)),
        bank_code=bank_code,
        last_four=last_four,
        holder=holder,
        reference=reference,
        subject_id=subject_id,
        state=TransferState(state),
        reason=reason,
        created_at=created_at,
        updated_at=updated_at,
    )


def _claimed(row: Any) -> Claimed:
    id_, wire_id, amount_minor, currency, bank_code, key_version, sealed, holder, reference = row
    amount = Money(amount_minor, CurrencyCode(currency))
    return Claimed(id_, wire_id, amount, bank_code, Sealed(key_version, sealed), holder, reference)
