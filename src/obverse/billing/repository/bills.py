"""Bills as they are read, paid and followed, with what the ledger says of their credit lines now."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

from obverse.billing.model import Bill, BillPayment, BillState, Credit, Line, Month
from obverse.billing.rules import due_minor
from obverse.cards import repository as cards
from obverse.cards.model import Card
from obverse.kit.database import Connection, Table, insert_rows
from obverse.kit.ids import AccountId, BillId, CardId, MemberId
from obverse.kit.paging import NEWEST, Page, PageRequest, cut
from obverse.wallet.model import SourceState

# With what the account has been credited by now: that pays a bill.
_BILLS: Final = """
select b.id, b.partition_id, b.member_id, b.source_id, b.account_id, b.month, b.currency, b.previous_minor,
    b.charges_minor, b.credits_minor, b.payments_minor, b.balance_minor, b.credited_minor, b.reference,
    b.due_on, b.state, b.issued_at, a.credits_posted_minor
from bills as b join accounts as a on a.id = b.account_id and a.partition_id = b.partition_id
"""

BY_ID: Final = f"{_BILLS} where b.id = $1"

BY_REFERENCE: Final = f"{_BILLS} where b.reference = any($1::text[])"

# Locks first and reads afterwards: what the ledger says must not be older than the lock.
LOCK_OPEN: Final = """
select 1 from bills where account_id = any($1::uuid[]) and state <> 'paid' order by id for update
"""

OPEN: Final = f"{_BILLS} where b.account_id = any($1::uuid[]) and b.state <> 'paid' order by b.id"

SET_STATES: Final = """
update bills set state = new.state from unnest($1::uuid[], $2::text[]) as new (id, state)
where bills.id = new.id
"""

# Credit lines with an open bill that the ledger or the date has moved on. Decided again by `rules`.
MOVED_ON: Final = """
select distinct b.account_id
from bills as b
join accounts as a on a.id = b.account_id and a.partition_id = b.partition_id
join funding_sources as s on s.id = b.source_id
where b.state <> 'paid' and (
    a.credits_posted_minor - b.credited_minor >= b.balance_minor
    or (b.state = 'issued' and a.credits_posted_minor > b.credited_minor)
    or (b.state <> 'overdue' and b.due_on < $1)
    or (not s.in_arrears and b.due_on < $2))
and b.account_id > $3
order by b.account_id limit $4
"""

PAYMENTS: Final = Table(
    "bill_payments",
    {
        "receipt_id": "uuid",
        "bill_id": "uuid",
        "account_id": "uuid",
        "amount_minor": "bigint",
        "created_at": "timestamptz",
    },
)

PAYMENTS_OF_BILL: Final = """
select receipt_id, bill_id, account_id, amount_minor, created_at from bill_payments
where account_id = $1 and month = $2 order by created_at, receipt_id
"""

# Newest first, as ids sort by time.
LINES: Final = f"""
select l.partition_id, l.action_id, l.authorization_id, l.kind, l.amount_minor, a.card_id, l.merchant_id,
    m.name, l.created_at
from bill_lines as l
join authorizations as a on a.id = l.authorization_id and a.partition_id = l.partition_id
join merchants as m on m.id = l.merchant_id
where l.account_id = $1 and l.month = $2 and l.action_id < coalesce($3, {NEWEST})
order by l.action_id desc limit $4
"""

# The living credit line, else the one that was removed last. The newest bill has all older ones in it.
CREDIT: Final = """
select s.member_id, s.id, s.currency, s.in_arrears, -a.floor_minor as limit_minor,
    case when s.in_arrears and s.state = 'active' then 'suspended' else s.state end as state,
    a.debits_posted_minor - a.credits_posted_minor as owed_minor, a.debits_pending_minor as held_minor,
    a.credits_posted_minor, b.balance_minor, b.credited_minor,
    (select max(greatest(0, o.balance_minor - (a.credits_posted_minor - o.credited_minor)))
        from bills as o where o.account_id = s.account_id and o.state <> 'paid' and o.due_on < $2
    )::bigint as overdue_minor
