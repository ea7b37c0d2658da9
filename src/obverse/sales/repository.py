"""Sales and what is given back of them, in the database."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from obverse.kit.database import Connection
from obverse.kit.ids import PartitionId, SaleId, SourceId
from obverse.kit.money import CurrencyCode, Money
from obverse.kit.paging import NEWEST, Page, PageRequest, cut
from obverse.kit.secret import Sealed
from obverse.sales.model import Means, RefundState, Sale, SaleRefund, SaleState, SubjectKind

_COLUMNS: Final = """
id, partition_id, subject_kind, subject_id, member_id, amount_minor, currency, means, state, source_id,
reference, authorization_id, decline, given_back_minor, payer_key, payer_sealed, created_at, expires_at, asked
"""

INSERT: Final = """
insert into sales (id, partition_id, subject_kind, subject_id, member_id, amount_minor, currency, means,
    state, source_id, reference, created_at, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
on conflict (reference) where reference is not null do nothing
returning id
"""

LOAD: Final = f"select {_COLUMNS} from sales where id = any($1::uuid[])"

LOCK: Final = f"{LOAD} order by id for update"

OF_SUBJECTS: Final = f"""
select distinct on (subject_id) {_COLUMNS} from sales
where subject_kind = $1 and subject_id = any($2::uuid[]) order by subject_id, id desc
"""

PAGE: Final = f"""
select {_COLUMNS} from sales
where id < coalesce($1, {NEWEST}) and ($3::text is null or state = $3) order by id desc limit $2
"""

# Those who take share the work: each takes what nobody else is taking.
TAKE_PAID: Final = f"""
select {_COLUMNS} from sales where subject_kind = $1 and state = 'paid'
order by id limit $2 for update skip locked
"""

TAKE_ENDED: Final = f"""
update sales set ended_told = true where id in (
    select id from sales
    where subject_kind = $1 and not ended_told and state in ('declined', 'cancelled')
    order by id limit $2 for update skip locked)
returning {_COLUMNS}
"""

PAYING_BY_CARD: Final = f"""
select {_COLUMNS} from sales where state = 'paying' and means = 'card' order by id limit $1
"""

CLAIM_TO_COLLECT: Final = f"""
update sales set asked = asked + 1, ask_at = $2 where id in (
    select id from sales where ask_at <= $1 and state = 'paying' and means = 'bank_account'
    order by ask_at limit $3 for update skip locked)
returning {_COLUMNS}
"""

ASK_AT: Final = """
update sales as s set ask_at = a.ask_at from unnest($1::uuid[], $2::timestamptz[]) as a (id, ask_at)
where s.id = a.id and s.state = 'paying'
"""

EXPIRED: Final = f"""
select {_COLUMNS} from sales where state = 'open' and expires_at <= $1
order by expires_at limit $2 for update skip locked
"""

LOCK_WAITING: Final = f"""
select {_COLUMNS} from sales where reference = any($1::text[]) and state in ('open', 'paying')
order by id for update
"""

SAVE: Final = """
update sales as s set state = n.state, authorization_id = n.authorization_id, decline = n.decline,
    given_back_minor = n.given_back_minor, payer_key = n.payer_key, payer_sealed = n.payer_sealed
from unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::bigint[], $6::integer[], $7::bytea[])
    as n (id, state, authorization_id, decline, given_back_minor, payer_key, payer_sealed)
where s.id = n.id
"""

START: Final = "update sales set state = 'paying', ask_at = $2 where id = $1 and state = 'open'"

ALLOCATE: Final = """
update sales set state = 'done', allocated_minor = amount_minor where id = any($1::uuid[]) and state = 'paid'
returning id
"""

DEALLOCATE: Final = "update sales set allocated_minor = allocated_minor - $2 where id = $1"

_REFUND: Final = "id, sale_id, partition_id, amount_minor, currency, state, created_at"

INSERT_REFUND: Final = f"insert into sale_refunds ({_REFUND}) values ($1, $2, $3, $4, $5, $6, $7)"

REFUNDS_ASKED: Final = f"select {_REFUND} from sale_refunds where state = 'asked' order by id limit $1"

REFUNDS_OF: Final = f"select {_REFUND} from sale_refunds where sale_id = any($1::uuid[]) order by id"

LOCK_REFUNDS: Final = f"select {_REFUND} from sale_refunds where sale_id = $1 order by id for update"

SET_REFUNDS: Final = """
update sale_refunds set state = $2 where id = any($1::uuid[]) and state in ('asked', 'waiting') returning id
"""

# Cards typed in for one sale, whose sale is over: a refund finds its way without them.
SPENT_CARDS: Final = """
select distinct f.id from funding_sources as f join sales as s on s.source_id = f.id
where f.member_id is null and f.state = 'active' and f.kind = 'linked_card'
    and s.state not in ('open', 'paying') limit $1
