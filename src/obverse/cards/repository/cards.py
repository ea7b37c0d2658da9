"""Cards in the database."""

import json
from collections.abc import Sequence
from typing import Any, Final

from obverse.cards.model import (
    Card,
    CardKind,
    CardState,
    CardUse,
    Controls,
    HeldBy,
    Service,
    SpentOn,
)
from obverse.kit.database import Connection, Table
from obverse.kit.ids import CardId, MemberId, PartitionId
from obverse.kit.paging import NEWEST, Page, PageRequest, cut

COLUMNS: Final = """
partition_id, id, kind, state, bin, serial, last_four, number_hash, member_id, held_by, currency,
amount_limit_minor, per_payment_limit_minor, merchant_id, categories, spent_on, uses, services, merchants,
uses_left, spent_minor, expires_at, funding, created_at, metadata::text, programme_id, batch_id,
face_value_minor, name, pin_hash, pin_failures, tell_of_use, holder_token_hash is not null as is_held,
vault_card_id, own_source_id
"""

# The hottest statement of the platform. Both arms of the `or` have an index of their own, which PostgreSQL
# joins in a bitmap. Locks are taken in id order, so that two batches over the same cards cannot deadlock.
LOCK: Final = f"""
select {COLUMNS} from cards
where partition_id = $1 and (number_hash = any($2::bytea[]) or id = any($3::uuid[]))
order by id for update
"""

FIND: Final = f"""
select {COLUMNS} from cards
where partition_id = $1 and (number_hash = any($2::bytea[]) or id = any($3::uuid[]))
"""

SAVE_USES: Final = """
update cards set uses_left = used.uses_left, spent_minor = used.spent_minor,
    pin_failures = used.pin_failures, state = used.state
from unnest($2::uuid[], $3::int[], $4::bigint[], $5::smallint[], $6::text[])
    as used (id, uses_left, spent_minor, pin_failures, state)
where cards.partition_id = $1 and cards.id = used.id
"""

# An id alone does not tell its partition; naming all of them keeps the look-up on the primary key.
GET: Final = f"select {COLUMNS} from cards where partition_id = any($1::smallint[]) and id = $2"

LOCK_ONE: Final = GET + " for update"

LOAD: Final = f"""
select {COLUMNS} from cards where partition_id = any($1::smallint[]) and id = any($2::uuid[])
"""

OF_HOLDER: Final = f"select {COLUMNS} from cards where holder_token_hash = $1"

PAGE: Final = f"""
select {COLUMNS} from cards
where member_id = $1 and id < coalesce($2, {NEWEST})
order by id desc limit $3
"""

PARTITION_OF_NUMBER: Final = "select partition_id from cards where number_hash = any($1::bytea[]) limit 1"

# One round trip for any number of serials.
NEXT_SERIALS: Final = "select nextval('card_serials') from generate_series(1, $1)"

# What all cards of one order share comes as scalars, what differs as arrays. A twin of the same order that
# commits first makes this insert nothing; the caller then reads what the twin stored.
INSERT: Final = """
insert into cards (
    partition_id, id, kind, state, bin, serial, last_four, number_hash, number_hash_key, member_id, held_by,
    currency, amount_limit_minor, per_payment_limit_minor, merchant_id, categories, spent_on, uses, uses_left,
    expires_at, funding, metadata, request_key, request_fingerprint, created_at
)
select $1, fresh.id, $2, $3, $4, fresh.serial, fresh.last_four, fresh.number_hash, $5, $6, $7,
       $8, $9, $10, $11, $12::text[], $13, $14, $14,
       $15, $16::uuid[], $17::text::jsonb, fresh.request_key, $18, $19
from unnest($20::uuid[], $21::bigint[], $22::text[], $23::bytea[], $24::text[])
     as fresh (id, serial, last_four, number_hash, request_key)
on conflict (partition_id, request_key) where request_key is not null do nothing
returning id
"""

LASTING: Final = Table(
    "cards",
    {
        "partition_id": "smallint",
        "id": "uuid",
        "kind": "text",
        "state": "text",
        "bin": "text",
        "serial": "bigint",
        "last_four": "text",
        "number_hash": "bytea",
        "number_hash_key": "smallint",
        "member_id": "uuid",
        "held_by": "text",
        "currency": "text",
        "categories": "text[]",
        "spent_on": "text",
        "uses_left": "int",
        "expires_at": "timestamptz",
        "funding": "uuid[]",
        "metadata": "jsonb",
        "created_at": "timestamptz",
        "programme_id": "uuid",
        "batch_id": "uuid",
        "face_value_minor": "bigint",
        "name": "text",
        "pin_hash": "bytea",
        "tell_of_use": "boolean",
        "services": "text[]",
        "merchants": "uuid[]",
        "vault_card_id": "uuid",
        "own_source_id": "uuid",
        "request_key": "text",
        "request_fingerprint": "bytea",
    },
)

