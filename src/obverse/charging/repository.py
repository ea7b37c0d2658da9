"""Charges, automatic charges and refunds of what is left, in the database."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from obverse.charging.model import (
    AutomaticCharge,
    AutomaticState,
    BalanceRefund,
    Charge,
    ChargeKind,
    ChargeState,
)
from obverse.kit.database import Connection
from obverse.kit.ids import CardId, ChargeId, MemberId, PartitionId
from obverse.kit.money import CurrencyCode, Money
from obverse.kit.paging import NEWEST, Page, PageRequest, cut

_CHARGE: Final = """
id, partition_id, card_id, source_id, member_id, amount_minor, currency, kind, state, reason, request_key,
fingerprint, created_at, ended_at
"""

INSERT: Final = f"""
insert into charges ({_CHARGE}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
on conflict (request_key) do nothing returning id
"""

LOAD: Final = f"select {_CHARGE} from charges where id = any($1::uuid[])"

LOCK: Final = f"{LOAD} order by id for update"

BY_KEY: Final = f"select {_CHARGE} from charges where request_key = $1"

# Of a card that was given away its holder sees what they have paid in themselves, or somebody without a name;
# what its giver paid by is none of their business (P12).
_SEEN: Final = """
($4 or m.member_id is null or exists (select from cards as k
    where (k.partition_id, k.id) = (m.partition_id, m.card_id) and k.member_id = m.member_id))
"""

PAGE: Final = f"""
select {_CHARGE} from charges where id < coalesce($1, {NEWEST}) order by id desc limit $2
"""

# A statement of its own: one for both would get one plan for both, and read the whole table for one card.
PAGE_OF_CARD: Final = f"""
select {_CHARGE} from charges as m where card_id = $3 and id < coalesce($1, {NEWEST}) and {_SEEN}
order by id desc limit $2
"""

OPEN_MINOR: Final = """
select coalesce(sum(amount_minor), 0)::bigint from charges where card_id = $1 and state = 'open'
"""

END: Final = """
update charges as c set state = n.state, reason = n.reason, ended_at = n.ended_at
from unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[]) as n (id, state, reason, ended_at)
where c.id = n.id and c.state = 'open'
returning c.id
"""

FORGET_TYPED_CARDS: Final = "delete from typed_cards where card_id = $1 and tried_at <= $2"

NOTE_TYPED_CARD: Final = "insert into typed_cards (card_id, tried_at) values ($1, $2)"

COUNT_TYPED_CARDS: Final = "select count(*) from typed_cards where card_id = $1"

_AUTOMATIC: Final = """
card_id, partition_id, source_id, member_id, threshold_minor, amount_minor, paid_by, state, pause_reason,
charge_id, created_at
"""

SET_AUTOMATIC: Final = f"""
insert into automatic_charges as a ({_AUTOMATIC}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
on conflict (card_id) do update
set member_id = excluded.member_id, threshold_minor = excluded.threshold_minor,
    amount_minor = excluded.amount_minor, paid_by = excluded.paid_by, state = 'active', pause_reason = null
returning {_AUTOMATIC}
"""

AUTOMATIC: Final = f"select {_AUTOMATIC} from automatic_charges where card_id = $1"

AUTOMATIC_OF_MEMBER: Final = f"""
select {_AUTOMATIC} from automatic_charges where member_id = $1 order by card_id
"""

# A state and not an event is asked for: nothing that commits late is missed, and nothing is seen twice.
SHORT: Final = f"""
select {_AUTOMATIC} from automatic_charges as r
where r.state = 'active' and r.charge_id is null and r.card_id > $1 and ($6::uuid is null or r.card_id = $6)
    and r.threshold_minor > (
        select coalesce(sum(a.credits_posted_minor - a.debits_posted_minor - a.debits_pending_minor), 0)
        from lots as l join accounts as a on (a.partition_id, a.id) = (l.partition_id, l.account_id)
        where l.source_id = r.source_id and l.closed_at is null and l.expires_at > $2)
    and $4 > (select count(*) from charges as c
        where c.card_id = r.card_id and c.kind = 'automatic' and c.created_at > $3)
order by r.card_id limit $5
"""

LOCK_AUTOMATIC: Final = f"{AUTOMATIC} for update"

BEGIN: Final = "update automatic_charges set charge_id = $2 where card_id = $1"

PAUSE: Final = f"""
update automatic_charges set state = 'paused', pause_reason = $2, charge_id = null where card_id = $1
returning {_AUTOMATIC}
"""

END_AUTOMATIC: Final = """
update automatic_charges set charge_id = null where charge_id = any($1::uuid[])
"""

REMOVE_AUTOMATIC: Final = "delete from automatic_charges where card_id = $1 returning card_id"

_REFUND: Final = """
id, partition_id, card_id, member_id, amount_minor, currency, closed_card, request_key, fingerprint,
created_at
"""

INSERT_REFUND: Final = f"""
insert into balance_refunds ({_REFUND}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""

REFUND_BY_KEY: Final = f"select {_REFUND} from balance_refunds where request_key = $1"

REFUND_PAGE: Final = f"""
select {_REFUND} from balance_refunds as m where card_id = $3 and id < coalesce($1, {NEWEST}) and {_SEEN}
order by id desc limit $2
"""


_FIRST: Final = UUID(int=0)


async def insert(conn: Connection, charge: Charge) -> bool:
    """Store a new charge; False where an earlier one has its key."""
    stored = await conn.fetchval(
        INSERT,
        charge.id,
        charge.partition_id,
        charge.card_id,
        charge.source_id,
        charge.member_id,
        charge.amount.amount_minor,
        charge.amount.currency,
        charge.kind,
        charge.state,
        charge.reason,
        charge.request_key,
        charge.fingerprint,
        charge.created_at,
        charge.ended_at,
    )
    return stored is not None


async def load(conn: Connection, ids: Iterable[ChargeId]) -> dict[ChargeId, Charge]:
    """These charges; unknown ids are simply absent."""
    return {charge.id: charge for charge in map(_charge, await conn.fetch(LOAD, list(ids)))}


async def lock(conn: Connection, ids: Iterable[UUID]) -> dict[UUID, Charge]:
    """The same, locked in id order until the commit."""
    return {charge.id: charge for charge in map(_charge, await conn.fetch(LOCK, list(ids)))}


async def find_by_key(conn: Connection, request_key: str) -> Charge | None:
    row = await conn.fetchrow(BY_KEY, request_key)
    return _charge(row) if row else None


async def find_page(
    conn: Connection, page: PageRequest, card_id: CardId | None, *, sees_all: bool
) -> Page[Charge]:
    """Charges, newest first; with `card_id`, that card's."""
    if card_id is None:
        rows = await conn.fetch(PAGE, page.after, page.limit + 1)
    else:
        rows = await conn.fetch(PAGE_OF_CARD, page.after, page.limit + 1, card_id, sees_all)
    return cut([_charge(row) for row in rows], page, lambda charge: charge.id)


async def open_minor(conn: Connection, card_id: CardId) -> int:
    """What charges of this card are under way; whoever holds the card's lock is told no less."""
    minor: int = await conn.fetchval(OPEN_MINOR, card_id)
    return minor


async def end(conn: Connection, charges: Sequence[Charge]) -> set[ChargeId]:
    """Store how charges ended; returns those that were still open."""
    rows = await conn.fetch(
        END,
        [charge.id for charge in charges],
        [charge.state for charge in charges],
        [charge.reason for charge in charges],
        [charge.ended_at for charge in charges],
    )
    return {row["id"] for row in rows}


async def count_typed_card(conn: Connection, card_id: CardId, now: datetime, since: datetime) -> int:
    """Note that a real card was typed in to charge this one; returns how many were since then."""
    await conn.execute(FORGET_TYPED_CARDS, card_id, since)
    await conn.execute(NOTE_TYPED_CARD, card_id, now)
    count: int = await conn.fetchval(COUNT_TYPED_CARDS, card_id)
    return count


# cards that charge themselves ------------------------------------------------------------------------------


async def set_automatic(conn: Connection, rule: AutomaticCharge) -> AutomaticCharge:
    """Store a rule, in place of the card's earlier one; a charge that is under way stays under way."""
    row = await conn.fetchrow(
        SET_AUTOMATIC,
        rule.card_id,
        rule.partition_id,
        rule.source_id,
        rule.member_id,
        rule.threshold_minor,
        rule.amount_minor,
        rule.paid_by,
        rule.state,
        rule.pause_reason,
        rule.charge_id,
        rule.created_at,
    )
    return _automatic(row)


async def find_automatic(conn: Connection, card_id: CardId) -> AutomaticCharge | None:
    row = await conn.fetchrow(AUTOMATIC, card_id)
    return _automatic(row) if row else None


async def automatic_of_member(conn: Connection, member_id: MemberId) -> list[AutomaticCharge]:
    """A member's cards that charge themselves, oldest card first."""
    return [_automatic(row) for row in await conn.fetch(AUTOMATIC_OF_MEMBER, member_id)]


async def find_short(
    conn: Connection,
    now: datetime,
    since: datetime,
    a_day_max: int,
    limit: int,
    *,
    after: UUID | None = None,
    only: CardId | None = None,
) -> list[AutomaticCharge]:
    """Rules whose cards have run short, have no charge under way, and not had `a_day_max` since then; in
    the order of their cards, from the one after `after` on."""
    rows = await conn.fetch(SHORT, after or _FIRST, now, since, a_day_max, limit, only)
    return [_automatic(row) for row in rows]


async def lock_automatic(conn: Connection, card_id: CardId) -> AutomaticCharge | None:
    """The card's rule, locked until the commit."""
    row = await conn.fetchrow(LOCK_AUTOMATIC, card_id)
    return _automatic(row) if row else None


async def begin_automatic(conn: Connection, card_id: CardId, charge_id: ChargeId) -> None:
    """Note a charge of a locked rule as under way."""
    await conn.execute(BEGIN, card_id, charge_id)


async def pause_automatic(conn: Connection, card_id: CardId, reason: str) -> AutomaticCharge | None:
    """Stop a card from charging itself; None where it does not any more."""
    row = await conn.fetchrow(PAUSE, card_id, reason)
    return _automatic(row) if row else None


async def end_automatic(conn: Connection, charges: Sequence[ChargeId]) -> None:
    """These charges are not under way any more."""
    await conn.execute(END_AUTOMATIC, charges)


async def remove_automatic(conn: Connection, card_id: CardId) -> bool:
    return await conn.fetchval(REMOVE_AUTOMATIC, card_id) is not None


# refunds of what is left -----------------------------------------------------------------------------------


async def insert_refund(conn: Connection, refund: BalanceRefund) -> None:
    """Store a refund. Violates its key's uniqueness where a twin was stored at the same moment."""
    await conn.execute(
        INSERT_REFUND,
        refund.id,
        refund.partition_id,
        refund.card_id,
        refund.member_id,
        refund.amount.amount_minor,
        refund.amount.currency,
        refund.closed_card,
        refund.request_key,
        refund.fingerprint,
        refund.created_at,
    )


async def find_refund_by_key(conn: Connection, request_key: str) -> BalanceRefund | None:
    row = await conn.fetchrow(REFUND_BY_KEY, request_key)
    return _refund(row) if row else None


async def find_refund_page(
    conn: Connection, page: PageRequest, card_id: CardId, *, sees_all: bool
) -> Page[BalanceRefund]:
    """A card's refunds, newest first."""
    rows = await conn.fetch(REFUND_PAGE, page.after, page.limit + 1, card_id, sees_all)
    return cut([_refund(row) for row in rows], page, lambda refund: refund.id)


def _charge(row: Any) -> Charge:
    return Charge(
        id=row["id"],
        partition_id=PartitionId(row["partition_id"]),
        card_id=row["card_id"],
        source_id=row["source_id"],
        member_id=row["member_id"],
        amount=Money(row["amount_minor"], CurrencyCode(row["currency"])),
        kind=ChargeKind(row["kind"]),
        state=ChargeState(row["state"]),
        reason=row["reason"],
        request_key=row["request_key"],
        fingerprint=row["fingerprint"],
        created_at=row["created_at"],
        ended_at=row["ended_at"],
    )


def _automatic(row: Any) -> AutomaticCharge:
    return AutomaticCharge(**{**row, "state": AutomaticState(row["state"])})


def _refund(row: Any) -> BalanceRefund:
    return BalanceRefund(
        id=row["id"],
        partition_id=PartitionId(row["partition_id"]),
        card_id=row["card_id"],
        member_id=row["member_id"],
        amount=Money(row["amount_minor"], CurrencyCode(row["currency"])),
        closed_card=row["closed_card"],
        request_key=row["request_key"],
        fingerprint=row["fingerprint"],
        created_at=row["created_at"],
    )