"""

COUNT_STALE: Final = "select count(*) from sales where payer_key <> $1"

LOCK_STALE: Final = f"""
select {_COLUMNS} from sales where payer_key <> $1 order by id limit $2 for update skip locked
"""

RESEAL: Final = """
update sales as s set payer_key = n.key, payer_sealed = n.sealed
from unnest($1::uuid[], $2::integer[], $3::bytea[]) as n (id, key, sealed) where s.id = n.id
"""


async def insert(conn: Connection, sale: Sale) -> bool:
    """Store a new sale; False where its reference was given out before. Violates `sales_live` where its
    subject has another that is not over."""
    stored = await conn.fetchval(
        INSERT,
        sale.id,
        sale.partition_id,
        sale.subject_kind,
        sale.subject_id,
        sale.member_id,
        sale.amount.amount_minor,
        sale.amount.currency,
        sale.means,
        sale.state,
        sale.source_id,
        sale.reference,
        sale.created_at,
        sale.expires_at,
    )
    return stored is not None


async def load(conn: Connection, ids: Iterable[SaleId]) -> dict[SaleId, Sale]:
    """These sales; unknown ids are simply absent."""
    return {sale.id: sale for sale in map(_sale, await conn.fetch(LOAD, list(ids)))}


async def lock(conn: Connection, ids: Iterable[SaleId]) -> dict[SaleId, Sale]:
    """The same, locked in id order until the commit."""
    return {sale.id: sale for sale in map(_sale, await conn.fetch(LOCK, list(ids)))}


async def of_subjects(conn: Connection, kind: SubjectKind, ids: Sequence[Any]) -> list[Sale]:
    """The latest sale of each of these subjects."""
    return [_sale(row) for row in await conn.fetch(OF_SUBJECTS, kind, ids)]


async def find_page(conn: Connection, page: PageRequest, state: SaleState | None) -> Page[Sale]:
    """Sales, newest first; with `state`, those in it."""
    rows = await conn.fetch(PAGE, page.after, page.limit + 1, state)
    return cut([_sale(row) for row in rows], page, lambda sale: sale.id)


async def take_paid(conn: Connection, kind: SubjectKind, limit: int) -> list[Sale]:
    """Paid sales of this kind, oldest first, locked; what somebody else has taken is left out."""
    return [_sale(row) for row in await conn.fetch(TAKE_PAID, kind, limit)]


async def take_ended(conn: Connection, kind: SubjectKind, limit: int) -> list[Sale]:
    """Sales of this kind that came to nothing and were not taken before; this commit takes them."""
    return [_sale(row) for row in await conn.fetch(TAKE_ENDED, kind, limit)]


async def find_paying_by_card(conn: Connection, limit: int) -> list[Sale]:
    return [_sale(row) for row in await conn.fetch(PAYING_BY_CARD, limit)]


async def claim_to_collect(conn: Connection, now: datetime, ask_at: datetime, limit: int) -> list[Sale]:
    """Take sales that are to be collected or asked for; nobody else does before `ask_at`."""
    return [_sale(row) for row in await conn.fetch(CLAIM_TO_COLLECT, now, ask_at, limit)]


async def set_ask_at(conn: Connection, ask_at: Mapping[SaleId, datetime | None]) -> None:
    """When to ask the bank again; None where there is nothing to ask."""
    await conn.execute(ASK_AT, list(ask_at), list(ask_at.values()))


async def lock_expired(conn: Connection, now: datetime, limit: int) -> list[Sale]:
    """Open sales that nobody has paid in time, locked; what somebody else holds is left out."""
    return [_sale(row) for row in await conn.fetch(EXPIRED, now, limit)]


async def lock_waiting(conn: Connection, references: Iterable[str]) -> dict[str, Sale]:
    """Sales with these references that wait for money, locked in id order."""
    rows = await conn.fetch(LOCK_WAITING, list(references))
    return {row["reference"]: _sale(row) for row in rows}


async def save(conn: Connection, sales: Sequence[Sale]) -> None:
    """Store what has become of locked sales."""
    await conn.execute(
        SAVE,
        [sale.id for sale in sales],
        [sale.state for sale in sales],
        [sale.authorization_id for sale in sales],
        [sale.decline for sale in sales],
        [sale.given_back_minor for sale in sales],
        [sale.payer.key_version if sale.payer is not None else None for sale in sales],
        [sale.payer.ciphertext if sale.payer is not None else None for sale in sales],
    )


async def start(conn: Connection, id_: SaleId, ask_at: datetime) -> None:
    """From open to paying: what is asked for from now on may happen."""
    await conn.execute(START, id_, ask_at)


async def allocate(conn: Connection, ids: Sequence[SaleId]) -> set[SaleId]:
    """From paid to done; returns those that were paid."""
    return {row["id"] for row in await conn.fetch(ALLOCATE, ids)}


async def deallocate(conn: Connection, id_: SaleId, amount_minor: int) -> None:
    """Count this much of what was allocated as back on the payable account."""
    await conn.execute(DEALLOCATE, id_, amount_minor)


async def insert_refund(conn: Connection, refund: SaleRefund) -> None:
    await conn.execute(
        INSERT_REFUND,
        refund.id,
        refund.sale_id,
        refund.partition_id,
        refund.amount.amount_minor,
        refund.amount.currency,
        refund.state,
        refund.created_at,
    )


async def find_refunds_asked(conn: Connection, limit: int) -> list[SaleRefund]:
    """Refunds that the engine has to carry out, oldest first."""
    return [_refund(row) for row in await conn.fetch(REFUNDS_ASKED, limit)]


async def refunds_of(conn: Connection, ids: Sequence[SaleId]) -> list[SaleRefund]:
    """What was given back of these sales, oldest first."""
    return [_refund(row) for row in await conn.fetch(REFUNDS_OF, ids)]


async def lock_refunds(conn: Connection, id_: SaleId) -> list[SaleRefund]:
    return [_refund(row) for row in await conn.fetch(LOCK_REFUNDS, id_)]


async def set_refunds(conn: Connection, ids: Sequence[Any], state: RefundState) -> set[Any]:
    """What came of refunds; returns those of which nobody had known yet."""
    return {row["id"] for row in await conn.fetch(SET_REFUNDS, ids, state)}


async def spent_cards(conn: Connection, limit: int) -> list[SourceId]:
    """Sources that were typed in for one sale, which is over."""
    return [row["id"] for row in await conn.fetch(SPENT_CARDS, limit)]


async def count_stale(conn: Connection, active: int) -> int:
    count: int = await conn.fetchval(COUNT_STALE, active)
    return count


async def lock_stale(conn: Connection, active: int, limit: int) -> list[tuple[SaleId, Sealed]]:
    """Up to `limit` sales whose payer is sealed under another key, passing over what others hold."""
    rows = await conn.fetch(LOCK_STALE, active, limit)
    return [(row["id"], Sealed(row["payer_key"], row["payer_sealed"])) for row in rows]


async def reseal(conn: Connection, fresh: Sequence[tuple[SaleId, Sealed]]) -> None:
    await conn.execute(
        RESEAL,
        [id_ for id_, _ in fresh],
        [sealed.key_version for _, sealed in fresh],
        [sealed.ciphertext for _, sealed in fresh],
    )


def _sale(row: Any) -> Sale:
    sealed = row["payer_sealed"]
    return Sale(
        id=row["id"],
        partition_id=PartitionId(row["partition_id"]),
        subject_kind=SubjectKind(row["subject_kind"]),
        subject_id=row["subject_id"],
        member_id=row["member_id"],
        amount=Money(row["amount_minor"], CurrencyCode(row["currency"])),
        means=Means(row["means"]),
        state=SaleState(row["state"]),
        source_id=row["source_id"],
        reference=row["reference"],
        authorization_id=row["authorization_id"],
        decline=row["decline"],
        given_back_minor=row["given_back_minor"],
        payer=Sealed(row["payer_key"], sealed) if sealed is not None else None,
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        asked=row["asked"],
    )


def _refund(row: Any) -> SaleRefund:
    return SaleRefund(
        id=row["id"],
        sale_id=row["sale_id"],
        partition_id=PartitionId(row["partition_id"]),
        amount=Money(row["amount_minor"], CurrencyCode(row["currency"])),
        state=RefundState(row["state"]),
        created_at=row["created_at"],
    )
