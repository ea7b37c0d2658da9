"""Cards and claim links in the database."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from obverse.cards.model import (
    Card,
    CardKind,
    CardState,
    CardUse,
    ClaimLink,
    Controls,
    HeldBy,
    SpentOn,
)
from obverse.kit.database import Connection
from obverse.kit.ids import CardId, MemberId, PartitionId
from obverse.kit.paging import NEWEST, Page, PageRequest, cut

_COLUMNS: Final = """
partition_id, id, kind, state, bin, serial, last_four, number_hash, member_id, held_by, currency,
amount_limit_minor, per_payment_limit_minor, merchant_id, categories, spent_on, uses, uses_left, spent_minor,
expires_at, funding, created_at, metadata::text
"""

# The hottest statement of the platform. Both arms of the `or` have an index of their own, which PostgreSQL
# joins in a bitmap. Locks are taken in id order, so that two batches over the same cards cannot deadlock.
LOCK: Final = f"""
select {_COLUMNS} from cards
where partition_id = $1 and (number_hash = any($2::bytea[]) or id = any($3::uuid[]))
order by id for update
"""

FIND: Final = f"""
select {_COLUMNS} from cards
where partition_id = $1 and (number_hash = any($2::bytea[]) or id = any($3::uuid[]))
"""

SAVE_USES: Final = """
update cards set uses_left = used.uses_left, spent_minor = used.spent_minor
from unnest($2::uuid[], $3::int[], $4::bigint[]) as used (id, uses_left, spent_minor)
where cards.partition_id = $1 and cards.id = used.id
"""

# An id alone does not tell its partition; naming all of them keeps the look-up on the primary key.
GET: Final = f"select {_COLUMNS} from cards where partition_id = any($1::smallint[]) and id = $2"

LOCK_ONE: Final = GET + " for update"

OF_HOLDER: Final = f"select {_COLUMNS} from cards where holder_token_hash = $1"

PAGE: Final = f"""
select {_COLUMNS} from cards
where member_id = $1 and id < coalesce($2, {NEWEST})
order by id desc limit $3
"""

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

FIND_BY_REQUEST: Final = f"""
select {_COLUMNS}, request_fingerprint
from unnest($2::text[]) with ordinality as asked (request_key, position) join cards using (request_key)
where partition_id = $1
order by position
"""

SET_STATE: Final = "update cards set state = $3 where partition_id = $1 and id = any($2::uuid[])"

# The recipient gets a number of their own: one that the giver noted before is worth nothing after (OT-8).
HAND_TO_RECIPIENT: Final = """
update cards
set held_by = 'recipient', holder_token_hash = $3, serial = $4, last_four = $5, number_hash = $6,
    number_hash_key = $7
where partition_id = $1 and id = $2
"""

_LINK_COLUMNS: Final = "token_hash, partition_id, card_id, created_at, expires_at, claimed_at, withdrawn_at"

FIND_LINK: Final = f"select {_LINK_COLUMNS} from claim_links where token_hash = $1"

LINKS_OF_CARD: Final = f"select {_LINK_COLUMNS} from claim_links where partition_id = $1 and card_id = $2"

INSERT_LINK: Final = """
insert into claim_links (token_hash, partition_id, card_id, created_at, expires_at)
values ($1, $2, $3, $4, $5)
"""

MARK_CLAIMED: Final = "update claim_links set claimed_at = $2 where token_hash = $1"

MARK_WITHDRAWN: Final = "update claim_links set withdrawn_at = $2 where token_hash = any($1::bytea[])"

COUNT_STALE: Final = "select count(*) from cards where number_hash_key < $1"

# `skip locked` never waits, so this cannot deadlock with payments in whatever order it locks. This order
# keeps it on the index: a scan of the table would pass over all the rows that earlier batches left behind.
LOCK_STALE: Final = """
select partition_id, id, bin, serial from cards where number_hash_key < $1
order by number_hash_key limit $2 for update skip locked
"""

REHASH: Final = """
update cards set number_hash = fresh.number_hash, number_hash_key = $1
from unnest($2::smallint[], $3::uuid[], $4::bytea[]) as fresh (partition_id, id, number_hash)
where cards.partition_id = fresh.partition_id and cards.id = fresh.id
"""


async def lock(
    conn: Connection, partition_id: PartitionId, number_hashes: Sequence[bytes], ids: Sequence[CardId]
) -> list[Card]:
    """The cards with one of these hashes or ids, locked in id order until the commit. One statement."""
    return [_card(row) for row in await conn.fetch(LOCK, partition_id, number_hashes, ids)]


async def find(
    conn: Connection, partition_id: PartitionId, number_hashes: Sequence[bytes], ids: Sequence[CardId]
) -> list[Card]:
    """The same cards without locking them, for a dry run."""
    return [_card(row) for row in await conn.fetch(FIND, partition_id, number_hashes, ids)]


async def save_uses(conn: Connection, partition_id: PartitionId, uses: Sequence[CardUse]) -> None:
    """Store what a batch of decisions left of its cards, which the caller has locked."""
    await conn.execute(
        SAVE_USES,
        partition_id,
        [use.id for use in uses],
        [use.uses_left for use in uses],
        [use.spent_minor for use in uses],
    )


async def get(conn: Connection, partitions: Sequence[PartitionId], card_id: CardId) -> Card | None:
    """The card with this id, in whichever of these partitions it is."""
    row = await conn.fetchrow(GET, partitions, card_id)
    return _card(row) if row else None


async def lock_one(conn: Connection, partitions: Sequence[PartitionId], card_id: CardId) -> Card | None:
    """The same, locked until the commit."""
    row = await conn.fetchrow(LOCK_ONE, partitions, card_id)
    return _card(row) if row else None


async def of_holder(conn: Connection, token_hash: bytes) -> Card | None:
    """The card whose recipient holds this token."""
    row = await conn.fetchrow(OF_HOLDER, token_hash)
    return _card(row) if row else None


async def find_page(conn: Connection, page: PageRequest, member_id: MemberId) -> Page[Card]:
    """A member's cards, newest first, handed-over ones included."""
    rows = await conn.fetch(PAGE, member_id, page.after, page.limit + 1)
    return cut([_card(row) for row in rows], page, lambda card: card.id)


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


