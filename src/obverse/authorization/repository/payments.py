"""The SQL of authorizations. Functions take and return sets, in the caller's transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from obverse.authorization.model import (
    Authorization,
    Decline,
    Entry,
    Leg,
    Purpose,
    Rule,
    Status,
)
from obverse.authorization.repository.legs import insert_legs, load_legs, update_legs
from obverse.kit.database import Connection, Table, insert_rows
from obverse.kit.ids import AuthorizationId, CardId, MerchantId, PartitionId
from obverse.kit.money import CurrencyCode, Money
from obverse.kit.paging import Page, PageRequest, cut

_COLUMNS: Final = """
    partition_id, id, request_key, fingerprint, status, decline, failed_rules, approval_code, card_id,
    merchant_id, terminal, entry, category, amount_minor, currency, captured_minor, captured_at_once,
    deadline_at, created_at, answered_again, released_minor, refunded_minor, disputed_minor,
    expired_minor, purpose, requested_minor, balance_minor, reported
"""
# Authorizations are locked before cards and accounts, in id order: the same order everywhere.
LOCK: Final = f"""
select {_COLUMNS} from authorizations
where partition_id = $1 and (id = any($2) or request_key = any($3)) order by id for update
"""

# One look-up in the unique index per key, whatever the planner believes: with `= any` a plan made while the
# table was small goes on reading all of it, for every batch. The `limit` keeps the subquery as it is.
BY_KEY: Final = f"""
select {_COLUMNS} from unnest($2::text[]) as asked (key)
cross join lateral (
    select * from authorizations where partition_id = $1 and request_key = asked.key limit 1
) as earlier
"""

BY_ID: Final = f"select {_COLUMNS} from authorizations where partition_id = any($1) and id = $2"

AUTHORIZATIONS: Final = Table(
    "authorizations",
    {
        "partition_id": "smallint",
        "id": "uuid",
        "request_key": "text",
        "fingerprint": "bytea",
        "status": "text",
        "decline": "text",
        "failed_rules": "int",
        "approval_code": "text",
        "card_id": "uuid",
        "merchant_id": "uuid",
        "terminal": "text",
        "entry": "text",
        "category": "text",
        "amount_minor": "bigint",
        "currency": "text",
        "captured_minor": "bigint",
        "captured_at_once": "boolean",
        "deadline_at": "timestamptz",
        "created_at": "timestamptz",
        "released_minor": "bigint",
        "refunded_minor": "bigint",
        "purpose": "text",
        "requested_minor": "bigint",
        "balance_minor": "bigint",
        "reported": "boolean",
    },
)

UPDATE: Final = """
update authorizations set status = new.status, decline = new.decline, approval_code = new.approval_code,
    captured_minor = new.captured_minor, deadline_at = new.deadline_at,
    answered_again = new.answered_again, released_minor = new.released_minor,
    refunded_minor = new.refunded_minor, disputed_minor = new.disputed_minor,
    expired_minor = new.expired_minor
from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::timestamptz[],
        $8::boolean[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[])
    as new (id, status, decline, approval_code, captured_minor, deadline_at, answered_again, released_minor,
        refunded_minor, disputed_minor, expired_minor)
where authorizations.partition_id = $1 and authorizations.id = new.id
"""

OVERDUE: Final = """
select id from authorizations
where partition_id = $1 and status = 'processing' and deadline_at < $2 order by deadline_at limit $3
"""

# What the predicate of the index `authorizations_open` says, word for word.
UNCAPTURED: Final = """
select id from authorizations
where partition_id = $1 and status = 'approved' and captured_minor + released_minor < amount_minor
    and created_at < $2
