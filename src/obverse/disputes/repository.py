"""Disputes and their documents in the database."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from obverse.cards import HeldBy
from obverse.disputes.model import Dispute, Document, Outcome, Party, Reason, State
from obverse.kit.database import Connection
from obverse.kit.ids import CardId, DisputeId, MemberId, MerchantId
from obverse.kit.money import CurrencyCode, Money
from obverse.kit.paging import NEWEST, Page, PageRequest, cut

_COLUMNS: Final = """
id, authorization_id, card_id, merchant_id, member_id, opened_by, amount_minor, currency, reason, statement,
state, answer_due_at, answer, outcome, ended_by, ended_at, request_key, fingerprint, created_at
"""

# Nothing is stored where the key is known, or where the payment is in dispute, or was, or was often enough.
INSERT: Final = """
insert into disputes (id, authorization_id, card_id, merchant_id, member_id, opened_by, amount_minor,
    currency, reason, statement, state, answer_due_at, request_key, fingerprint, created_at)
select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15
where $16 > (
    select count(*) from disputes where authorization_id = $2 and state = 'closed' and ended_by = 'holder'
)
on conflict do nothing returning id
"""

LOAD: Final = f"select {_COLUMNS} from disputes where id = any($1::uuid[])"

LOCK: Final = f"{LOAD} order by id for update"

BY_KEY: Final = f"select {_COLUMNS} from disputes where request_key = $1"

UNDER_WAY: Final = f"""
select {_COLUMNS} from disputes where state in ('opening', 'closing') order by id limit $1
"""

# Each move happens once, whoever comes first: the request itself, or the background that finishes it.
MOVE: Final = """
update disputes set state = new.state
from unnest($1::uuid[], $2::text[], $3::text[]) as new (id, before, state)
where disputes.id = new.id and disputes.state = new.before
returning disputes.*
"""

ANSWER: Final = "update disputes set state = 'answered', answer = $2 where id = $1"

END: Final = """
update disputes set state = 'closing', outcome = $2, ended_by = $3, ended_at = $4 where id = $1
"""

MARK_UNANSWERED: Final = f"""
update disputes set state = 'unanswered' where id in (
    select id from disputes where state = 'open' and answer_due_at <= $1
    order by answer_due_at limit $2 for update skip locked
) returning {_COLUMNS}
"""

PAGE: Final = f"""
select {_COLUMNS} from disputes where state <> 'refused' and id < coalesce($1, {NEWEST})
"""

_DOCUMENT_COLUMNS: Final = "dispute_id, number, name, media_type, octet_length(content), digest, created_at"

DOCUMENTS: Final = f"""
select {_DOCUMENT_COLUMNS} from dispute_documents where dispute_id = any($1::uuid[])
order by dispute_id, number
"""

INSERT_DOCUMENT: Final = """
insert into dispute_documents (dispute_id, number, name, media_type, digest, content, created_at)
values ($1, $2, $3, $4, $5, $6, $7)
"""

DOCUMENT: Final = f"""
select {_DOCUMENT_COLUMNS}, content from dispute_documents where dispute_id = $1 and number = $2
"""


async def insert(conn: Connection, dispute: Dispute, withdrawn_max: int) -> bool:
    """Store a new dispute; False where its key is known or its payment cannot be disputed (again).

    `withdrawn_max` is how many earlier ones of the payment may have been withdrawn.
    """
    stored = await conn.fetchval(
        INSERT,
        dispute.id,
        dispute.authorization_id,
        dispute.card_id,
        dispute.merchant_id,
        dispute.member_id,
        dispute.opened_by,
        dispute.amount.amount_minor,
        dispute.amount.currency,
        dispute.reason,
        dispute.statement,
        dispute.state,
        dispute.answer_due_at,
        dispute.request_key,
        dispute.fingerprint,
        dispute.created_at,
        withdrawn_max + 1,
    )
    return stored is not None


async def load(conn: Connection, ids: Sequence[DisputeId]) -> dict[DisputeId, Dispute]:
    """These disputes; unknown ids are simply absent."""
    return {dispute.id: dispute for dispute in map(_dispute, await conn.fetch(LOAD, ids))}


async def lock(conn: Connection, ids: Sequence[DisputeId]) -> dict[DisputeId, Dispute]:
    """The same, locked in id order until the commit."""
    return {dispute.id: dispute for dispute in map(_dispute, await conn.fetch(LOCK, ids))}


async def find_by_key(conn: Connection, request_key: str) -> Dispute | None:
    row = await conn.fetchrow(BY_KEY, request_key)
    return _dispute(row) if row else None


async def find_under_way(conn: Connection, limit: int) -> list[Dispute]:
    """Disputes whose money has yet to be moved, oldest first."""
    return [_dispute(row) for row in await conn.fetch(UNDER_WAY, limit)]


async def move(conn: Connection, moves: Sequence[tuple[Dispute, State]]) -> list[Dispute]:
    """Bring each dispute from the state it was read in to another; returns those that were still there."""
    rows = await conn.fetch(
        MOVE,
        [dispute.id for dispute, _ in moves],
        [dispute.state for dispute, _ in moves],
        [state for _, state in moves],
    )
    return [_dispute(row) for row in rows]


async def save_answer(conn: Connection, dispute_id: DisputeId, answer: str) -> None:
    """Note the merchant's answer; the caller holds the lock."""
    await conn.execute(ANSWER, dispute_id, answer)