FIND_BY_REQUEST: Final = f"""
select {COLUMNS}, request_fingerprint
from unnest($2::text[]) with ordinality as asked (request_key, position) join cards using (request_key)
where partition_id = $1
order by position
"""

SET_STATE: Final = "update cards set state = $3 where partition_id = $1 and id = any($2::uuid[])"


async def lock(
    conn: Connection, partition_id: PartitionId, number_hashes: Sequence[bytes], ids: Sequence[CardId]
) -> list[Card]:
    """The cards with one of these hashes or ids, locked in id order until the commit. One statement."""
    return [as_card(row) for row in await conn.fetch(LOCK, partition_id, number_hashes, ids)]


async def find(
    conn: Connection, partition_id: PartitionId, number_hashes: Sequence[bytes], ids: Sequence[CardId]
) -> list[Card]:
    """The same cards without locking them, for a dry run."""
    return [as_card(row) for row in await conn.fetch(FIND, partition_id, number_hashes, ids)]


async def save_uses(conn: Connection, partition_id: PartitionId, uses: Sequence[CardUse]) -> None:
    """Store what a batch of decisions left of its cards, which the caller has locked."""
    await conn.execute(
        SAVE_USES,
        partition_id,
        [use.id for use in uses],
        [use.uses_left for use in uses],
        [use.spent_minor for use in uses],
        [use.pin_failures for use in uses],
        [use.state for use in uses],
    )


async def get(conn: Connection, partitions: Sequence[PartitionId], card_id: CardId) -> Card | None:
    """The card with this id, in whichever of these partitions it is."""
    row = await conn.fetchrow(GET, partitions, card_id)
    return as_card(row) if row else None


async def load(
    conn: Connection, partitions: Sequence[PartitionId], ids: Sequence[CardId]
) -> dict[CardId, Card]:
    """The cards with these ids, in whichever of these partitions each is, without a lock."""
    return {card.id: card for card in map(as_card, await conn.fetch(LOAD, partitions, ids))}


async def lock_one(conn: Connection, partitions: Sequence[PartitionId], card_id: CardId) -> Card | None:
    """The same, locked until the commit."""
    row = await conn.fetchrow(LOCK_ONE, partitions, card_id)
    return as_card(row) if row else None


async def of_holder(conn: Connection, token_hash: bytes) -> Card | None:
    """The card whose recipient holds this token."""
    row = await conn.fetchrow(OF_HOLDER, token_hash)
    return as_card(row) if row else None


async def find_page(conn: Connection, page: PageRequest, member_id: MemberId) -> Page[Card]:
    """A member's cards, newest first, handed-over ones included."""
    rows = await conn.fetch(PAGE, member_id, page.after, page.limit + 1)
    return cut([as_card(row) for row in rows], page, lambda card: card.id)


async def partition_of_number(conn: Connection, hashes: Sequence[bytes]) -> PartitionId | None:
    """Where the card with this number is kept, for a number that does not tell: a registered card's."""
    found: PartitionId | None = await conn.fetchval(PARTITION_OF_NUMBER, hashes)
    return found


async def next_serials(conn: Connection, count: int) -> list[int]:
    """`count` values of the serial sequence, never given out before and never again."""
    return [row[0] for row in await conn.fetch(NEXT_SERIALS, count)]


async def insert(
    conn: Connection,
    cards: Sequence[Card],
    number_hash_key: int,
    request_keys: Sequence[str | None],
    request_fingerprint: bytes | None,
) -> int:
    """Store cards of one order: all alike but for id, number and request key. Returns how many were stored.

    Fewer than given means that a twin with the same request keys came first.
    """
    first = cards[0]
    controls = first.controls
    rows = await conn.fetch(
        INSERT,
        first.partition_id,
        first.kind,
        first.state,
        first.bin,
        number_hash_key,
        first.member_id,
        first.held_by,
        first.currency,
        controls.amount_limit_minor,
        controls.per_payment_limit_minor,
        controls.merchant_id,
        controls.categories,
        controls.spent_on,
        controls.uses,
        first.expires_at,
        first.funding,
        json.dumps(dict(first.metadata)),
        request_fingerprint,
        first.created_at,
        [card.id for card in cards],
        [card.serial for card in cards],
        [card.last_four for card in cards],
        [card.number_hash for card in cards],
        request_keys,
    )
    return len(rows)


