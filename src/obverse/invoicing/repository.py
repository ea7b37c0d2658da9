"""Invoicing's SQL: taking what awaits being invoiced from the payments' actions, and invoices as they are.

Actions, legs, accounts and issuers belong to rooms further down: of theirs only the mark `to_invoice` is
written.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from obverse.authorization.model import ActionKind
from obverse.invoicing.model import Invoice, InvoicePayment, Line, Part, Sums
from obverse.kit.database import Connection, Table, insert_rows
from obverse.kit.ids import PointsInvoiceId, PointsInvoiceLineId, PointsIssuerId
from obverse.kit.money import CurrencyCode
from obverse.kit.paging import NEWEST, Page, PageRequest, cut
from obverse.points import Rate

_TURN: Final = (0x0B5E, 28)
_PATIENCE_S: Final = 60
"""A chunk takes a fraction of a second, and adding up a month some; a cold cache may take more."""

TAKE_TURN: Final = "select pg_advisory_xact_lock($1, $2)"

# collecting ------------------------------------------------------------------------------------------------

FIND_WAITING: Final = "select id, authorization_id from actions where to_invoice order by id limit $1"

# Card companies' presentments and the engine lock in the same order.
LOCK_AUTHORIZATIONS: Final = "select 1 from authorizations where id = any($1::uuid[]) order by id for update"

LOCK_ACTIONS: Final = "select 1 from actions where id = any($1::uuid[]) order by id for update"

# `offset 0` keeps the order of joins: from a few actions to what belongs to each.
LOAD_PARTS: Final = """
select a.partition_id, a.id, l.position, s.issuer_id, a.authorization_id, a.merchant_id, a.kind,
    a.parts[l.position + 1], l.amount_minor, l.units, l.rate_numerator, l.rate_denominator, l.network_ref,
    l.network_approval, coalesce(done.minor, 0), a.created_at
from (select * from actions where id = any($1::uuid[]) offset 0) as a
cross join lateral (
    select * from legs where authorization_id = a.authorization_id and partition_id = a.partition_id
        and kind = 'issuer_points' offset 0
) as l
join points_accounts as s on s.id = l.source_id
left join lateral (
    select sum(amount_minor)::bigint as minor from points_invoice_lines as i
    where i.authorization_id = l.authorization_id and i.position = l.position
) as done on true
where a.parts[l.position + 1] > 0 and a.kind = any($2::text[])
order by a.id, l.position
"""

MARK_TAKEN: Final = "update actions set to_invoice = false where id = any($1::uuid[])"

LINES: Final = Table(
    "points_invoice_lines",
    {
        "partition_id": "smallint",
        "id": "uuid",
        "issuer_id": "uuid",
        "action_id": "uuid",
        "position": "smallint",
        "authorization_id": "uuid",
        "merchant_id": "uuid",
        "kind": "text",
        "amount_minor": "bigint",
        "units": "bigint",
        "rate_numerator": "bigint",
        "rate_denominator": "bigint",
        "reference": "text",
        "approval_code": "text",
        "created_at": "timestamptz",
    },
)

# drawing up ------------------------------------------------------------------------------------------------

CURRENCY: Final = "select currency from points_issuers where id = $1"

SUMS: Final = """
select max(number), count(*), sum(units)::bigint,
    coalesce(sum(amount_minor) filter (where amount_minor > 0), 0)::bigint,
    coalesce(-sum(amount_minor) filter (where amount_minor < 0), 0)::bigint
from points_invoice_lines where issuer_id = $1 and number > $2
having count(*) > 0
"""

# Issuers of whose points something was spent before this moment that is on no invoice yet, unless they got
# one since.
DUE: Final = """
select s.id from points_issuers as s
left join lateral (
    select to_number, issued_at from points_invoices where issuer_id = s.id order by to_number desc limit 1
) as last on true
cross join lateral (
    select created_at from points_invoice_lines
    where issuer_id = s.id and number > coalesce(last.to_number, 0) order by number limit 1
) as line
where line.created_at < $1 and (last.issued_at is null or last.issued_at < $1)
order by s.id
"""

INVOICES: Final = Table(
    "points_invoices",
    {
        "id": "uuid",
        "issuer_id": "uuid",
        "currency": "text",
        "above_number": "bigint",
        "to_number": "bigint",
        "lines": "bigint",
        "units": "bigint",
        "previous_minor": "bigint",
        "charges_minor": "bigint",
        "credits_minor": "bigint",
        "payments_minor": "bigint",
        "balance_minor": "bigint",
        "reference": "text",
        "due_on": "date",
        "issued_at": "timestamptz",
    },
)

# reading ---------------------------------------------------------------------------------------------------

_INVOICES: Final = f"""
select {", ".join(f"i.{column}" for column in INVOICES.columns)},
    coalesce(
        (select sum(amount_minor)::bigint from points_invoice_payments where newest_id = i.id), 0
    ) as received_minor,
    not exists (
        select from points_invoices as n where n.issuer_id = i.issuer_id and n.to_number > i.to_number
    ) as is_newest