async def save_end(conn: Connection, ended: Dispute) -> None:
    """Note how a dispute ends; the caller holds the lock."""
    await conn.execute(END, ended.id, ended.outcome, ended.ended_by, ended.ended_at)


async def mark_unanswered(conn: Connection, now: datetime, limit: int) -> list[Dispute]:
    """Mark those whose time to be answered is over; returns them."""
    return [_dispute(row) for row in await conn.fetch(MARK_UNANSWERED, now, limit)]


async def find_page(
    conn: Connection,
    page: PageRequest,
    *,
    merchant_id: MerchantId | None = None,
    member_id: MemberId | None = None,
    card_id: CardId | None = None,
    opened_by: HeldBy | None = None,
    state: State | None = None,
) -> Page[Dispute]:
    """Disputes, newest first, narrowed by what is given."""
    filters: dict[str, UUID | str | None] = {
        "merchant_id": merchant_id,
        "member_id": member_id,
        "card_id": card_id,
        "opened_by": opened_by,
        "state": state,
    }
    given = {column: value for column, value in filters.items() if value is not None}
    # A statement for every set of filters, so that each gets a plan of its own.
    narrowed = "".join([f" and {column} = ${number}" for number, column in enumerate(given, 3)])
    statement = f"{PAGE}{narrowed} order by id desc limit $2"
    rows = await conn.fetch(statement, page.after, page.limit + 1, *given.values())
    return cut([_dispute(row) for row in rows], page, lambda dispute: dispute.id)


# documents -------------------------------------------------------------------------------------------------


async def documents_of(
    conn: Connection, dispute_ids: Sequence[DisputeId]
) -> Mapping[DisputeId, Sequence[Document]]:
    """What was handed in for these disputes, without contents; disputes without documents are absent."""
    found: dict[DisputeId, list[Document]] = {}
    for row in await conn.fetch(DOCUMENTS, dispute_ids):
        document = _document(row)
        found.setdefault(document.dispute_id, []).append(document)
    return found


async def insert_document(conn: Connection, document: Document, content: bytes) -> None:
    """Keep a document; the caller holds its dispute's lock."""
    await conn.execute(
        INSERT_DOCUMENT,
        document.dispute_id,
        document.number,
        document.name,
        document.media_type,
        document.digest,
        content,
        document.created_at,
    )


async def read_document(
    conn: Connection, dispute_id: DisputeId, number: int
) -> tuple[Document, bytes] | None:
    row = await conn.fetchrow(DOCUMENT, dispute_id, number)
    return (_document(row), row["content"]) if row else None


def _document(row: asyncpg.Record) -> Document:
    return Document(
        dispute_id=row["dispute_id"],
        number=row["number"],
        name=row["name"],
        media_type=row["media_type"],
        size_bytes=row["octet_length"],
        digest=row["digest"],
        created_at=row["created_at"],
    )


def _dispute(row: asyncpg.Record) -> Dispute:
    return Dispute(
        id=row["id"],
        authorization_id=row["authorization_id"],
        card_id=row["card_id"],
        merchant_id=row["merchant_id"],
        member_id=row["member_id"],
        opened_by=HeldBy(row["opened_by"]),
        amount=Money(row["amount_minor"], CurrencyCode(row["currency"])),
        reason=Reason(row["reason"]),
        statement=row["statement"],
        state=State(row["state"]),
        answer_due_at=row["answer_due_at"],
        answer=row["answer"],
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        ended_by=Party(row["ended_by"]) if row["ended_by"] else None,
        ended_at=row["ended_at"],
        request_key=row["request_key"],
        fingerprint=row["fingerprint"],
        created_at=row["created_at"],
    )