async def find_by_request(
    conn: Connection, partition_id: PartitionId, request_keys: Sequence[str]
) -> list[tuple[Card, bytes]]:
    """The cards that an earlier order with these keys made, in their order, each with its fingerprint."""
    rows = await conn.fetch(FIND_BY_REQUEST, partition_id, request_keys)
    return [(_card(row), row["request_fingerprint"]) for row in rows]


async def set_state(
    conn: Connection, partition_id: PartitionId, ids: Sequence[CardId], state: CardState
) -> None:
    await conn.execute(SET_STATE, partition_id, ids, state)


async def hand_to_recipient(
    conn: Connection, card: Card, number_hash_key: int, holder_token_hash: bytes
) -> None:
    """Make the card the recipient's: new number, new holder. The caller has locked it."""
    await conn.execute(
        HAND_TO_RECIPIENT,
        card.partition_id,
        card.id,
        holder_token_hash,
        card.serial,
        card.last_four,
        card.number_hash,
        number_hash_key,
    )


async def find_link(conn: Connection, token_hash: bytes) -> ClaimLink | None:
    row = await conn.fetchrow(FIND_LINK, token_hash)
    return ClaimLink(*row.values()) if row else None


async def links_of_card(conn: Connection, partition_id: PartitionId, card_id: CardId) -> list[ClaimLink]:
    """Every link the card ever had. Read under the card's lock where it decides something."""
    return [ClaimLink(*row.values()) for row in await conn.fetch(LINKS_OF_CARD, partition_id, card_id)]


async def insert_link(conn: Connection, link: ClaimLink) -> None:
    await conn.execute(
        INSERT_LINK, link.token_hash, link.partition_id, link.card_id, link.created_at, link.expires_at
    )


async def mark_claimed(conn: Connection, token_hash: bytes, now: datetime) -> None:
    await conn.execute(MARK_CLAIMED, token_hash, now)


async def mark_withdrawn(conn: Connection, token_hashes: Iterable[bytes], now: datetime) -> None:
    await conn.execute(MARK_WITHDRAWN, list(token_hashes), now)


@dataclass(frozen=True, slots=True)
class StaleCard:
    """A card whose number is still found under an older index key."""

    partition_id: PartitionId
    id: CardId
    bin: str
    serial: int


async def count_stale(conn: Connection, key_version: int) -> int:
    count: int = await conn.fetchval(COUNT_STALE, key_version)
    return count


async def lock_stale(conn: Connection, key_version: int, limit: int) -> list[StaleCard]:
    """Up to `limit` cards hashed under a key before `key_version`, passing over what others hold."""
    return [StaleCard(*row.values()) for row in await conn.fetch(LOCK_STALE, key_version, limit)]


async def rehash(
    conn: Connection, key_version: int, cards: Sequence[StaleCard], number_hashes: Sequence[bytes]
) -> None:
    await conn.execute(
        REHASH,
        key_version,
        [card.partition_id for card in cards],
        [card.id for card in cards],
        number_hashes,
    )


# StrEnum look-ups by value are slow, and these run for every card of every payment.
_KIND: Final = {kind.value: kind for kind in CardKind}
_STATE: Final = {state.value: state for state in CardState}
_HELD_BY: Final = {held_by.value: held_by for held_by in HeldBy}
_SPENT_ON: Final = {spent_on.value: spent_on for spent_on in SpentOn}
_NO_METADATA: Final[dict[str, str]] = {}


def _card(row: Any) -> Card:
    (
        partition_id,
        id_,
        kind,
        state,
        bin_,
        serial,
        last_four,
        number_hash,
        member_id,
        held_by,
        currency,
        amount_limit_minor,
        per_payment_limit_minor,
        merchant_id,
        categories,
        spent_on,
        uses,
        uses_left,
        spent_minor,
        expires_at,
        funding,
        created_at,
        metadata,
        *_,
    ) = row
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
        Controls(
            amount_limit_minor,
            per_payment_limit_minor,
            merchant_id,
            tuple(categories) if categories is not None else None,
            _SPENT_ON[spent_on],
            uses,
        ),
        uses_left,
        spent_minor,
        expires_at,
        tuple(funding),
        created_at,
        _NO_METADATA if metadata == "{}" else json.loads(metadata),
    )