from funding_sources as s
join accounts as a on a.id = s.account_id and a.partition_id = s.partition_id
left join lateral (
    select balance_minor, credited_minor from bills
    where account_id = s.account_id order by month desc limit 1
) as b on true
where s.member_id = $1 and s.kind = 'credit_line'
order by s.state = 'removed', s.id desc limit 1
"""


async def find(conn: Connection, bill_id: BillId) -> Bill | None:
    row = await conn.fetchrow(BY_ID, bill_id)
    return _bill(row) if row else None


async def find_by_reference(conn: Connection, references: Sequence[str]) -> dict[str, Bill]:
    """Bills by their payment reference. Unknown references are simply absent."""
    return {bill.reference: bill for bill in map(_bill, await conn.fetch(BY_REFERENCE, references))}


async def find_page(
    conn: Connection, page: PageRequest, member_id: MemberId | None, state: BillState | None
) -> Page[Bill]:
    """Bills, newest first, narrowed by what is given."""
    filters = {"id <": page.after, "member_id =": member_id, "state =": state}
    given = {comparison: value for comparison, value in filters.items() if value is not None}
    narrowed = " and ".join([f"b.{comparison} ${number}" for number, comparison in enumerate(given, 2)])
    where = f" where {narrowed}" if narrowed else ""
    rows = await conn.fetch(f"{_BILLS}{where} order by b.id desc limit $1", page.limit + 1, *given.values())
    return cut([_bill(row) for row in rows], page, lambda bill: bill.id)


async def lock_open(conn: Connection, accounts: Sequence[AccountId]) -> list[Bill]:
    """The unpaid bills of these credit lines, locked in id order, with what the ledger says after that."""
    await conn.fetch(LOCK_OPEN, accounts)
    return [_bill(row) for row in await conn.fetch(OPEN, accounts)]


async def set_states(conn: Connection, bills: Sequence[Bill]) -> None:
    await conn.execute(SET_STATES, [bill.id for bill in bills], [bill.state for bill in bills])


async def find_moved_on(
    conn: Connection, today: date, last_grace_day: date, after: UUID, limit: int
) -> list[AccountId]:
    """Credit lines one of whose bills is no longer in the state that is stored, in the order of accounts."""
    rows = await conn.fetch(MOVED_ON, today, last_grace_day, after, limit, timeout=60)
    return [row["account_id"] for row in rows]


async def insert_payments(conn: Connection, payments: Sequence[BillPayment]) -> None:
    """Store what came in. Violates the primary key where a receipt has paid this bill before."""
    rows = [(p.receipt_id, p.bill_id, p.account_id, p.amount_minor, p.created_at) for p in payments]
    await insert_rows(conn, PAYMENTS, rows)


async def payments_of(conn: Connection, bill: Bill) -> list[BillPayment]:
    """The payments that this bill counts, oldest first."""
    rows = await conn.fetch(PAYMENTS_OF_BILL, bill.account_id, bill.month.first)
    return [BillPayment(*row) for row in rows]


async def lines_of(conn: Connection, bill: Bill, page: PageRequest) -> tuple[Page[Line], dict[CardId, Card]]:
    """A page of a bill's lines, newest first, and the cards that were used, for who may see what."""
    rows = await conn.fetch(LINES, bill.account_id, bill.month.first, page.after, page.limit + 1)
    used = {row["card_id"] for row in rows if row["card_id"] is not None}
    found = await cards.find(conn, bill.partition_id, [], sorted(used)) if used else []
    lines = [Line(*row[1:]) for row in map(tuple, rows)]
    return cut(lines, page, lambda line: line.action_id), {card.id: card for card in found}


async def find_credit(conn: Connection, member_id: MemberId, today: date) -> Credit | None:
    """What this member's credit line stands at; None where there never was one."""
    row = await conn.fetchrow(CREDIT, member_id, today)
    if row is None:
        return None
    due = (
        due_minor(row["balance_minor"], row["credited_minor"], row["credits_posted_minor"])
        if row["balance_minor"] is not None
        else 0
    )
    owed, held, limit = row["owed_minor"], row["held_minor"], row["limit_minor"]
    return Credit(
        member_id=row["member_id"],
        source_id=row["id"],
        currency=row["currency"],
        state=SourceState(row["state"]),
        in_arrears=row["in_arrears"],
        limit_minor=limit,
        owed_minor=owed,
        held_minor=held,
        available_minor=limit - owed - held,
        due_minor=due,
        overdue_minor=row["overdue_minor"] or 0,
        unbilled_minor=owed - due,
        next_bill_on=Month.of(today).next().first,
    )


def _bill(row: Any) -> Bill:
    return Bill(
        id=row["id"],
        partition_id=row["partition_id"],
        member_id=row["member_id"],
        source_id=row["source_id"],
        account_id=row["account_id"],
        month=Month.of(row["month"]),
        currency=row["currency"],
        previous_minor=row["previous_minor"],
        charges_minor=row["charges_minor"],
        credits_minor=row["credits_minor"],
        payments_minor=row["payments_minor"],
        balance_minor=row["balance_minor"],
        credited_minor=row["credited_minor"],
        reference=row["reference"],
        due_on=row["due_on"],
        state=BillState(row["state"]),
        issued_at=row["issued_at"],
        due_minor=due_minor(row["balance_minor"], row["credited_minor"], row["credits_posted_minor"]),
    )