order by created_at limit $3
"""

BY_IDS: Final = f"select {_COLUMNS} from authorizations where partition_id = any($1) and id = any($2)"

PAGE: Final = f"select {_COLUMNS} from authorizations where partition_id = any($1)"


async def lock(
    conn: Connection,
    partition_id: PartitionId,
    ids: Sequence[AuthorizationId],
    request_keys: Sequence[str],
) -> list[Authorization]:
    """Lock authorizations, by id or request key, in id order, with their legs."""
    rows = await conn.fetch(LOCK, partition_id, ids, request_keys)
    return await _with_legs(conn, [partition_id], rows)


async def find_by_key(
    conn: Connection, partition_id: PartitionId, request_keys: Sequence[str]
) -> list[Authorization]:
    """The earlier answers to these requests."""
    rows = await conn.fetch(BY_KEY, partition_id, request_keys)
    return await _with_legs(conn, [partition_id], rows)


async def find(
    conn: Connection, partition_ids: Sequence[PartitionId], id_: AuthorizationId
) -> Authorization | None:
    """One authorization with its legs, or None."""
    found = await _with_legs(conn, partition_ids, await conn.fetch(BY_ID, partition_ids, id_))
    return found[0] if found else None


async def find_page(
    conn: Connection,
    partition_ids: Sequence[PartitionId],
    page: PageRequest,
    *,
    card_id: CardId | None = None,
    merchant_id: MerchantId | None = None,
    status: Status | None = None,
) -> Page[Authorization]:
    """Authorizations, newest first, narrowed by what is given."""
    filters = {"id <": page.after, "card_id =": card_id, "merchant_id =": merchant_id, "status =": status}
    given = {comparison: value for comparison, value in filters.items() if value is not None}
    # A statement of its own for every set of filters: one for all of them ("$3 is null or card_id = $3") gets
    # one plan for all of them, and reads the whole table for whoever asks for one card.
    narrowed = "".join([f" and {comparison} ${number}" for number, comparison in enumerate(given, 3)])
    statement = f"{PAGE}{narrowed} order by id desc limit $2"
    rows = await conn.fetch(statement, partition_ids, page.limit + 1, *given.values())
    return cut(await _with_legs(conn, partition_ids, rows), page, lambda a: a.id)


async def find_overdue(
    conn: Connection, partition_id: PartitionId, now: datetime, limit: int
) -> list[AuthorizationId]:
    """Payments whose card companies should have answered by now: somebody died before closing them."""
    return [row["id"] for row in await conn.fetch(OVERDUE, partition_id, now, limit)]


async def find_uncaptured(
    conn: Connection, partition_id: PartitionId, approved_before: datetime, limit: int
) -> list[AuthorizationId]:
    """Payments that still hold money since before then, oldest first."""
    return [row["id"] for row in await conn.fetch(UNCAPTURED, partition_id, approved_before, limit)]


async def insert(
    conn: Connection, partition_id: PartitionId, authorizations: Sequence[Authorization]
) -> None:
    """Store new authorizations and their legs."""
    # In key order, so that two processes that store the same keys wait for each other and never in a circle.
    ordered = sorted(authorizations, key=lambda a: a.request_key)
    await insert_rows(conn, AUTHORIZATIONS, [_row(partition_id, a) for a in ordered])
    await insert_legs(conn, partition_id, [(a.id, leg) for a in ordered for leg in a.legs])


def _row(partition_id: PartitionId, a: Authorization) -> tuple[object, ...]:
    return (
        partition_id,
        a.id,
        a.request_key,
        a.fingerprint,
        a.status,
        a.decline,
        int(a.failed_rules),
        a.approval_code,
        a.card_id,
        a.merchant_id,
        a.terminal,
        a.entry,
        a.category,
        a.amount.amount_minor,
        a.amount.currency,
        a.captured_minor,
        a.captured_at_once,
        a.deadline_at,
        a.created_at,
        a.released_minor,
        a.refunded_minor,
        a.purpose,
        a.requested_minor,
        a.balance_minor,
        a.reported,
    )


async def update(
    conn: Connection, partition_id: PartitionId, authorizations: Sequence[Authorization]
) -> None:
    """Store what may change of authorizations and their legs; the caller holds their locks."""
    if not authorizations:
        return
    await conn.execute(
        UPDATE,
        partition_id,
        [a.id for a in authorizations],
        [a.status for a in authorizations],
        [a.decline for a in authorizations],
        [a.approval_code for a in authorizations],
        [a.captured_minor for a in authorizations],
        [a.deadline_at for a in authorizations],
        [a.answered_again for a in authorizations],
        [a.released_minor for a in authorizations],
        [a.refunded_minor for a in authorizations],
        [a.disputed_minor for a in authorizations],
        [a.expired_minor for a in authorizations],
    )
    await update_legs(conn, partition_id, [(a.id, leg) for a in authorizations for leg in a.legs])


def without_legs(row: asyncpg.Record) -> Authorization:
    """A row of `BY_IDS`, for whoever takes no interest in legs."""
    return _authorization(row, ())


async def _with_legs(
    conn: Connection, partition_ids: Sequence[PartitionId], rows: Sequence[asyncpg.Record]
) -> list[Authorization]:
    if not rows:
        return []
    legs = await load_legs(conn, partition_ids, [row["id"] for row in rows])
    return [_authorization(row, legs[row["id"]]) for row in rows]


def _authorization(row: asyncpg.Record, legs: Sequence[Leg]) -> Authorization:
    return Authorization(
        partition_id=row["partition_id"],
        id=row["id"],
        request_key=row["request_key"],
        fingerprint=row["fingerprint"],
        status=Status(row["status"]),
        decline=Decline(row["decline"]) if row["decline"] is not None else None,
        failed_rules=Rule(row["failed_rules"]),
        approval_code=row["approval_code"],
        card_id=row["card_id"],
        merchant_id=row["merchant_id"],
        terminal=row["terminal"],
        entry=Entry(row["entry"]),
        category=row["category"],
        amount=Money(row["amount_minor"], CurrencyCode(row["currency"])),
        captured_minor=row["captured_minor"],
        captured_at_once=row["captured_at_once"],
        deadline_at=row["deadline_at"],
        created_at=row["created_at"],
        legs=legs,
        answered_again=row["answered_again"],
        released_minor=row["released_minor"],
        refunded_minor=row["refunded_minor"],
        disputed_minor=row["disputed_minor"],
        expired_minor=row["expired_minor"],
        purpose=Purpose(row["purpose"]),
        requested_minor=row["requested_minor"],
        balance_minor=row["balance_minor"],
        reported=row["reported"],
    )