async def insert_lasting(
    conn: Connection,
    cards: Sequence[Card],
    number_hash_key: int,
    request_keys: Sequence[str | None],
    request_fingerprint: bytes | None,
) -> None:
    """Store cards with sources of their own, by COPY: arrays of arrays are no way to send their lists.

    Violates `cards_request_key` where a twin with the same request keys came first.
    """
    await conn.copy_records_to_table(
        LASTING.name,
        columns=list(LASTING.columns),
        records=[
            (*_lasting_row(card, number_hash_key), key, request_fingerprint)
            for card, key in zip(cards, request_keys, strict=True)
        ],
    )


def _lasting_row(card: Card, number_hash_key: int) -> tuple[object, ...]:
    return (
        card.partition_id,
        card.id,
        card.kind,
        card.state,
        card.bin,
        card.serial,
        card.last_four,
        card.number_hash,
        number_hash_key,
        card.member_id,
        card.held_by,
        card.currency,
        card.controls.categories,
        card.controls.spent_on,
        card.uses_left,
        card.expires_at,
        card.funding,
        json.dumps(dict(card.metadata)),
        card.created_at,
        card.programme_id,
        card.batch_id,
        card.face_value_minor,
        card.name,
        card.pin_hash,
        card.tell_of_use,
        card.controls.services,
        card.controls.merchants,
        card.vault_card_id,
        card.own_source,
    )


async def find_by_request(
    conn: Connection, partition_id: PartitionId, request_keys: Sequence[str]
) -> list[tuple[Card, bytes]]:
    """The cards that an earlier order with these keys made, in their order, each with its fingerprint."""
    rows = await conn.fetch(FIND_BY_REQUEST, partition_id, request_keys)
    return [(as_card(row), row["request_fingerprint"]) for row in rows]


async def set_state(
    conn: Connection, partition_id: PartitionId, ids: Sequence[CardId], state: CardState
) -> None:
    await conn.execute(SET_STATE, partition_id, ids, state)


# StrEnum look-ups by value are slow, and these run for every card of every payment.
_KIND: Final = {kind.value: kind for kind in CardKind}
_STATE: Final = {state.value: state for state in CardState}
_HELD_BY: Final = {held_by.value: held_by for held_by in HeldBy}
_SERVICE: Final = {service.value: service for service in Service}
_SPENT_ON: Final = {spent_on.value: spent_on for spent_on in SpentOn}
_NO_METADATA: Final[dict[str, str]] = {}


def as_card(row: Any) -> Card:
    """A row of `COLUMNS`."""
    partition_id, id_, kind, state, bin_, serial, last_four, number_hash, *rest = row
    member_id, held_by, currency, amount_limit_minor, per_payment_limit_minor, merchant_id, *rest = rest
    categories, spent_on, uses, services, merchants, uses_left, spent_minor, expires_at, *rest = rest
    funding, created_at, metadata, programme_id, batch_id, face_value_minor, name, *rest = rest
    pin_hash, pin_failures, tell_of_use, is_held, vault_card_id, own_source, *_ = rest
    controls = Controls(
        amount_limit_minor,
        per_payment_limit_minor,
        merchant_id,
        tuple(categories) if categories is not None else None,
        _SPENT_ON[spent_on],
        uses,
        tuple(map(_SERVICE.__getitem__, services)) if services is not None else None,
        tuple(merchants) if merchants is not None else None,
    )
    return Card(
        partition_id,
        id_,
        _KIND[kind],
        _STATE[state],
        bin_,
        serial,
        last_four,
        number_hash,
        member_id,
        _HELD_BY[held_by],
        currency,
        controls,
        uses_left,
        spent_minor,
        expires_at,
        tuple(funding),
        created_at,
        _NO_METADATA if metadata == "{}" else json.loads(metadata),
        programme_id,
        batch_id,
        face_value_minor,
        name,
        pin_hash,
        pin_failures,
        tell_of_use,
        is_held,
        vault_card_id,
        own_source,
    )