from points_invoices as i
"""

BY_ID: Final = f"{_INVOICES} where i.id = $1"

BY_REFERENCE: Final = f"{_INVOICES} where i.reference = any($1::text[])"

NEWEST_OF: Final = f"{_INVOICES} where i.issuer_id = any($1::uuid[]) order by i.to_number desc"

PAGE: Final = f"""
{_INVOICES} where i.id < coalesce($1, {NEWEST}) and ($3::uuid is null or i.issuer_id = $3)
order by i.id desc limit $2
"""

PAYMENTS: Final = Table(
    "points_invoice_payments",
    {
        "receipt_id": "uuid",
        "invoice_id": "uuid",
        "newest_id": "uuid",
        "amount_minor": "bigint",
        "created_at": "timestamptz",
    },
)

PAYMENTS_OF: Final = """
select receipt_id, invoice_id, newest_id, amount_minor, created_at from points_invoice_payments
where newest_id = $1 order by created_at, receipt_id
"""

# The page's cursor is a line's id; numbers say where it stands.
LINES_PAGE: Final = """
select l.id, l.partition_id, l.issuer_id, l.action_id, l.position, l.authorization_id, l.merchant_id, l.kind,
    l.amount_minor, l.units, l.rate_numerator, l.rate_denominator, l.reference, l.approval_code, l.created_at,
    m.name
from points_invoice_lines as l join merchants as m on m.id = l.merchant_id
where l.issuer_id = $1 and l.number > $2
    and l.number < coalesce((select number from points_invoice_lines where id = $4), $3 + 1)
order by l.number desc limit $5
"""


async def take_turn(conn: Connection) -> None:
    """Wait until nobody else writes lines, invoices or payments; until this transaction ends."""
    await conn.execute(TAKE_TURN, *_TURN)


async def take_waiting(conn: Connection, kinds: Sequence[str], limit: int) -> tuple[int, list[Part]]:
    """Take up to `limit` waiting actions: how many there were, and what those of these kinds have for
    issuers.

    They are marked as taken in the caller's transaction, who has taken the turn.
    """
    found = await conn.fetch(FIND_WAITING, limit)
    if not found:
        return 0, []
    ids = [row["id"] for row in found]
    await conn.execute(LOCK_AUTHORIZATIONS, list({row["authorization_id"] for row in found}))
    await conn.execute(LOCK_ACTIONS, ids)
    parts = [_part(row) for row in await conn.fetch(LOAD_PARTS, ids, kinds, timeout=_PATIENCE_S)]
    await conn.execute(MARK_TAKEN, ids)
    return len(found), parts


async def insert_lines(conn: Connection, lines: Sequence[Line]) -> None:
    """Store new lines. Violates `points_invoice_lines_action` for a step that has been invoiced."""
    rows = [
        (
            each.partition_id,
            each.id,
            each.issuer_id,
            each.action_id,
            each.position,
            each.authorization_id,
            each.merchant_id,
            each.kind,
            each.amount_minor,
            each.units,
            each.rate.numerator,
            each.rate.denominator,
            each.reference,
            each.approval_code,
            each.created_at,
        )
        for each in lines
    ]
    await insert_rows(conn, LINES, rows)


async def currency_of(conn: Connection, issuer_id: PointsIssuerId) -> CurrencyCode | None:
    """The currency of an issuer; None where there is no such issuer."""
    currency: CurrencyCode | None = await conn.fetchval(CURRENCY, issuer_id)
    return currency


async def sum_up(conn: Connection, issuer_id: PointsIssuerId, above_number: int) -> Sums | None:
    """What this issuer's lines above a number add up to; None where there are none."""
    row = await conn.fetchrow(SUMS, issuer_id, above_number, timeout=_PATIENCE_S)
    return Sums(*row) if row is not None else None


async def find_due(conn: Connection, month_begun: datetime) -> list[PointsIssuerId]:
    """The issuers whose last month has not been invoiced."""
    return [row["id"] for row in await conn.fetch(DUE, month_begun)]


async def insert_invoice(conn: Connection, invoice: Invoice) -> None:
    """Store an invoice. Violates `points_invoices_reference` where chance has drawn one twice."""
    columns = tuple(getattr(invoice, column) for column in INVOICES.columns)
    await insert_rows(conn, INVOICES, [columns])


async def find(conn: Connection, id_: PointsInvoiceId) -> Invoice | None:
    row = await conn.fetchrow(BY_ID, id_)
    return _invoice(row) if row is not None else None


async def find_by_reference(conn: Connection, references: Sequence[str]) -> dict[str, Invoice]:
    """Invoices by their payment reference; unknown ones are absent."""
    return {row["reference"]: _invoice(row) for row in await conn.fetch(BY_REFERENCE, references)}


async def newest(conn: Connection, issuers: Sequence[PointsIssuerId]) -> dict[PointsIssuerId, Invoice]:
    """The newest invoice of each of these issuers that has one."""
    invoices = [_invoice(row) for row in await conn.fetch(NEWEST_OF, issuers)]
    return {invoice.issuer_id: invoice for invoice in invoices if invoice.is_newest}


async def find_page(conn: Connection, page: PageRequest, issuer_id: PointsIssuerId | None) -> Page[Invoice]:
    """Invoices, newest first, of one issuer or of all."""
    rows = await conn.fetch(PAGE, page.after, page.limit + 1, issuer_id)
    return cut([_invoice(row) for row in rows], page, lambda invoice: invoice.id)


async def find_lines(conn: Connection, invoice: Invoice, page: PageRequest) -> Page[Line]:
    """A page of an invoice's lines, newest first."""
    rows = await conn.fetch(
        LINES_PAGE,
        invoice.issuer_id,
        invoice.above_number,
        invoice.to_number,
        page.after,
        page.limit + 1,
        timeout=_PATIENCE_S,
    )
    return cut([_line(row) for row in rows], page, lambda line: line.id)


async def insert_payments(conn: Connection, payments: Sequence[InvoicePayment]) -> None:
    """Store what came in. Violates the primary key where a receipt has paid this invoice before."""
    rows = [(p.receipt_id, p.invoice_id, p.newest_id, p.amount_minor, p.created_at) for p in payments]
    await insert_rows(conn, PAYMENTS, rows)


async def payments_of(conn: Connection, id_: PointsInvoiceId) -> list[InvoicePayment]:
    """What came in while this was the newest invoice, oldest first."""
    rows = await conn.fetch(PAYMENTS_OF, id_)
    return [InvoicePayment(*row) for row in rows]


def _part(row: Any) -> Part:
    (partition_id, action_id, position, issuer_id, authorization_id, merchant_id, kind, part_minor, leg_minor,
     units, numerator, denominator, reference, approval_code, invoiced_minor, created_at) = row  # fmt: skip
    return Part(
        partition_id,
        action_id,
        position,
        issuer_id,
        authorization_id,
        merchant_id,
        ActionKind(kind),
        part_minor,
        leg_minor,
        units,
        Rate(numerator, denominator),
        reference,
        approval_code,
        invoiced_minor,
        created_at,
    )


def _line(row: Any) -> Line:
    return Line(
        id=PointsInvoiceLineId(row["id"]),
        partition_id=row["partition_id"],
        issuer_id=row["issuer_id"],
        action_id=row["action_id"],
        position=row["position"],
        authorization_id=row["authorization_id"],
        merchant_id=row["merchant_id"],
        kind=ActionKind(row["kind"]),
        amount_minor=row["amount_minor"],
        units=row["units"],
        rate=Rate(row["rate_numerator"], row["rate_denominator"]),
        reference=row["reference"],
        approval_code=row["approval_code"],
        created_at=row["created_at"],
        merchant_name=row["name"],
    )


def _invoice(row: Any) -> Invoice:
    return Invoice(**dict(row))
